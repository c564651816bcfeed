/** Waiting, with an end. */
import { KafkaError } from './errors.js'
import type { Clock } from './ports.js'

export const sleep = (clock: Clock, ms: number): Promise<void> => new Promise(resolve => void clock.after(ms, resolve))

/** Doubles from `first` to `most`, with jitter, so that many clients do not come back at once. */
export class Backoff {
  private next: number
  constructor(
    private readonly first: number,
    private readonly most: number,
  ) {
    this.next = first
  }

  reset(): void {
    this.next = this.first
  }

  delay(): number {
    const delay = this.next * (0.5 + Math.random() / 2)
    this.next = Math.min(this.most, this.next * 2)
    return delay
  }
}

/** Rejects as TIMEOUT after `ms`; what `work` does then is nobody's concern any more. */
export const within = async <T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> => {
  let cancel = (): void => {}
  const timeout = new Promise<never>((_, reject) => {
    cancel = clock.after(Math.max(0, ms), () =>
      reject(new KafkaError(`cannot ${what}: no answer within ${Math.round(ms)} ms`, 'retryable', 'TIMEOUT')),
    )
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    cancel()
  }
}
