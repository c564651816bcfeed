/**
 * Samples of the gauges of one device or one engine: frames in order of time, one column a gauge. All gauges of one scrape share a frame.
 * NaN = not sampled at that time; +Infinity = a staleness marker, which ends the carry (rule 8).
 */

export const ABSENT = Number.NaN
export const STALE = Number.POSITIVE_INFINITY

/** Column 0 of every track: 1 where anything was sampled. Coverage is that of this column. */
export const PRESENCE = 0

export class Track {
  times = new Float64Array(8)
  /** A column is made when its first value comes. */
  readonly columns: (Float64Array | undefined)[]
  /** Frames are [first, length). */
  first = 0
  length = 0

  constructor(columns: number) {
    this.columns = new Array<Float64Array | undefined>(columns).fill(undefined)
  }

  get lastTime(): number {
    return this.length > this.first ? this.times[this.length - 1]! : Number.NaN
  }

  get bytes(): number {
    let columns = 1
    for (const column of this.columns) if (column) columns++
    return 200 + columns * this.times.byteLength
  }

  /** A gauge's value at a time. The last value of one time counts. */
  set(time: number, column: number, value: number): void {
    const at = this.frame(time)
    this.column(column)[at] = value
    if (column !== PRESENCE) this.column(PRESENCE)[at] = 1
  }

  /** Whether the target was there at any time in [low, high): not gone before, not come after. */
  spans(low: number, high: number, maxGap: number): boolean {
    const { first, length, times } = this
    if (length === first || times[first]! >= high) return false
    const gone = this.columns[PRESENCE]?.[length - 1] === STALE
    return times[length - 1]! + (gone ? 0 : maxGap) > low
  }

  /** The value at exactly this time; NaN when there is none. */
  at(time: number, column: number): number {
    const at = time === this.lastTime ? this.length - 1 : this.seek(time)
    return at < this.length && this.times[at] === time ? (this.columns[column]?.[at] ?? ABSENT) : ABSENT
  }

  /** A counter was sampled at this time: the target was there. */
  touch(time: number): void {
    this.set(time, PRESENCE, 1)
  }

  /** The series of a column ended at this time. */
  stale(time: number, column: number): void {
    const at = this.frame(time)
    this.column(column)[at] = STALE
    const presence = this.column(PRESENCE)
    if (Number.isNaN(presence[at]!)) presence[at] = STALE
  }

  /** Index of the first frame at or after `time`; `length` when there is none. */
  seek(time: number): number {
    const { times } = this
    let low = this.first
    let high = this.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (times[middle]! < time) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Forgets frames older than `oldest`. Returns whether any is left. */
  forget(oldest: number): boolean {
    while (this.first < this.length && this.times[this.first]! < oldest) this.first++
    if (this.first > 32 && this.first * 2 > this.length) {
      this.times.copyWithin(0, this.first, this.length)
      for (const column of this.columns) column?.copyWithin(0, this.first, this.length)
      this.length -= this.first
      this.first = 0
    }
    return this.first < this.length
  }

  private column(index: number): Float64Array {
    let column = this.columns[index]
    if (!column) {
      column = new Float64Array(this.times.length).fill(ABSENT)
      this.columns[index] = column
    }
    return column
  }

  private frame(time: number): number {
    const { length, times } = this
    if (length > this.first) {
      const last = times[length - 1]!
      if (time === last) return length - 1
      if (time < last) {
        const at = this.seek(time)
        return times[at] === time ? at : this.insert(at, time)
      }
    }
    return this.insert(length, time)
  }

  private insert(at: number, time: number): number {
    if (this.length === this.times.length) this.grow()
    if (at < this.length) {
      this.times.copyWithin(at + 1, at, this.length)
      for (const column of this.columns) column?.copyWithin(at + 1, at, this.length)
    }
    this.times[at] = time
    for (const column of this.columns) if (column) column[at] = ABSENT
    this.length++
    return at
  }

  private grow(): void {
    const capacity = this.times.length * 2
    const times = new Float64Array(capacity)
    times.set(this.times)
    this.times = times
    this.columns.forEach((column, index) => {
      if (!column) return
      const grown = new Float64Array(capacity).fill(ABSENT)
      grown.set(column)
      this.columns[index] = grown
    })
  }
}
