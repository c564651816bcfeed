/**
 * Memory of large answers, used again: a megabyte that is left to the collector brings its next full run nearer, and those runs cost more than all
 * else that reading does (docs/decisions/0021). Whoever reads an answer holds its frame; the last who lets go promises that nobody looks any more. One
 * that is never let go is the collector's.
 */

/** Smaller ones are not worth it. */
const SMALLEST = 64 * 1024
/** Lengths are rounded up, so that what comes back fits what comes next. */
const STEP = 128 * 1024
const MOST_KEPT = 32 * 1024 * 1024
/** In tests a frame given back is written over at once, so that a reader who still looks shows. */
const POISON = process.env.NODE_ENV === 'test' ? 0xdd : undefined

export class Frames {
  private readonly holders = new WeakMap<ArrayBufferLike, number>()
  private free: Buffer[] = []
  private kept = 0

  /** Exactly `length` bytes with anything in them, held once. */
  take(length: number): Buffer {
    if (length < SMALLEST) return Buffer.allocUnsafe(length)
    const found = this.free.filter(each => each.length >= length && each.length <= 2 * length).sort((a, b) => a.length - b.length)[0]
    const frame = found ?? Buffer.allocUnsafeSlow(Math.ceil(length / STEP) * STEP)
    if (found) this.remove(found)
    this.holders.set(frame.buffer, 1)
    return frame.subarray(0, length)
  }

  /** One more reads the frame in which these bytes lie. */
  hold({ buffer }: Buffer): void {
    const holders = this.holders.get(buffer)
    if (holders !== undefined) this.holders.set(buffer, holders + 1)
  }

  /** One less. */
  release({ buffer }: Buffer): void {
    const holders = this.holders.get(buffer)
    if (holders === undefined) return
    if (holders > 1) {
      this.holders.set(buffer, holders - 1)
      return
    }
    this.holders.delete(buffer)
    const frame = Buffer.from(buffer)
    if (POISON !== undefined) frame.fill(POISON)
    if (this.kept + frame.length > MOST_KEPT) return
    this.free.push(frame)
    this.kept += frame.length
  }

  private remove(frame: Buffer): void {
    this.free = this.free.filter(each => each !== frame)
    this.kept -= frame.length
  }
}

/** Of all connections: partitions move between them. */
export const frames = new Frames()
