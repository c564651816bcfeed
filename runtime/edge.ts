/** The edge between two components: what crosses it is counted, and what is thrown across it is a refusal of one of the two kinds. */
import { WireError } from '../proto/wire.js'
import type { Consume, Log } from './component.js'
import { PartialError, PermanentError, RetryableError, refusedItems } from './errors.js'
import type { Observer } from './telemetry/ledger.js'

/** Bytes that cannot be read will never be. Anything else but the two refusals is a bug of the component: told in full here, retryable for whoever sent the batch. */
const asRefusal = (thrown: unknown, log: Log): RetryableError | PermanentError => {
  if (thrown instanceof RetryableError || thrown instanceof PermanentError) return thrown
  if (thrown instanceof WireError) return new PermanentError(thrown.message, 'malformed', { cause: thrown })
  log.error('bug: a component threw something that is no refusal', {
    error: thrown,
    stack: thrown instanceof Error ? thrown.stack : undefined,
  })
  return new RetryableError('internal error', 'internal', undefined, { cause: thrown })
}

export const edge = (consume: Consume, observers: readonly Observer[], log: Log): Consume => {
  return async batch => {
    for (const observer of observers) observer.taken(batch)
    try {
      await consume(batch)
    } catch (thrown) {
      const refusal = asRefusal(thrown, log)
      const refused = refusedItems(refusal, batch.items)
      for (const observer of observers) {
        observer.refused(batch, refusal.reason, refused)
        if (refusal instanceof PartialError) observer.acknowledged(batch, batch.items - refused)
      }
      throw refusal
    }
    for (const observer of observers) observer.acknowledged(batch, batch.items)
  }
}
