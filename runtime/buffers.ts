/**
 * Buffers that are used again. Memory touched for the first time costs the machine ten times what memory at hand does, and every buffer left to
 * the collector brings its next full run nearer (docs/decisions/0021).
 *
 * Whoever gives a buffer back promises that nobody reads it any more. One that is not given back is the collector's, which is never wrong.
 */

const SMALLEST = 12
const LARGEST = 22
/** Sizes between two powers of two: a buffer is at most a fifth larger than asked for. */
const STEPS = 4
/** Bytes kept for later; a burst that needed more leaves the rest to the collector. */
const MOST_KEPT = 32 << 20
/** In tests a buffer given back is written over at once, so that a reader who still looks shows. */
const POISON = process.env.NODE_ENV === 'test' ? 0xdd : undefined

export class Buffers {
  private readonly free: Buffer[][] = []
  private kept = 0

  /** At least `size` bytes, with anything in them. More than 4 MiB are made to measure and never kept. */
  take(size: number): Buffer {
    if (size > 1 << LARGEST) return Buffer.allocUnsafeSlow(size)
    const place = placeOf(size)
    const buffer = this.free[place]?.pop()
    if (!buffer) return Buffer.allocUnsafeSlow(sizeOf(place))
    this.kept -= buffer.length
    return buffer
  }

  /** The slices end to end behind `before` bytes with anything in them; and what to call when nobody reads them any more. */
  gather(slices: readonly Uint8Array[], before = 0): { readonly bytes: Buffer; release(): void } {
    let end = before
    for (const slice of slices) end += slice.length
    const buffer = this.take(end)
    let at = before
    for (const slice of slices) {
      buffer.set(slice, at)
      at += slice.length
    }
    return { bytes: buffer.subarray(0, end), release: () => this.give(buffer) }
  }

  give(buffer: Buffer): void {
    if (POISON !== undefined) buffer.fill(POISON)
    const { length } = buffer
    if (length > 1 << LARGEST || this.kept + length > MOST_KEPT) return
    const place = placeOf(length)
    const free = this.free[place]
    if (free) free.push(buffer)
    else this.free[place] = [buffer]
    this.kept += length
  }
}

/** Sizes counted from the smallest: STEPS of them to a doubling. */
const placeOf = (size: number): number => {
  if (size <= 1 << SMALLEST) return 0
  const doublings = 31 - Math.clz32(size - 1)
  const step = 1 << (doublings - 2)
  return (doublings - SMALLEST) * STEPS + Math.ceil((size - (1 << doublings)) / step)
}

const sizeOf = (place: number): number => {
  const doublings = SMALLEST + Math.floor(place / STEPS)
  return (1 << doublings) + (place % STEPS) * (1 << (doublings - 2))
}
