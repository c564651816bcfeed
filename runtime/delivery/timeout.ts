/** Hands a batch to the backend once, for at most `timeout` milliseconds. */
import type { Batch } from '../../proto/batch.js'
import type { PartialSuccess } from '../../proto/services.js'
import type { Clock, Consume } from '../component.js'
import { RetryableError } from '../errors.js'
import { type Shutdown, shuttingDown } from './shutdown.js'

/** What became of an acknowledged request. */
export interface Outcome extends PartialSuccess {
  /** Items that the exporter itself left out, by reason; they are dropped, and no news of the backend. */
  readonly withheld?: ReadonlyMap<string, number>
}

/**
 * One attempt. Resolves when the backend has acknowledged, with what it will never take of the request, if anything;
 * rejects with RetryableError or PermanentError.
 * When `signal` aborts, it gives up at once and frees what it holds.
 */
export type Send = (batch: Batch, signal: AbortSignal) => Promise<Outcome | undefined>

interface Ports {
  readonly clock: Clock
  readonly shutdown: Shutdown
}

/** `onDelivered` learns of each acknowledged attempt before the caller does. The caller is answered in time even when `send` ignores its signal. */
export const timeout = (
  limit: number,
  send: Send,
  onDelivered: (batch: Batch, partial: Outcome | undefined) => void,
  { clock, shutdown }: Ports,
): Consume => {
  const running = new Set<(why: RetryableError) => void>()
  shutdown.onExpire(() => {
    for (const abort of running) abort(shuttingDown())
  })
  return batch =>
    new Promise<void>((resolve, reject) => {
      const controller = new AbortController()
      const finish = (): boolean => {
        cancel?.()
        return running.delete(abort)
      }
      const abort = (why: RetryableError): void => {
        if (!finish()) return
        reject(why)
        controller.abort(why)
      }
      const cancel = limit > 0 ? clock.after(limit, () => abort(new RetryableError(`no answer within ${limit} ms`, 'timeout'))) : undefined
      running.add(abort)
      const attempt = async (): Promise<Outcome | undefined> => send(batch, controller.signal)
      attempt().then(
        partial => {
          if (!finish()) return
          onDelivered(batch, partial)
          resolve()
        },
        error => {
          if (finish()) reject(error)
        },
      )
    })
}
