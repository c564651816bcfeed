/**
 * Shares the event loop: all scrapes together work at most a few milliseconds in one turn of it, then whoever has more to do waits for the
 * next one, in order.
 */
import type { Clock } from '../../runtime/component.js'

const SLICE = 5
/** Items between two looks at the clock. */
const STRIDE = 256

export class Turns {
  private since = Number.NEGATIVE_INFINITY
  private last: Promise<void> = Promise.resolve()

  constructor(private readonly clock: Pick<Clock, 'monotonic'>) {}

  /** Does `work` for every item, however many turns that takes. */
  async each<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
    for (let i = 0; i < items.length; i++) {
      if (i % STRIDE === 0) await this.pause()
      work(items[i]!)
    }
  }

  /** Undefined when there is time left in this turn; else a promise of the next turn that is free. */
  pause(): Promise<void> | undefined {
    if (this.clock.monotonic() - this.since < SLICE) return undefined
    const turn = this.last.then(
      () =>
        new Promise<void>(resolve =>
          setImmediate(() => {
            this.since = this.clock.monotonic()
            resolve()
          }),
        ),
    )
    this.last = turn
    return turn
  }
}
