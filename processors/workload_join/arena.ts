/**
 * Doubles of many small owners in one stretch of memory. Tens of thousands of arrays would each be found, marked and swept again by every run of
 * the collector; one array costs it nothing, however much it holds.
 */

const FIRST_LENGTH = 4096
const SMALLEST = 8

/** Gives out pieces, each of a power of two of doubles, and takes them back. */
export class Arena {
  /** Replaced when it grows: read it anew after every `take`. */
  data = new Float64Array(FIRST_LENGTH)
  /** Room for whoever needs some doubles for a moment. */
  scratch = new Float64Array(64)
  private used = 0
  /** Pieces given back, by the exponent of their size. */
  private readonly free: number[][] = []

  /** The size of the piece that `length` doubles get. */
  static sizeFor(length: number): number {
    return length <= SMALLEST ? SMALLEST : 2 ** Math.ceil(Math.log2(length))
  }

  /** Where a piece of `size` (a result of `sizeFor`) begins, with anything in it. */
  take(size: number): number {
    const again = this.free[Math.log2(size)]?.pop()
    if (again !== undefined) return again
    const at = this.used
    this.used += size
    if (this.used > this.data.length) {
      const larger = new Float64Array(Math.max(this.data.length * 2, Arena.sizeFor(this.used)))
      larger.set(this.data)
      this.data = larger
    }
    return at
  }

  give(at: number, size: number): void {
    const exponent = Math.log2(size)
    const pieces = this.free[exponent]
    if (pieces) pieces.push(at)
    else this.free[exponent] = [at]
  }

  /** A larger piece with the same beginning; the old one is given back. */
  enlarge(at: number, size: number, larger: number): number {
    const to = this.take(larger)
    this.data.copyWithin(to, at, at + size)
    this.give(at, size)
    return to
  }

  /** `width` zeros. */
  zeros(width: number): Float64Array {
    if (this.scratch.length < width) this.scratch = new Float64Array(width * 2)
    return this.scratch.fill(0, 0, width)
  }
}
