/**
 * Append times (rule 3): wall time at start plus the monotonic clock, so that no step of the wall clock makes time jump back. Where the two
 * drift apart, append time follows the wall by at most a tenth of elapsed time. A step forward (a suspended machine, a first NTP answer) is
 * taken at once: that never makes time go back, and everybody else's event times have moved as well.
 */
import type { Clock } from '../ports.js'

const SLEW = 0.1
const STEP_MS = 1000

export class AppendClock {
  private last: number
  private lastMonotonic: number
  /** Wall minus append time at the last reading. */
  private drift = 0

  constructor(
    private readonly clock: Clock,
    private readonly stepped: (ms: number) => void,
  ) {
    this.last = clock.now()
    this.lastMonotonic = clock.monotonic()
  }

  /** Whole milliseconds since the epoch; never less than before. */
  stamp(): number {
    const monotonic = this.clock.monotonic()
    const elapsed = Math.max(0, monotonic - this.lastMonotonic)
    this.lastMonotonic = monotonic
    const free = this.last + elapsed
    const wall = this.clock.now()
    const drift = wall - free
    const step = drift - this.drift
    if (Math.abs(step) >= STEP_MS) this.stepped(step)
    this.last = drift >= STEP_MS ? free + drift : free + Math.max(-SLEW * elapsed, Math.min(SLEW * elapsed, drift))
    this.drift = wall - this.last
    return Math.floor(this.last)
  }
}
