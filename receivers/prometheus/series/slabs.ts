/**
 * Memory for many small things that last. A hundred thousand series would otherwise be several hundred thousand objects more, and each of them
 * lengthens the pauses of the garbage collector.
 */

const BYTES = 64 * 1024
const NUMBERS = 4096

/** Small pieces of bytes, laid side by side. A slab is freed when the last piece on it is. */
export class ByteSlabs {
  /** Where the piece kept last lies. */
  slab: Buffer = Buffer.alloc(0)
  start = 0
  end = 0

  /** Copies `bytes[start, end)`; `slab`, `start` and `end` then say where to. */
  keep(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.end + length > this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(Math.max(BYTES, length))
      this.end = 0
    }
    this.start = this.end
    this.end += length
    this.slab.set(bytes.subarray(start, end), this.start)
  }
}

/** Records of so many numbers, laid side by side. */
export class NumberSlabs {
  slab = new Float64Array(0)
  start = 0

  constructor(private readonly width: number) {}

  /** A record of NaNs: `slab[start, start + width)`. */
  take(): void {
    this.start += this.width
    if (this.start + this.width <= this.slab.length) return
    this.slab = new Float64Array(NUMBERS).fill(Number.NaN)
    this.start = 0
  }
}
