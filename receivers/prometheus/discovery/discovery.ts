/** One way of finding targets. */
import type { Labels } from '../relabel/relabel.js'

/** Tells what it found, whenever that changes; keeps to the last good answer while it gets none. */
export interface Discovery {
  start(found: (labelSets: readonly Labels[]) => void): void
  stop(): Promise<void>
}
