/**
 * Cumulative series (counters, histograms), booked by value (rules 9, 10).
 *
 * The state is the raw samples in order of time and one position: everything up to `bookedTime`, plus `ahead` beyond it, has been booked.
 * `advance(end)` books the growth from there to `end`, so the amounts of all windows and all late amounts add up to the whole growth,
 * whatever the order in which samples came. Amounts depend on samples near the position alone, never on what was booked long ago:
 * a restart that begins in the middle books the same.
 */

/** Milliseconds. */
export interface Limits {
  /** A growth over a longer gap says nothing about when: it is late as a whole. */
  readonly maxGap: number
  /** How long a series lives past its last sample. */
  readonly history: number
}

/** The segment that ends at this sample is booked already, or can never be. */
const SETTLED = 1

export class Counter {
  private times = new Float64Array(4)
  private values: Float64Array
  private flags = new Uint8Array(4)
  /** Part of the growth up to each sample that counts; undefined while all of it does. */
  private shares: Float64Array | undefined
  private length = 0
  /** Time of the last sample whose segment is wholly booked; NaN before the first booking. */
  private bookedTime = Number.NaN
  /** What is booked of the segment that follows, per component. */
  private readonly ahead: Float64Array
  /** Growth that belongs to closed windows or to gaps; taken and zeroed by whoever closes the next window. */
  readonly late: Float64Array
  private readonly scratch: Float64Array

  /** `width`: components that rise and are reset together; the last `fluid` ones may be fractional, the others stay whole when interpolated. */
  constructor(
    readonly width = 1,
    private readonly fluid = width,
  ) {
    this.values = new Float64Array(4 * width)
    this.ahead = new Float64Array(width)
    this.late = new Float64Array(width)
    this.scratch = new Float64Array(width)
  }

  get lastTime(): number {
    return this.length > 0 ? this.times[this.length - 1]! : Number.NaN
  }

  get bytes(): number {
    return 700 + this.times.byteLength + (this.shares?.byteLength ?? 0) + this.values.byteLength + this.flags.byteLength + 24 * this.width
  }

  /**
   * Takes a sample of `width` raw values from `from[offset…]`. `boundary`: end of the last closed window; what the sample says about the time
   * before goes to `late`. `share`: the part of the growth since the sample before that counts. A second sample of one time is ignored; one before the first, when its window is closed, tells nothing.
   */
  add(time: number, from: ArrayLike<number>, offset: number, boundary: number, limits: Limits, share = 1): void {
    if (share !== 1) this.shares ??= new Float64Array(this.times.length).fill(1)
    const { length } = this
    let at = length
    while (at > 0 && this.times[at - 1]! >= time) at--
    if (at < length && this.times[at] === time) return
    const before = at - 1
    if (before < 0 || time - this.times[before]! > limits.history) {
      this.addFirst(at, time, from, offset, boundary, limits, share)
      return
    }
    const after = at + 1
    if (at < length && (this.flags[at] === SETTLED || this.times[at]! <= this.bookedTime)) {
      // Inside what is booked: it can only reveal a reset that nobody saw.
      for (let i = 0; i < this.width; i++) this.scratch[i] = -this.growthOf(before, at, i)
      this.insert(at, time, from, offset, share)
      this.flags[at] = SETTLED
      this.flags[after] = SETTLED
      for (let i = 0; i < this.width; i++)
        this.late[i]! += Math.max(0, this.scratch[i]! + this.growthOf(before, at, i) + this.growthOf(at, after, i))
      return
    }
    this.insert(at, time, from, offset, share)
    this.settleGap(at, limits)
    if (after < this.length) this.settleGap(after, limits)
    if (this.times[before]! < boundary) this.advance(boundary, this.late)
  }

  /** A sample that has no neighbour before it: growth is known from here on. */
  private addFirst(
    at: number,
    time: number,
    from: ArrayLike<number>,
    offset: number,
    boundary: number,
    limits: Limits,
    share: number,
  ): void {
    const hasAfter = at < this.length
    if (hasAfter && time <= boundary) return
    const nothingBooked = hasAfter && this.bookedTime === this.times[at]
    this.insert(at, time, from, offset, share)
    this.flags[at] = SETTLED
    if (hasAfter && !nothingBooked) return
    this.bookedTime = time
    this.ahead.fill(0)
    if (!hasAfter) return
    this.flags[at + 1] = 0
    this.settleGap(at + 1, limits)
  }

  /** A growth over a gap that is too long is booked at once, as late. */
  private settleGap(at: number, limits: Limits): void {
    if (this.flags[at] === SETTLED || this.times[at]! - this.times[at - 1]! <= limits.maxGap) return
    this.flags[at] = SETTLED
    const booked = this.times[at - 1]! === this.bookedTime
    for (let i = 0; i < this.width; i++) {
      const growth = this.growthOf(at - 1, at, i) - (booked ? this.ahead[i]! : 0)
      if (booked) this.ahead[i] = Math.max(0, -growth)
      if (growth > 0) this.late[i]! += growth
    }
  }

  /**
   * Books the growth up to `end` and adds it to `into`, component by component. Between two samples the growth is spread evenly; after the
   * last one nothing is known, and what comes later will book it.
   */
  advance(end: number, into: Float64Array): void {
    const { length, width, scratch } = this
    if (length === 0) return
    let at = this.firstAfter(this.bookedTime)
    for (let i = 0; i < width; i++) scratch[i] = -this.ahead[i]!
    let moved = false
    for (; at < length && this.times[at]! <= end; at++) {
      if (this.flags[at] !== SETTLED) for (let i = 0; i < width; i++) scratch[i]! += this.growthOf(at - 1, at, i)
      this.bookedTime = this.times[at]!
      moved = true
    }
    const part =
      at > 0 && at < length && this.flags[at] !== SETTLED && this.times[at - 1]! < end
        ? (end - this.times[at - 1]!) / (this.times[at]! - this.times[at - 1]!)
        : 0
    if (!moved && part === 0) return
    for (let i = 0; i < width; i++) {
      let begun = part > 0 ? this.growthOf(at - 1, at, i) * part : 0
      if (i < width - this.fluid) begun = Math.floor(begun)
      const due = scratch[i]! + begun
      // A sample that came between two others can show that too much was spread to the earlier side: then the later side gets less.
      this.ahead[i] = due < 0 ? begun - due : begun
      if (due > 0) into[i]! += due
    }
  }

  /**
   * Forgets samples older than `oldest`, and booked ones whose neighbours, at most `spacing` apart, tell as much: all three equal, or, of a
   * histogram before `coarseBefore`, rising. (A restart that only a sample later still reveals is then missed, a trade for memory.)
   * Returns whether any sample is left.
   */
  forget(oldest: number, coarseBefore: number, spacing: number): boolean {
    const { times, width } = this
    let kept = 0
    let previous = Number.NaN
    for (let at = 0; at < this.length; at++) {
      const time = times[at]!
      if (time < oldest) continue
      if (kept > 0 && at + 1 < this.length && times[at + 1]! <= this.bookedTime && times[at + 1]! - previous <= spacing) {
        const coarse = width > 1 && time < coarseBefore && !this.falls(at - 1, at) && !this.falls(at, at + 1)
        if (coarse || (this.equal(at - 1, at) && this.equal(at, at + 1))) continue
      }
      if (kept !== at) {
        times[kept] = time
        this.flags[kept] = this.flags[at]!
        if (this.shares) this.shares[kept] = this.shares[at]!
        this.values.copyWithin(kept * width, at * width, (at + 1) * width)
      }
      if (kept === 0) this.flags[0] = SETTLED
      previous = time
      kept++
    }
    this.length = kept
    return kept > 0
  }

  /** Growth of one component, as far as it counts, between two samples that are neighbours; after a reset the later value is the growth. */
  private growthOf(before: number, after: number, component: number): number {
    const to = this.values[after * this.width + component]!
    const growth = this.falls(before, after) ? to : to - this.values[before * this.width + component]!
    return this.shares ? growth * this.shares[after]! : growth
  }

  private falls(before: number, after: number): boolean {
    const { values, width } = this
    const from = before * width
    const to = after * width
    for (let i = 0; i < width; i++) if (values[to + i]! < values[from + i]!) return true
    return false
  }

  private equal(before: number, after: number): boolean {
    const { values, width } = this
    for (let i = 0; i < width; i++) if (values[after * width + i] !== values[before * width + i]) return false
    return true
  }

  private firstAfter(time: number): number {
    if (Number.isNaN(time)) return 0
    let at = this.length
    while (at > 0 && this.times[at - 1]! > time) at--
    return at
  }

  private insert(at: number, time: number, from: ArrayLike<number>, offset: number, share: number): void {
    const { width } = this
    if (this.length === this.times.length) this.grow()
    if (at < this.length) {
      this.times.copyWithin(at + 1, at, this.length)
      this.flags.copyWithin(at + 1, at, this.length)
      this.shares?.copyWithin(at + 1, at, this.length)
      this.values.copyWithin((at + 1) * width, at * width, this.length * width)
    }
    this.times[at] = time
    this.flags[at] = 0
    if (this.shares) this.shares[at] = share
    for (let i = 0; i < width; i++) this.values[at * width + i] = from[offset + i]!
    this.length++
  }

  private grow(): void {
    const times = new Float64Array(this.times.length * 2)
    const flags = new Uint8Array(times.length)
    const values = new Float64Array(times.length * this.width)
    times.set(this.times)
    flags.set(this.flags)
    values.set(this.values)
    if (this.shares) {
      const shares = new Float64Array(times.length)
      shares.set(this.shares)
      this.shares = shares
    }
    this.times = times
    this.flags = flags
    this.values = values
  }
}
