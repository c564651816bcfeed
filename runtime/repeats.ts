/** Keeps one noisy fault from flooding the log: of equal lines the first few pass, the rest are counted and told once. */
import type { Clock } from './component.js'

const WINDOW_MS = 10_000
const PASSING = 10
/** Messages are fixed texts; should one carry a value all the same, memory stays bounded. */
const MOST_MESSAGES = 1_000

interface Tally {
  lines: number
  cancel: () => void
}

export class Repeats {
  private readonly tallies = new Map<string, Tally>()

  constructor(private readonly clock: Clock) {}

  /** True when the line may be written. `tell` is called at the window's end with the number of equal lines held back, if there were any. */
  pass(key: string, tell: (held: number) => void): boolean {
    const tally = this.tallies.get(key)
    if (tally) {
      tally.lines += 1
      return tally.lines <= PASSING
    }
    if (this.tallies.size >= MOST_MESSAGES) return true
    const fresh: Tally = { lines: 1, cancel: () => {} }
    const close = () => {
      this.tallies.delete(key)
      if (fresh.lines > PASSING) tell(fresh.lines - PASSING)
    }
    const cancelTimer = this.clock.after(WINDOW_MS, close)
    fresh.cancel = () => {
      cancelTimer()
      close()
    }
    this.tallies.set(key, fresh)
    return true
  }

  /** Ends every window now, so that nothing held back goes untold at exit. */
  flush(): void {
    for (const tally of [...this.tallies.values()]) tally.cancel()
  }
}
