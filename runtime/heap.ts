/**
 * Room for the engine's old generation.
 *
 * A gateway keeps little on the heap and much in buffers that live for some milliseconds. V8 counts those buffers in its old generation's
 * limit, which for a small heap is a few dozen MiB, so that a full collection comes after every few dozen requests.
 * Measured in docs/decisions/0020-heap-headroom.md.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import type { Clock } from './component.js'

/** Growth that full collections are at least apart, in bytes. */
const HEADROOM = 64 << 20
const INTERVAL = 10_000

/** Keeps at least `HEADROOM` between full collections, whatever lives on the heap; a large heap is left to V8. The result ends it. */
export const keepHeadroom = (clock: Clock): (() => void) => {
  let cancel = (): void => {}
  const adjust = (): void => {
    setFlagsFromString(`--heap-growing-percent=${growthFor(getHeapStatistics().used_heap_size)}`)
    cancel = clock.after(INTERVAL, adjust)
  }
  adjust()
  return () => {
    cancel()
    setFlagsFromString('--heap-growing-percent=0')
  }
}

/** Percent by which a heap of `used` bytes may grow before the next full collection; 0 = as V8 sees fit. */
export const growthFor = (used: number): number => (used >= HEADROOM ? 0 : Math.ceil((100 * HEADROOM) / Math.max(used, 1 << 20)))
