/** Tells once that something does not work, and once that it works again. */
import type { KafkaError } from './errors.js'
import type { Clock } from './ports.js'

/** A leader election, a rebalance or a broken connection passes within this time: nobody needs to hear of it. */
const PATIENCE_MS = 2_000

export class Health {
  private last: KafkaError | undefined
  private told = false
  private cancel: (() => void) | undefined

  constructor(
    private readonly clock: Clock,
    private readonly listener: { failing(error: Error): void; recovered(): void },
  ) {}

  /** Told at once when waiting will not help. */
  failing(error: KafkaError): void {
    this.last = error
    if (this.told) return
    if (error.kind === 'permanent') this.tell()
    else this.cancel ??= this.clock.after(PATIENCE_MS, () => this.tell())
  }

  recovered(): void {
    this.stop()
    if (!this.told) return
    this.told = false
    this.listener.recovered()
  }

  stop(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  private tell(): void {
    this.stop()
    this.told = true
    if (this.last) this.listener.failing(this.last)
  }
}
