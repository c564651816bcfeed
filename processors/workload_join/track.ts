/**
 * Samples of the gauges of one device or one engine: frames in order of time. All gauges of one scrape share a frame, and a track is one piece
 * of an arena: a frame is its time and a value for each column. NaN = not sampled at that time; +Infinity = a staleness marker, which ends the
 * carry (rule 8).
 */
import { Arena } from './arena.js'

export const ABSENT = Number.NaN
export const STALE = Number.POSITIVE_INFINITY

/** Column 0 of every track: 1 where anything was sampled. Coverage is that of this column. */
export const PRESENCE = 0
/** Where the columns of a frame begin; before them lies its time. */
export const COLUMNS = 1

const FIRST_FRAMES = 8

export class Track {
  readonly stride: number
  /** Where the frames lie in the arena: frame i in [base + i × stride, base + (i + 1) × stride). */
  base = 0
  /** Frames are [first, length). */
  first = 0
  length = 0
  /** Bit c = column c was ever sampled. */
  used = 0
  /** The last frame is a staleness marker of everything: the target is gone. */
  gone = false
  /** Doubles of the piece; 0 before the first sample. */
  private size = 0

  constructor(
    columns: number,
    readonly arena = new Arena(),
  ) {
    this.stride = columns + COLUMNS
  }

  get bytes(): number {
    return 200 + 8 * this.size
  }

  /** NaN when there is no frame. */
  get firstTime(): number {
    return this.first === this.length ? Number.NaN : this.time(this.first)
  }

  get lastTime(): number {
    return this.first === this.length ? Number.NaN : this.time(this.length - 1)
  }

  time(index: number): number {
    return this.arena.data[this.base + index * this.stride]!
  }

  value(index: number, column: number): number {
    return this.arena.data[this.base + index * this.stride + COLUMNS + column]!
  }

  /** A gauge's value at a time. The last value of one time counts. */
  set(time: number, column: number, value: number): void {
    const index = this.frame(time)
    const at = this.base + index * this.stride + COLUMNS
    const { data } = this.arena
    data[at + column] = value
    data[at + PRESENCE] = 1
    this.used |= (1 << column) | (1 << PRESENCE)
    if (index === this.length - 1) this.gone = false
  }

  /** A counter was sampled at this time: the target was there. */
  touch(time: number): void {
    this.set(time, PRESENCE, 1)
  }

  /** The series of a column ended at this time. */
  stale(time: number, column: number): void {
    const index = this.frame(time)
    const at = this.base + index * this.stride + COLUMNS
    const { data } = this.arena
    data[at + column] = STALE
    this.used |= (1 << column) | (1 << PRESENCE)
    if (Number.isNaN(data[at + PRESENCE]!)) {
      data[at + PRESENCE] = STALE
      if (index === this.length - 1) this.gone = true
    }
  }

  /** The value at exactly this time; NaN when there is none. */
  at(time: number, column: number): number {
    const at = time === this.lastTime ? this.length - 1 : this.seek(time)
    return at < this.length && this.time(at) === time ? this.value(at, column) : ABSENT
  }

  /** Whether the target was there at any time in [low, high): not gone before, not come after. */
  spans(low: number, high: number, maxGap: number): boolean {
    return this.firstTime < high && this.lastTime + (this.gone ? 0 : maxGap) > low
  }

  /** Index of the first frame at or after `time`; `length` when there is none. */
  seek(time: number): number {
    const { stride, base } = this
    const { data } = this.arena
    let low = this.first
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (data[base + middle * stride]! < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Forgets frames older than `oldest`. Returns whether any is left. */
  forget(oldest: number): boolean {
    while (this.first < this.length && this.time(this.first) < oldest) this.first++
    return this.first < this.length
  }

  /** Gives its memory back; it is not used any more. */
  release(): void {
    if (this.size > 0) this.arena.give(this.base, this.size)
    this.size = this.first = this.length = 0
  }

  private frame(time: number): number {
    if (this.first < this.length) {
      const last = this.time(this.length - 1)
      if (time === last) return this.length - 1
      if (time < last) {
        const at = this.seek(time)
        return this.time(at) === time ? at : this.insert(at, time)
      }
    }
    return this.insert(this.length, time)
  }

  private insert(at: number, time: number): number {
    const { stride, arena } = this
    if ((this.length + 1) * stride > this.size) at -= this.makeRoom()
    const { data } = arena
    const from = this.base + at * stride
    if (at < this.length) data.copyWithin(from + stride, from, this.base + this.length * stride)
    data[from] = time
    data.fill(ABSENT, from + 1, from + stride)
    this.length++
    if (at === this.length - 1) this.gone = false
    return at
  }

  /** Room for one more frame: of those forgotten when they are at least half, else a larger piece. Returns by how much frames have moved down. */
  private makeRoom(): number {
    const { stride, first, arena } = this
    if (first > 0 && 2 * first >= this.length) {
      arena.data.copyWithin(this.base, this.base + first * stride, this.base + this.length * stride)
      this.length -= first
      this.first = 0
      return first
    }
    const size = Arena.sizeFor(Math.max(FIRST_FRAMES, this.length + 1) * stride)
    this.base = this.size === 0 ? arena.take(size) : arena.enlarge(this.base, this.size, size)
    this.size = size
    return 0
  }
}
