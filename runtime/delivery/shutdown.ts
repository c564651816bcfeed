/** What the bricks of one delivery share about its end. */
import { RetryableError } from '../errors.js'

/**
 * Two moments: `begun` (nothing waits for company or for a quiet moment any more) and `expired` (whoever still waits is let go).
 * A task registered for a moment runs each time that moment comes; `reset` makes the delivery usable again.
 */
export class Shutdown {
  begun = false
  expired = false
  private deadline: AbortSignal | undefined
  private readonly beginTasks: (() => void)[] = []
  private readonly expireTasks: (() => void)[] = []

  onBegin(task: () => void): void {
    this.beginTasks.push(task)
  }

  onExpire(task: () => void): void {
    this.expireTasks.push(task)
  }

  begin(deadline: AbortSignal): void {
    if (this.begun) return
    this.begun = true
    for (const task of this.beginTasks) task()
    this.deadline = deadline
    if (deadline.aborted) this.expire()
    else deadline.addEventListener('abort', this.expire, { once: true })
  }

  reset(): void {
    this.deadline?.removeEventListener('abort', this.expire)
    this.begun = false
    this.expired = false
  }

  private readonly expire = (): void => {
    this.expired = true
    for (const task of this.expireTasks) task()
  }
}

export const shuttingDown = (): RetryableError => new RetryableError('the gateway is shutting down; send again', 'shutdown')
