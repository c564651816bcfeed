/** Outputs on their way down: gathered into slices, delivered several at a time and again until acknowledged, bounded in bytes. */
import type { Clock } from '../ports.js'

const SLICE_BYTES = 256 * 1024
const SLICE_OUTS = 4096
const FIRST_RETRY_MS = 100
const LONGEST_RETRY_MS = 5000

export interface OutboxEvents {
  acknowledged(): void
  /** A delivery was rejected and will be repeated. */
  rejected(error: unknown): void
}

export class Outbox<Out> {
  /** Handed over or gathered, and not yet acknowledged. */
  bytes = 0
  private outs: Out[] = []
  private outsBytes = 0
  /** Numbers of the slices handed over and not acknowledged, oldest first. */
  private readonly open = new Set<number>()
  private lastSlice = 0
  private waiters: (() => void)[] = []
  private readonly pauses = new Set<() => void>()
  private closed = false

  constructor(
    private readonly size: (out: Out) => number,
    private readonly deliver: (outs: readonly Out[]) => Promise<void>,
    private readonly clock: Clock,
    private readonly events: OutboxEvents,
  ) {}

  add(out: Out): void {
    const size = this.size(out)
    this.outs.push(out)
    this.outsBytes += size
    this.bytes += size
    if (this.outsBytes >= SLICE_BYTES || this.outs.length >= SLICE_OUTS) this.flush()
  }

  /** Hands over what was gathered. */
  flush(): void {
    if (this.outs.length === 0) return
    const { outs, outsBytes } = this
    this.outs = []
    this.outsBytes = 0
    const slice = ++this.lastSlice
    this.open.add(slice)
    void this.handOver(outs).then(acknowledged => {
      if (!acknowledged) return
      this.open.delete(slice)
      this.bytes -= outsBytes
      this.wake()
      this.events.acknowledged()
    })
  }

  /** A number that `settled` understands: everything handed over so far. */
  get position(): number {
    return this.lastSlice
  }

  /** Whether every slice up to `position` is acknowledged, in whatever order that happened. */
  settled(position: number): boolean {
    for (const oldest of this.open) return oldest > position
    return true
  }

  /** Resolves at the next acknowledgement, or when the outbox is closed. */
  progress(): Promise<void> {
    return this.closed ? Promise.resolve() : new Promise(resolve => this.waiters.push(resolve))
  }

  /** Repeats nothing any more; what is still open stays unacknowledged. */
  close(): void {
    this.closed = true
    for (const end of this.pauses) end()
    this.wake()
  }

  private async handOver(outs: readonly Out[]): Promise<boolean> {
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(2 * wait, LONGEST_RETRY_MS)) {
      if (this.closed) return false
      try {
        await this.deliver(outs)
        return true
      } catch (error) {
        this.events.rejected(error)
        await this.pause(wait * (0.5 + Math.random() / 2))
      }
    }
  }

  /** Ends early when the outbox is closed. */
  private pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      const end = (): void => {
        this.pauses.delete(end)
        cancel()
        resolve()
      }
      const cancel = this.clock.after(ms, end)
      this.pauses.add(end)
    })
  }

  /** Lets everybody who waits for progress look again. */
  wake(): void {
    const { waiters } = this
    this.waiters = []
    for (const resolve of waiters) resolve()
  }
}
