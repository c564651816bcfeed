/** The machine's clock. Logic takes the Clock it is given; this is the one place that reads the time. */
import type { Clock } from './component.js'

/** Node fires a longer timer at once instead of late. */
const LONGEST_TIMER = 2 ** 31 - 1
/** `Date.now()` counts whole milliseconds, so a difference below this is no step of the wall clock. */
const STEP = 2

export class SystemClock implements Clock {
  private offset = Date.now() - performance.now()

  /** Follows steps and slewing of the wall clock to within 2 ms, with the fraction that `Date.now()` lacks. */
  now(): number {
    const fine = this.offset + performance.now()
    const coarse = Date.now()
    if (Math.abs(fine - coarse) < STEP) return fine
    this.offset = coarse - performance.now()
    return coarse
  }

  monotonic(): number {
    return performance.now()
  }

  after(ms: number, task: () => void): () => void {
    let timer: NodeJS.Timeout
    const wait = (left: number) => {
      timer = left > LONGEST_TIMER ? setTimeout(wait, LONGEST_TIMER, left - LONGEST_TIMER) : setTimeout(task, left)
      timer.unref()
    }
    wait(ms)
    return () => clearTimeout(timer)
  }
}
