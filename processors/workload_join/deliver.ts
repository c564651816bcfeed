/** Outputs of the stream into the rest of the pipeline: merged by signal, repeated until they are taken. */
import { Batch, type Metadata, type Signal } from '../../proto/batch.js'
import type { Clock, Consume, Log } from '../../runtime/component.js'
import { settleAll } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError, reasonOf, refusedItems } from '../../runtime/errors.js'
import { TRANSACTION } from '../../runtime/transactions.js'
import type { JoinMeters } from './meters.js'

/** Milliseconds before the first and between the last repetitions. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 30_000

interface Downstream {
  readonly next: Consume
  readonly clock: Clock
  readonly log: Log
}

/**
 * Resolves when every batch was taken, or refused for good, which is counted and reported. A retryable refusal is tried again without end:
 * what is on the stream has been promised to its senders. Rejects when `stopped` before that; then the stream hands all of it over again.
 * What is part of a transaction is tried once: it ends with the first refusal, and all of it is made anew.
 */
export const deliverInOrder = async (
  outs: readonly Batch[],
  metadata: Metadata,
  downstream: Downstream,
  meters: JoinMeters,
  stopped: AbortSignal,
): Promise<void> => {
  // All are waited for, whatever becomes of one: their memory is used again after this.
  await settleAll(merged(outs).map(batch => deliver(batch.withMetadata(metadata), downstream, meters, stopped)))
}

/** One batch a signal, each in the order of its outputs; between signals there is no order to keep. */
const merged = (outs: readonly Batch[]): Batch[] => {
  const bySignal = new Map<Signal, Batch[]>()
  for (const out of outs) {
    const run = bySignal.get(out.signal)
    if (run) run.push(out)
    else bySignal.set(out.signal, [out])
  }
  return [...bySignal.values()].map(run => Batch.concat(run))
}

const deliver = async (batch: Batch, { next, clock, log }: Downstream, meters: JoinMeters, stopped: AbortSignal): Promise<void> => {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
    try {
      await next(batch)
      return
    } catch (error) {
      if (error instanceof PermanentError) {
        const items = refusedItems(error, batch.items)
        meters.rejected(batch.signal, reasonOf(error), items)
        log.error('a batch behind the join was refused for good and is dropped', {
          signal: batch.signal,
          items,
          reason: reasonOf(error),
          error: error.message,
        })
        return
      }
      if (stopped.aborted || TRANSACTION in batch.metadata) throw error
      log.debug('a batch behind the join was not taken and is tried again', { signal: batch.signal, error: String(error) })
      await paused(error instanceof RetryableError ? (error.after ?? pause) : pause, clock, stopped)
    }
  }
}

const paused = (ms: number, clock: Clock, stopped: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    const done = () => {
      cancel()
      stopped.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    stopped.addEventListener('abort', done, { once: true })
  })
