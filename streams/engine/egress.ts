/** What becomes of outputs, and of the moments between them: acknowledged and then committed (at_least_once.ts), or both in one transaction (exactly_once.ts). */
import type { Checkpoint } from '../driver.js'

export interface Egress<Out> {
  /** Of outputs handed over or gathered, and not yet taken. */
  readonly bytes: number
  /** Monotonic time of the last commit. */
  readonly lastCommit: number
  /** Whether a new moment should be taken now. */
  readonly due: boolean
  add(partition: number, out: Out): void
  /** Hands over what was gathered. */
  flush(): void
  /** A moment: what to commit once everything handed over before it is acknowledged. */
  take(checkpoints: ReadonlyMap<number, Checkpoint>): void
  /** Commits what can be committed by now. */
  settle(): void
  /** Forgets a partition that belongs to somebody else now. */
  drop(partition: number): void
  /** Resolves at the next acknowledgement, or when closed. */
  progress(): Promise<void>
  /** Lets everybody who waits for progress look again. */
  wake(): void
  /** Waits until everything is acknowledged, takes a last `moment` if it then may be taken, commits it; or gives up at `deadline`. */
  finish(moment: (() => ReadonlyMap<number, Checkpoint>) | undefined, deadline: AbortSignal): Promise<void>
  /** Repeats nothing any more; what is still open stays unacknowledged. */
  close(): void
}

export interface EgressEvents {
  committed(): void
  commitFailed(error: unknown): void
  /** Outputs were not taken and are handed over, or made, again. */
  rejected(error: unknown): void
}
