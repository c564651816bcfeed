import type { z } from 'zod'
import { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { PartialError, PermanentError, RetryableError } from '../errors.js'
import { TestClock, turns } from '../testing/clock.js'
import { TOO_LARGE } from './halving.js'
import { Merging } from './merging.js'
import type { batchOptions } from './options.js'
import { Shutdown } from './shutdown.js'
import { backend, namesIn, outcome, setUp, spans, type Written } from './testing/backend.js'

describe('merging', () => {
  const merging = (batch: z.input<typeof batchOptions>): Written => ({
    sending_queue: { batch },
  })

  test('requests of one signal leave together at min_size, and each caller is acknowledged', async () => {
    const { calls, send } = backend()
    const { consumer } = setUp(send, merging({ min_size: 4 }))
    const callers = [spans(1, 2), spans(3), spans(4)].map(batch => outcome(consumer.consume(batch)))
    await turns()
    expect(calls.map(call => namesIn(call.batch))).toEqual([[1, 2, 3, 4]])
    expect(calls[0]?.batch.items).toBe(4)
    calls[0]?.answer()
    await turns()
    expect(callers.every(caller => caller.state === 'resolved')).toBe(true)
  })

  test('a lonely request leaves after flush_timeout', async () => {
    const { calls, send } = backend()
    const { consumer, clock } = setUp(send, merging({ flush_timeout: '200ms' }))
    const caller = outcome(consumer.consume(spans(1)))
    await clock.advance(199)
    expect(calls).toHaveLength(0)
    await clock.advance(1)
    calls[0]?.answer()
    await turns()
    expect(caller.state).toBe('resolved')
    expect(clock.pending).toBe(0)
  })

  test('signals and epochs never mix', async () => {
    const { calls, send } = backend()
    const { consumer, clock } = setUp(send, merging({}))
    const logs = Batch.of('logs', spans(9).slices, 1)
    const callers = [spans(1), spans(2).withMetadata({ epoch: '7' }), spans(3).withMetadata({ epoch: '7' }), logs].map(batch =>
      outcome(consumer.consume(batch)),
    )
    await clock.advance(200)
    expect(calls.map(call => [call.batch.signal, namesIn(call.batch)])).toEqual([
      ['traces', [1]],
      ['traces', [2, 3]],
      ['logs', [9]],
    ])
    for (const call of calls) call.answer()
    await turns()
    expect(callers.every(caller => caller.state === 'resolved')).toBe(true)
  })

  test('no request is larger than max_size: larger ones are cut, and the caller waits for all parts', async () => {
    const { calls, send } = backend()
    const { consumer, clock } = setUp(send, merging({ min_size: 2, max_size: 3 }))
    const caller = outcome(consumer.consume(spans(1, 2, 3, 4, 5, 6, 7)))
    await clock.advance(200)
    expect(calls.map(call => namesIn(call.batch))).toEqual([[1, 2, 3], [4, 5, 6], [7]])
    calls[0]?.answer()
    calls[1]?.answer()
    await turns()
    expect(caller.state).toBe('waiting')
    calls[2]?.answer()
    await turns()
    expect(caller.state).toBe('resolved')
  })

  test('a merged request refused as bad data is sent once more request by request: only the guilty caller is refused', async () => {
    const sent: number[][] = []
    const { consumer, meter } = setUp(
      async batch => {
        const names = namesIn(batch)
        sent.push(names)
        if (names.includes(13)) throw new PermanentError('bad span', 'bad_data')
        return undefined
      },
      merging({ min_size: 5 }),
    )
    const callers = [spans(1, 2), spans(13), spans(4, 5)].map(batch => outcome(consumer.consume(batch)))
    await turns()
    expect(callers.map(caller => caller.state)).toEqual(['resolved', 'permanent', 'resolved'])
    expect(sent).toEqual([[1, 2, 13, 4, 5], [1, 2], [13], [4, 5]])
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(4)
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(1)
  })

  test('a merged request refused in part is not sent again: every caller is warned; one that stands alone hears how much', async () => {
    const clock = new TestClock()
    const given: Batch[] = []
    const next: Consume = async batch => {
      given.push(batch)
      throw new PartialError('large', 'too_large', 1)
    }
    const options = { flush_timeout: 100, min_size: 3, max_size: 3, sizer: 'items' } as const
    const { consume } = new Merging(options, { merged: next, single: next }, { clock, shutdown: new Shutdown() })
    const told = (batch: Batch) => consume(batch).catch(error => error)
    expect(await Promise.all([told(spans(1)), told(spans(2, 3))])).toMatchObject([
      { reason: 'too_large', items: 0 },
      { reason: 'too_large', items: 0 },
    ])
    expect(given.map(namesIn)).toEqual([[1, 2, 3]])
    expect(await told(spans(4, 5, 6))).toMatchObject({ items: 1 })
    expect(await told(spans(1, 2, 3, 4, 5, 6))).toMatchObject({ reason: 'too_large', items: 2 })
  })

  test('a merged request that cannot be delivered is given back to every caller', async () => {
    const { consumer, meter } = setUp(
      async () => {
        throw new RetryableError('down', 'unavailable')
      },
      { ...merging({ min_size: 2 }), retry_on_failure: { enabled: false } },
    )
    const callers = [spans(1), spans(2)].map(batch => outcome(consumer.consume(batch)))
    await turns()
    expect(callers.map(caller => caller.state)).toEqual(['retryable', 'retryable'])
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(2)
  })
})

describe('too large', () => {
  test('a request the backend calls too large is cut in halves until it fits; a single item that does not fit is refused', async () => {
    const sent: number[][] = []
    const { consumer, meter } = setUp(async batch => {
      const names = namesIn(batch)
      if (names.length > 2 || names.includes(13)) throw new PermanentError('too large', TOO_LARGE)
      sent.push(names)
      return undefined
    })
    await consumer.consume(spans(1, 2, 3, 4, 5, 6, 7))
    expect(sent.flat().sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
    await expect(consumer.consume(spans(12, 13))).rejects.toMatchObject({ reason: TOO_LARGE })
    expect(sent.at(-1)).toEqual([12])
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(8)
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(1)
  })
})
