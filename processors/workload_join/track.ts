/**
 * Samples of the gauges of one device or one engine: frames in order of time. All gauges of one scrape share a frame, and a track is one stretch
 * of memory: a frame is its time and a value for each column. NaN = not sampled at that time; +Infinity = a staleness marker, which ends the
 * carry (rule 8).
 */

export const ABSENT = Number.NaN
export const STALE = Number.POSITIVE_INFINITY

/** Column 0 of every track: 1 where anything was sampled. Coverage is that of this column. */
export const PRESENCE = 0
/** Where the columns of a frame begin; before them lies its time. */
export const COLUMNS = 1

export class Track {
  readonly stride: number
  /** Frame i lies in [i × stride, (i + 1) × stride). */
  frames: Float64Array
  /** Frames are [first, length). */
  first = 0
  length = 0
  /** Bit c = column c was ever sampled. */
  used = 0
  firstTime = Number.NaN
  lastTime = Number.NaN
  /** The last frame is a staleness marker of everything: the target is gone. */
  gone = false

  constructor(columns: number) {
    this.stride = columns + COLUMNS
    this.frames = new Float64Array(4 * this.stride)
  }

  get bytes(): number {
    return 350 + this.frames.byteLength
  }

  time(index: number): number {
    return this.frames[index * this.stride]!
  }

  value(index: number, column: number): number {
    return this.frames[index * this.stride + COLUMNS + column]!
  }

  /** A gauge's value at a time. The last value of one time counts. */
  set(time: number, column: number, value: number): void {
    const at = this.frame(time) * this.stride + COLUMNS
    this.frames[at + column] = value
    this.frames[at + PRESENCE] = 1
    this.used |= (1 << column) | (1 << PRESENCE)
    if (time === this.lastTime) this.gone = false
  }

  /** A counter was sampled at this time: the target was there. */
  touch(time: number): void {
    this.set(time, PRESENCE, 1)
  }

  /** The series of a column ended at this time. */
  stale(time: number, column: number): void {
    const at = this.frame(time) * this.stride + COLUMNS
    this.frames[at + column] = STALE
    this.used |= (1 << column) | (1 << PRESENCE)
    if (Number.isNaN(this.frames[at + PRESENCE]!)) {
      this.frames[at + PRESENCE] = STALE
      if (time === this.lastTime) this.gone = true
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
    const { frames, stride } = this
    let low = this.first
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (frames[middle * stride]! < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Forgets frames older than `oldest`. Returns whether any is left. */
  forget(oldest: number): boolean {
    while (this.first < this.length && this.time(this.first) < oldest) this.first++
    if (this.first > 32 && this.first * 2 > this.length) {
      this.frames.copyWithin(0, this.first * this.stride, this.length * this.stride)
      this.length -= this.first
      this.first = 0
    }
    this.edges()
    return this.first < this.length
  }

  private frame(time: number): number {
    if (time === this.lastTime) return this.length - 1
    if (time < this.lastTime) {
      const at = this.seek(time)
      return this.time(at) === time ? at : this.insert(at, time)
    }
    return this.insert(this.length, time)
  }

  private insert(at: number, time: number): number {
    const { stride } = this
    if (this.length * stride === this.frames.length) {
      const frames = new Float64Array(this.frames.length * 2)
      frames.set(this.frames)
      this.frames = frames
    }
    const from = at * stride
    if (at < this.length) this.frames.copyWithin(from + stride, from, this.length * stride)
    this.frames[from] = time
    for (let i = 1; i < stride; i++) this.frames[from + i] = ABSENT
    this.length++
    if (at === this.length - 1) this.gone = false
    this.edges()
    return at
  }

  private edges(): void {
    const empty = this.first === this.length
    this.firstTime = empty ? Number.NaN : this.time(this.first)
    this.lastTime = empty ? Number.NaN : this.time(this.length - 1)
  }
}
