/** Which batches are shown: in each second the first `initial`, then every `thereafter`-th; 0 = none. */
import type { Clock } from '../../runtime/component.js'

const SECOND = 1_000

export const sampler = (initial: number, thereafter: number, clock: Clock): (() => boolean) => {
  let until = Number.NEGATIVE_INFINITY
  let seen = 0
  return () => {
    const now = clock.monotonic()
    if (now >= until) {
      until = now + SECOND
      seen = 0
    }
    seen++
    return seen <= initial || (thereafter > 0 && (seen - initial) % thereafter === 0)
  }
}
