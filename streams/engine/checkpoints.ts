/** Moments between two records, committed once everything emitted before them is acknowledged (rule 18). One moment is under way at a time. */
import type { Checkpoint } from '../driver.js'
import type { Clock } from '../ports.js'

export interface CheckpointPorts {
  readonly clock: Clock
  /** Whether everything handed over up to the position is acknowledged. */
  settled(position: number): boolean
  commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void>
  committed(): void
  failed(error: unknown): void
}

export class Checkpoints {
  /** Monotonic time of the last commit. */
  lastCommit: number
  private pending: { position: number; checkpoints: ReadonlyMap<number, Checkpoint> } | undefined
  private lastMoment = -Infinity
  private committing: Promise<void> | undefined

  constructor(
    private readonly ports: CheckpointPorts,
    private readonly interval: number,
  ) {
    this.lastCommit = ports.clock.monotonic()
  }

  /** Whether a new moment should be taken now. */
  get due(): boolean {
    return this.pending === undefined && this.ports.clock.monotonic() - this.lastMoment >= this.interval
  }

  /** A moment: what to commit once the outputs up to `position` are acknowledged. Replaces one that still waits. */
  take(position: number, checkpoints: ReadonlyMap<number, Checkpoint>): void {
    this.lastMoment = this.ports.clock.monotonic()
    this.pending = { position, checkpoints }
    this.settle()
  }

  /** Forgets a partition that belongs to somebody else now. */
  drop(partition: number): void {
    if (!this.pending) return
    const checkpoints = new Map(this.pending.checkpoints)
    checkpoints.delete(partition)
    this.pending = { ...this.pending, checkpoints }
  }

  /** Commits the moment that waits, if its outputs are acknowledged. */
  settle(): void {
    const { pending } = this
    if (!pending || this.committing || !this.ports.settled(pending.position)) return
    this.committing = this.ports.commit(pending.checkpoints).then(
      () => {
        this.committing = undefined
        if (this.pending === pending) this.pending = undefined
        this.lastCommit = this.ports.clock.monotonic()
        this.ports.committed()
        this.settle()
      },
      error => {
        this.committing = undefined
        this.ports.failed(error)
      },
    )
  }

  /** Resolves when no commit is under way. */
  async idle(): Promise<void> {
    while (this.committing) await this.committing
  }
}
