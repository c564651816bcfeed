import fc from 'fast-check'
import { Batch, type Signal } from '../../proto/batch.js'
import { PermanentError, RetryableError } from '../errors.js'
import { turns } from '../testing/clock.js'
import { TOO_LARGE } from './halving.js'
import { backend, namesIn, outcome, setUp, spans } from './testing/backend.js'

const items = { exporter: 'otlp_http/backend' }

describe('acknowledgement', () => {
  test('a queued request is acknowledged on delivery, not on enqueue', async () => {
    const { calls, send } = backend()
    const { consumer, meter } = setUp(send)
    const caller = outcome(consumer.consume(spans(1, 2)))
    await turns()
    expect(caller.state).toBe('waiting')
    expect(meter.sum('otelcol_exporter_queue_size', { ...items, data_type: 'traces' })).toBe(1)
    calls[0]?.answer()
    await turns()
    expect(caller.state).toBe('resolved')
    expect(meter.sum('otelcol_exporter_sent_spans', items)).toBe(2)
    expect(meter.sum('otelcol_exporter_queue_size', { ...items, data_type: 'traces' })).toBe(0)
  })

  test('a permanent refusal reaches the caller, is never retried, and is counted as failed', async () => {
    let attempts = 0
    const { consumer, meter } = setUp(async () => {
      attempts++
      throw new PermanentError('unknown field', 'bad_data')
    })
    await expect(consumer.consume(spans(1, 2, 3))).rejects.toBeInstanceOf(PermanentError)
    expect(attempts).toBe(1)
    expect(meter.sum('otelcol_exporter_send_failed_spans', items)).toBe(3)
    expect(meter.sum('ai_factory_gateway_dropped_items')).toBe(0)
  })

  test('partial success is not resent; what was rejected is counted with the backend’s words, numbers read alike', async () => {
    let rejected = 0
    const { consumer, meter, log } = setUp(async () => ({ rejected: 1, message: `span ${rejected++} too old` }))
    await consumer.consume(spans(1, 2))
    await consumer.consume(spans(3, 4))
    expect(rejected).toBe(2)
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(2)
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(2)
    expect(meter.sum('ai_factory_gateway_dropped_items', { reason: 'span # too old' })).toBe(2)
    expect(log.lines[0]).toMatchObject({ level: 'warn', fields: { reason: 'span 0 too old' } })
  })

  test('a backend that invents reasons cannot make more than a few series of them', async () => {
    let count = 0
    const words = 'abcdefghijklmnopqrstuvwxyz'
    const { consumer, meter } = setUp(async () => ({ rejected: 1, message: `because ${words[count++]}` }))
    for (let i = 0; i < 26; i++) await consumer.consume(spans(i))
    expect(meter.sum('ai_factory_gateway_dropped_items')).toBe(26)
    expect(meter.sum('ai_factory_gateway_dropped_items', { reason: 'other' })).toBe(10)
  })
})

describe('shutdown', () => {
  test('waiting company leaves at once, and stop resolves when everything is acknowledged', async () => {
    const { calls, send } = backend()
    const { consumer } = setUp(send, { sending_queue: { batch: {} } })
    const callers = [outcome(consumer.consume(spans(1))), outcome(consumer.consume(spans(2)))]
    const stopped = outcome(consumer.stop!(new AbortController().signal))
    await turns()
    expect(calls.map(call => namesIn(call.batch))).toEqual([[1, 2]])
    expect(stopped.state).toBe('waiting')
    calls[0]?.answer()
    await turns()
    expect([stopped, ...callers].map(one => one.state)).toEqual(['resolved', 'resolved', 'resolved'])
  })

  test('a wait between attempts ends at once for one more attempt', async () => {
    let attempts = 0
    const { consumer } = setUp(async () => {
      if (attempts++ === 0) throw new RetryableError('down', 'unavailable')
      return undefined
    })
    const caller = outcome(consumer.consume(spans(1)))
    await turns()
    await consumer.stop!(new AbortController().signal)
    await turns()
    expect([attempts, caller.state]).toEqual([2, 'resolved'])
  })

  test('at the deadline what is sent, queued and waiting at the bound is given back as retryable, and counted', async () => {
    const { calls, send } = backend()
    const { consumer, clock, meter } = setUp(send, { sending_queue: { num_consumers: 1, queue_size: 2 } })
    const callers = [1, 2, 3].map(name => outcome(consumer.consume(spans(name))))
    const deadline = new AbortController()
    const stopped = outcome(consumer.stop!(deadline.signal))
    await turns()
    expect(stopped.state).toBe('waiting')
    deadline.abort()
    await turns()
    expect(callers.map(caller => caller.state)).toEqual(['retryable', 'retryable', 'retryable'])
    expect(callers[0]?.error).toMatchObject({ reason: 'shutdown' })
    expect(stopped.state).toBe('resolved')
    expect(calls[0]?.signal.aborted).toBe(true)
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(2)
    expect(meter.sum('otelcol_exporter_enqueue_failed_spans')).toBe(1)
    expect(clock.pending).toBe(0)
  })

  test('stopped, it refuses with retry; stopped twice, it is quiet; started again, it sends', async () => {
    const { consumer } = setUp(async () => undefined)
    await consumer.consume(spans(1))
    await consumer.stop!(AbortSignal.abort())
    await consumer.stop!(AbortSignal.abort())
    await expect(consumer.consume(spans(2))).rejects.toMatchObject({ name: 'RetryableError', reason: 'shutdown' })
    await expect(consumer.consume(Batch.of('logs', [], 0))).rejects.toMatchObject({ reason: 'shutdown' })
    await consumer.start!()
    await consumer.consume(spans(3))
    await consumer.consume(Batch.of('logs', [], 0))
  })
})

test('conservation: whatever the backend answers, in = sent + failed + held, and every caller gets a verdict', async () => {
  const answer = fc.oneof(
    { weight: 4, arbitrary: fc.constant('ok') },
    fc.constantFrom('retryable', 'permanent', 'too_large', 'partial', 'bug', 'never'),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 500 })), { minLength: 1, maxLength: 30 }),
      fc.array(answer, { maxLength: 60 }),
      fc.record({
        queue_size: fc.integer({ min: 1, max: 5 }),
        num_consumers: fc.integer({ min: 1, max: 4 }),
        on_full: fc.constantFrom('block', 'drop'),
      }),
      fc.option(fc.record({ min_size: fc.integer({ min: 0, max: 12 }), max_size: fc.constantFrom(0, 12, 20) }), { nil: undefined }),
      fc.integer({ min: 0, max: 20_000 }),
      async (requests, answers, queue, batch, stopAfter) => {
        const { consumer, clock, meter } = setUp(
          (sent, signal) =>
            new Promise((resolve, reject) => {
              const kind = answers.pop() ?? 'ok'
              if (kind === 'ok') resolve(undefined)
              else if (kind === 'partial') resolve({ rejected: Math.ceil(sent.items / 2), message: 'old' })
              else if (kind === 'retryable') reject(new RetryableError('busy', 'unavailable'))
              else if (kind === 'permanent') reject(new PermanentError('bad', 'bad_data'))
              else if (kind === 'too_large') reject(new PermanentError('large', TOO_LARGE))
              else if (kind === 'bug') throw new TypeError('bug')
              else signal.addEventListener('abort', () => reject(signal.reason))
            }),
          { sending_queue: { ...queue, ...(batch && { batch }) }, retry_on_failure: { max_elapsed_time: '30s' } },
          Math.random,
        )
        const callers: { state: string }[] = []
        let given = 0
        for (const [count, pause] of requests) {
          given += count
          callers.push(outcome(consumer.consume(spans(...Array.from({ length: count }, (_, i) => i)))))
          await clock.advance(pause)
        }
        await clock.advance(stopAfter)
        const deadline = new AbortController()
        const stopped = outcome(consumer.stop!(deadline.signal))
        await clock.advance(1_000)
        deadline.abort()
        await turns()
        const value = (name: string) => meter.sum(name)
        expect(stopped.state).toBe('resolved')
        expect(callers.filter(caller => caller.state === 'waiting')).toEqual([])
        expect(
          value('otelcol_exporter_sent_spans') +
            value('otelcol_exporter_send_failed_spans') +
            value('otelcol_exporter_enqueue_failed_spans'),
        ).toBe(given)
        expect(meter.sum('otelcol_exporter_queue_size')).toBe(0)
        expect(meter.sum('otelcol_exporter_in_flight_requests')).toBe(0)
        expect(clock.pending).toBe(0)
      },
    ),
    { numRuns: 150 },
  )
})

test.each<Signal>(['traces', 'metrics', 'logs', 'events'])('%s are counted under names of their own', async signal => {
  const names = {
    traces: 'otelcol_exporter_sent_spans',
    metrics: 'otelcol_exporter_sent_metric_points',
    logs: 'otelcol_exporter_sent_log_records',
    events: 'ai_factory_gateway_exporter_sent_events',
  }
  const { consumer, meter } = setUp(async () => undefined)
  await consumer.consume(Batch.of(signal, [new Uint8Array(3)], 5))
  expect(meter.sum(names[signal], items)).toBe(5)
})
