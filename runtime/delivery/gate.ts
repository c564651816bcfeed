/** The way in: shut once a shutdown has begun, and aware of who still waits for an answer. */
import type { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { type Shutdown, shuttingDown } from './shutdown.js'

export class Gate {
  private callers = 0
  private waiting: (() => void)[] = []

  /** `onRefuse` learns of each batch that came after the shutdown had begun. */
  constructor(
    private readonly next: Consume,
    private readonly shutdown: Shutdown,
    private readonly onRefuse: (batch: Batch) => void = () => {},
  ) {
    shutdown.onExpire(() => this.tellSettled())
  }

  /** Resolves when every caller has its answer, at the latest at the shutdown's deadline. */
  settled(): Promise<void> {
    if (this.callers === 0 || this.shutdown.expired) return Promise.resolve()
    return new Promise(resolve => this.waiting.push(resolve))
  }

  readonly consume: Consume = async batch => {
    if (this.shutdown.begun) {
      this.onRefuse(batch)
      throw shuttingDown()
    }
    this.callers++
    try {
      await this.next(batch)
    } finally {
      this.callers--
      if (this.callers === 0) this.tellSettled()
    }
  }

  private tellSettled(): void {
    for (const tell of this.waiting.splice(0)) tell()
  }
}
