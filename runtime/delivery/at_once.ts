/** One attempt for each batch, with neither queue nor repetition: for whoever must know at once what became of it. */
import type { Signal } from '../../proto/batch.js'
import type { Consume, Context } from '../component.js'
import { PermanentError, RetryableError } from '../errors.js'
import { Shutdown } from './shutdown.js'
import { DeliveryTelemetry } from './telemetry.js'
import { type Send, timeout } from './timeout.js'

/** Counted as `deliver` counts. */
export const deliverAtOnce = (limit: number, send: Send, context: Context): Consume => {
  const lines = new Map<Signal, Consume>()
  const lineOf = (signal: Signal): Consume => {
    const telemetry = new DeliveryTelemetry(signal, context)
    const once = timeout(limit, send, telemetry.delivered, { clock: context.clock, shutdown: new Shutdown() })
    return async batch => {
      try {
        await once(batch)
      } catch (error) {
        telemetry.undelivered(batch, error)
        throw error instanceof PermanentError ? error : new RetryableError(String(error), 'transaction', undefined, { cause: error })
      }
    }
  }
  return batch => {
    const line = lines.get(batch.signal) ?? lineOf(batch.signal)
    lines.set(batch.signal, line)
    return line(batch)
  }
}
