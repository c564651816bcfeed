import fc from 'fast-check'
import type { Batch } from '../../proto/batch.js'
import { RetryableError } from '../errors.js'
import { turns } from '../testing/clock.js'
import { harness } from '../testing/harness.js'
import { deliver } from './delivery.js'
import { backoff, LONGEST_HINT } from './retry.js'
import { backend, options, outcome, setUp, spans } from './testing/backend.js'
import type { Send } from './timeout.js'

describe('retry', () => {
  const flaky = (failures: unknown[]) => {
    const attempts: number[] = []
    return { attempts, failures }
  }

  test('waits grow by the multiplier up to the longest, and the same bytes are sent again', async () => {
    const { attempts, failures } = flaky([1, 2, 3, 4, 5])
    const { context, clock } = harness('otlp_http/backend')
    const seen = new Set<Batch>()
    const consumer = deliver(
      options({ retry_on_failure: { initial_interval: '1s', multiplier: 2, max_interval: '4s' } }),
      async batch => {
        attempts.push(clock.monotonic())
        seen.add(batch)
        if (failures.pop() !== undefined) throw new RetryableError('down', 'unavailable')
        return undefined
      },
      context,
      () => 0.5,
    )
    const caller = outcome(consumer.consume(spans(1)))
    await clock.advance(60_000)
    expect(caller.state).toBe('resolved')
    expect(attempts).toEqual([0, 1_000, 3_000, 7_000, 11_000, 15_000])
    expect(seen.size).toBe(1)
  })

  test('gives the request back as retryable after max_elapsed_time, and never with 0', async () => {
    const down: Send = async () => {
      throw new RetryableError('down', 'unavailable')
    }
    const limited = setUp(down, { retry_on_failure: { max_elapsed_time: '60s' } })
    const endless = setUp(down, { retry_on_failure: { max_elapsed_time: 0 } })
    const one = outcome(limited.consumer.consume(spans(1)))
    const other = outcome(endless.consumer.consume(spans(1)))
    await limited.clock.advance(61_000)
    await endless.clock.advance(3_600_000)
    expect(one.state).toBe('retryable')
    expect(one.error).toMatchObject({ reason: 'unavailable', message: expect.stringMatching(/gave up after \d+ s of retries: down/) })
    expect(limited.meter.sum('otelcol_exporter_send_failed_spans')).toBe(1)
    expect(limited.meter.sum('ai_factory_gateway_dropped_items')).toBe(0)
    expect(other.state).toBe('waiting')
  })

  test('the backend’s hint is waited for, but not for ever', async () => {
    const attempts: number[] = []
    const { context, clock } = harness('x')
    const hints = [20_000, 86_400_000]
    const consumer = deliver(
      options({ retry_on_failure: { initial_interval: '1s', randomization_factor: 0, max_elapsed_time: 0 } }),
      async () => {
        attempts.push(clock.monotonic())
        const after = hints.shift()
        if (after !== undefined) throw new RetryableError('busy', 'throttled', after)
        return undefined
      },
      context,
    )
    const caller = outcome(consumer.consume(spans(1)))
    await clock.advance(400_000)
    expect(attempts).toEqual([0, 20_000, 320_000])
    expect(caller.state).toBe('resolved')
  })

  test('a hint longer than the time left gives the request back at once, hint included', async () => {
    const { consumer } = setUp(
      async () => {
        throw new RetryableError('busy', 'throttled', 120_000)
      },
      { retry_on_failure: { max_elapsed_time: '60s', randomization_factor: 0 } },
    )
    await expect(consumer.consume(spans(1))).rejects.toMatchObject({ name: 'RetryableError', after: 120_000 })
  })

  test('what is thrown in error is retried too', async () => {
    let attempts = 0
    const { consumer, clock } = setUp(() => {
      attempts++
      if (attempts === 1) throw new TypeError('a bug')
      return Promise.resolve(undefined)
    })
    const caller = outcome(consumer.consume(spans(1)))
    await clock.advance(10_000)
    expect(caller.state).toBe('resolved')
    expect(attempts).toBe(2)
  })

  test('switched off, one failure goes straight to the caller', async () => {
    const { consumer } = setUp(
      async () => {
        throw new RetryableError('down', 'unavailable')
      },
      { retry_on_failure: { enabled: false } },
    )
    await expect(consumer.consume(spans(1))).rejects.toMatchObject({ reason: 'unavailable' })
  })
})

describe('timeout', () => {
  test('a backend that never answers is left after the timeout, its signal aborted, and tried again', async () => {
    const { calls, send } = backend()
    const { consumer, clock } = setUp(send, { timeout: '5s', retry_on_failure: { initial_interval: '1s' } })
    const caller = outcome(consumer.consume(spans(1)))
    await clock.advance(5_000)
    expect(calls[0]?.signal.aborted).toBe(true)
    expect(caller.state).toBe('waiting')
    await clock.advance(1_000)
    expect(calls).toHaveLength(2)
    calls[0]?.answer()
    await turns()
    expect(caller.state).toBe('waiting')
    calls[1]?.answer()
    await turns()
    expect(caller.state).toBe('resolved')
    expect(clock.pending).toBe(0)
  })
})

test('every wait lies within its bounds: the spread interval without a hint, never below the (capped) hint with one', () => {
  const interval = fc.double({ min: 1, max: 60_000, noNaN: true })
  const spread = fc.double({ min: 0, max: 1, noNaN: true })
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(
      interval,
      spread,
      random,
      fc.option(fc.integer({ min: 1, max: 10_000_000 }), { nil: undefined }),
      (base, factor, dice, hint) => {
        const wait = backoff(base, factor, hint, dice)
        const [least, most] =
          hint === undefined
            ? [base * (1 - factor), base * (1 + factor)]
            : [Math.min(hint, LONGEST_HINT), Math.min(hint, LONGEST_HINT) + base]
        expect(wait).toBeGreaterThanOrEqual(least - 1e-6)
        expect(wait).toBeLessThanOrEqual(most + 1e-6)
      },
    ),
  )
})
