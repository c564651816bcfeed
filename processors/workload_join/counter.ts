/**
 * Cumulative series (counters, histograms), booked by value (rules 9, 10).
 *
 * The state is the raw samples in order of time, in one piece of an arena, and one position: everything up to `bookedTime`, plus `ahead` beyond it, has been booked.
 * `advance(end)` books the growth from there to `end`, so the amounts of all windows and all late amounts add up to the whole growth,
 * whatever the order in which samples came. Amounts depend on samples near the position alone, never on what was booked long ago:
 * a restart that begins in the middle books the same.
 */

import { Arena } from './arena.js'

/** Milliseconds. */
export interface Limits {
  /** A growth over a longer gap says nothing about when: it is late as a whole. */
  readonly maxGap: number
  /** How long a series lives past its last sample. */
  readonly history: number
}

/** The segment that ends at this sample is booked already, or can never be. */
const SETTLED = 1
/** A sample: its time, SETTLED or 0, the part of the growth up to it that counts, then its raw values. */
const STATE = 1
const SHARE = 2
const VALUES = 3
const FIRST_SAMPLES = 4

export class Counter {
  private length = 0
  /** Time of the last sample whose segment is wholly booked; NaN before the first booking. */
  private bookedTime = Number.NaN
  private readonly stride: number
  /**
   * Where its piece of the arena lies, and how many doubles it has. First `width` that are booked of the segment that follows, then `width` that
   * belong to closed windows or to gaps and wait for whoever closes the next window, then the samples.
   */
  private base: number
  private size: number

  /** `width`: components that rise and are reset together; the last `fluid` ones may be fractional, the others stay whole when interpolated. */
  constructor(
    readonly width = 1,
    private readonly fluid = width,
    private readonly arena = new Arena(),
  ) {
    this.stride = VALUES + width
    this.size = Arena.sizeFor(2 * width + FIRST_SAMPLES * this.stride)
    this.base = arena.take(this.size)
    arena.data.fill(0, this.base, this.base + 2 * width)
  }

  get lastTime(): number {
    return this.length > 0 ? this.time(this.length - 1) : Number.NaN
  }

  get bytes(): number {
    return 200 + 8 * this.size
  }

  /** Gives its memory back; it is not used any more. */
  release(): void {
    this.arena.give(this.base, this.size)
    this.size = this.length = 0
  }

  /**
   * Takes a sample of `width` raw values from `from[offset…]`. `boundary`: end of the last closed window; what the sample says about the time
   * before goes to `late`. `share`: the part of the growth since the sample before that counts. A second sample of one time is ignored; one before the first, when its window is closed, tells nothing.
   */
  add(time: number, from: ArrayLike<number>, offset: number, boundary: number, limits: Limits, share = 1): void {
    const { length, width } = this
    let at = length
    while (at > 0 && this.time(at - 1) >= time) at--
    if (at < length && this.time(at) === time) return
    const before = at - 1
    if (before < 0 || time - this.time(before) > limits.history) {
      this.addFirst(at, time, from, offset, boundary, limits, share)
      return
    }
    const after = at + 1
    if (at < length && (this.settled(at) || this.time(at) <= this.bookedTime)) {
      // Inside what is booked: it can only reveal a reset that nobody saw.
      const known = this.arena.zeros(width)
      const fell = this.falls(before, at)
      for (let i = 0; i < width; i++) known[i] = this.growthOf(before, at, i, fell)
      this.insert(at, time, from, offset, share)
      this.settle(at)
      this.settle(after)
      const [falls, fallsAfter] = [this.falls(before, at), this.falls(at, after)]
      for (let i = 0; i < width; i++) {
        const growth = this.growthOf(before, at, i, falls) + this.growthOf(at, after, i, fallsAfter)
        this.addLate(i, Math.max(0, growth - known[i]!))
      }
      return
    }
    this.insert(at, time, from, offset, share)
    this.settleGap(at, limits)
    if (after < this.length) this.settleGap(after, limits)
    if (this.time(before) < boundary) this.advanceInto(boundary, this.arena.data, this.base + width)
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
    const nothingBooked = hasAfter && this.bookedTime === this.time(at)
    this.insert(at, time, from, offset, share)
    this.settle(at)
    if (hasAfter && !nothingBooked) return
    this.bookedTime = time
    this.arena.data.fill(0, this.base, this.base + this.width)
    if (!hasAfter) return
    this.arena.data[this.sample(at + 1) + STATE] = 0
    this.settleGap(at + 1, limits)
  }

  /** A growth over a gap that is too long is booked at once, as late. */
  private settleGap(at: number, limits: Limits): void {
    if (this.settled(at) || this.time(at) - this.time(at - 1) <= limits.maxGap) return
    this.settle(at)
    const { data } = this.arena
    const booked = this.time(at - 1) === this.bookedTime
    const falls = this.falls(at - 1, at)
    for (let i = 0; i < this.width; i++) {
      const growth = this.growthOf(at - 1, at, i, falls) - (booked ? data[this.base + i]! : 0)
      if (booked) data[this.base + i] = Math.max(0, -growth)
      if (growth > 0) this.addLate(i, growth)
    }
  }

  /**
   * Books the growth up to `end` and adds it to `into`, component by component. Between two samples the growth is spread evenly; after the
   * last one nothing is known, and what comes later will book it.
   */
  advance(end: number, into: Float64Array): void {
    this.advanceInto(end, into, 0)
  }

  /** Adds what waits for the next window to `into`, component by component; it waits no more. */
  takeLate(into: Float64Array): void {
    const { data } = this.arena
    const late = this.base + this.width
    for (let i = 0; i < this.width; i++) {
      into[i]! += data[late + i]!
      data[late + i] = 0
    }
  }

  private advanceInto(end: number, into: Float64Array, offset: number): void {
    const { length, width, base } = this
    if (length === 0) return
    const { data } = this.arena
    const due = this.arena.zeros(width)
    let at = this.firstAfter(this.bookedTime)
    for (let i = 0; i < width; i++) due[i] = -data[base + i]!
    let moved = false
    for (; at < length && this.time(at) <= end; at++) {
      if (!this.settled(at)) {
        const falls = this.falls(at - 1, at)
        for (let i = 0; i < width; i++) due[i]! += this.growthOf(at - 1, at, i, falls)
      }
      this.bookedTime = this.time(at)
      moved = true
    }
    const part =
      at > 0 && at < length && !this.settled(at) && this.time(at - 1) < end
        ? (end - this.time(at - 1)) / (this.time(at) - this.time(at - 1))
        : 0
    if (!moved && part === 0) return
    const falls = part > 0 && this.falls(at - 1, at)
    for (let i = 0; i < width; i++) {
      let begun = part > 0 ? this.growthOf(at - 1, at, i, falls) * part : 0
      if (i < width - this.fluid) begun = Math.floor(begun)
      const amount = due[i]! + begun
      // A sample that came between two others can show that too much was spread to the earlier side: then the later side gets less.
      data[base + i] = amount < 0 ? begun - amount : begun
      if (amount > 0) into[offset + i]! += amount
    }
  }

  /**
   * Forgets samples older than `oldest`, and booked ones before `coarseBefore` whose neighbours, at most `spacing` apart, tell as much: all three
   * equal, or, of a histogram, rising. (A restart that only a sample later still reveals is then missed, a trade for memory.)
   * Returns whether any sample is left.
   */
  forget(oldest: number, coarseBefore: number, spacing: number): boolean {
    const { stride } = this
    const { data } = this.arena
    let kept = 0
    let previous = Number.NaN
    for (let at = 0; at < this.length; at++) {
      const time = this.time(at)
      if (time < oldest) continue
      const between = kept > 0 && at + 1 < this.length && this.time(at + 1) <= this.bookedTime && this.time(at + 1) - previous <= spacing
      if (between && time < coarseBefore) {
        const rising = this.width > 1 && !this.falls(at - 1, at) && !this.falls(at, at + 1)
        if (rising || (this.equal(at - 1, at) && this.equal(at, at + 1))) continue
      }
      if (kept !== at) data.copyWithin(this.sample(kept), this.sample(at), this.sample(at) + stride)
      if (kept === 0) this.settle(0)
      previous = time
      kept++
    }
    this.length = kept
    return kept > 0
  }

  private sample(at: number): number {
    return this.base + 2 * this.width + at * this.stride
  }

  private time(at: number): number {
    return this.arena.data[this.sample(at)]!
  }

  private settled(at: number): boolean {
    return this.arena.data[this.sample(at) + STATE] === SETTLED
  }

  private settle(at: number): void {
    this.arena.data[this.sample(at) + STATE] = SETTLED
  }

  private addLate(component: number, amount: number): void {
    this.arena.data[this.base + this.width + component]! += amount
  }

  /** Growth of one component, as far as it counts, between two samples that are neighbours; where one falls, which is a reset, the later value is the growth. */
  private growthOf(before: number, after: number, component: number, falls: boolean): number {
    const { data } = this.arena
    const to = this.sample(after)
    const value = data[to + VALUES + component]!
    const growth = falls ? value : value - data[this.sample(before) + VALUES + component]!
    return growth * data[to + SHARE]!
  }

  private falls(before: number, after: number): boolean {
    const { data } = this.arena
    const from = this.sample(before) + VALUES
    const to = this.sample(after) + VALUES
    for (let i = 0; i < this.width; i++) if (data[to + i]! < data[from + i]!) return true
    return false
  }

  private equal(before: number, after: number): boolean {
    const { data } = this.arena
    const from = this.sample(before) + VALUES
    const to = this.sample(after) + VALUES
    for (let i = 0; i < this.width; i++) if (data[to + i] !== data[from + i]) return false
    return true
  }

  private firstAfter(time: number): number {
    if (Number.isNaN(time)) return 0
    let at = this.length
    while (at > 0 && this.time(at - 1) > time) at--
    return at
  }

  private insert(at: number, time: number, from: ArrayLike<number>, offset: number, share: number): void {
    const { stride, arena } = this
    const needed = 2 * this.width + (this.length + 1) * stride
    if (needed > this.size) {
      const size = Arena.sizeFor(needed)
      this.base = arena.enlarge(this.base, this.size, size)
      this.size = size
    }
    const { data } = arena
    const to = this.sample(at)
    if (at < this.length) data.copyWithin(to + stride, to, this.sample(this.length))
    data[to] = time
    data[to + STATE] = 0
    data[to + SHARE] = share
    for (let i = 0; i < this.width; i++) data[to + VALUES + i] = from[offset + i]!
    this.length++
  }
}
