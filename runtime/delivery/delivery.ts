/**
 * From a consumer's promise to a backend's acknowledgement: gate → bound → merge → lanes → retry → timeout → send.
 *
 * Each brick is `Consume → Consume` and knows nothing of its neighbours. Nothing is acknowledged before the backend has acknowledged it,
 * so that what is lost with this process is sent again by whoever waits for the promise.
 */
import type { Batch, Signal } from '../../proto/batch.js'
import type { Consume, Consumer, Context } from '../component.js'
import { PermanentError } from '../errors.js'
import { Bound } from './bound.js'
import { Gate } from './gate.js'
import { halving } from './halving.js'
import { lanes } from './lanes.js'
import { Merging } from './merging.js'
import type { DeliveryOptions } from './options.js'
import { retry } from './retry.js'
import { Shutdown } from './shutdown.js'
import { DeliveryTelemetry } from './telemetry.js'
import { type Send, timeout } from './timeout.js'

interface Line {
  readonly gate: Gate
  readonly shutdown: Shutdown
}

/**
 * The consumer of an exporter that sends with `send`. Each signal has a queue of its own, as in the Collector.
 * `stop` sends what is held until the deadline; what is left then is given back to its callers as retryable, and counted.
 */
export const deliver = (options: DeliveryOptions, send: Send, context: Context, random: () => number = Math.random): Consumer => {
  const lines = new Map<Signal, Line>()
  let running = true
  const lineOf = (signal: Signal): Line => {
    let line = lines.get(signal)
    if (!line) {
      line = makeLine(options, send, signal, context, random)
      lines.set(signal, line)
    }
    return line
  }
  return {
    consume: batch => {
      const line = lineOf(batch.signal)
      if (!running && !line.shutdown.begun) line.shutdown.begin(AbortSignal.abort())
      return line.gate.consume(batch)
    },
    start: async () => {
      running = true
      for (const line of lines.values()) line.shutdown.reset()
    },
    stop: async deadline => {
      running = false
      for (const { shutdown } of lines.values()) shutdown.begin(deadline)
      await Promise.all([...lines.values()].map(({ gate }) => gate.settled()))
    },
  }
}

const makeLine = (options: DeliveryOptions, send: Send, signal: Signal, context: Context, random: () => number): Line => {
  const { clock } = context
  const { sending_queue: queue, retry_on_failure: retryOptions } = options
  const telemetry = new DeliveryTelemetry(signal, context)
  const shutdown = new Shutdown()
  let inFlight = 0

  const once = timeout(options.timeout, send, telemetry.delivered, { clock, shutdown })
  const again = retry(retryOptions, once, { clock, shutdown, random, onRetry: telemetry.retrying })
  const counted: Consume = async batch => {
    inFlight++
    try {
      return await again(batch)
    } finally {
      inFlight--
    }
  }
  const through = queue.enabled ? lanes(queue.num_consumers, counted, shutdown) : counted
  const single = halving(through, telemetry.undelivered)
  const merged = giveBack(through, telemetry.undelivered)
  const entry = queue.enabled && queue.batch ? new Merging(queue.batch, { merged, single }, { clock, shutdown }).consume : single

  const full = queue.on_full ?? (queue.block_on_overflow === false ? 'drop' : 'block')
  const bounds = { capacity: queue.queue_size, sizer: queue.sizer, maxBytes: queue.max_bytes, full } as const
  const bound = new Bound(bounds, entry, shutdown, { onDrop: telemetry.full, onRefuse: telemetry.refused })
  const gate = new Gate(queue.enabled ? bound.consume : entry, shutdown, telemetry.refused)
  telemetry.inFlight(() => inFlight)
  if (queue.enabled) telemetry.queue(queue.queue_size, () => bound.size)
  return { gate, shutdown }
}

/** A merged request that failed for now ends here; one refused for good does not: its requests are sent again, each alone. */
const giveBack =
  (next: Consume, onFailed: (batch: Batch, error: unknown) => void): Consume =>
  async batch => {
    try {
      return await next(batch)
    } catch (error) {
      if (!(error instanceof PermanentError)) onFailed(batch, error)
      throw error
    }
  }
