/**
 * What gauges of several targets say about any interval inside [low, high): time-weighted integrals (rule 8).
 *
 * Targets that were sampled at the same times (one exporter, one scrape) are added up once, so that an interval costs two searches and a few
 * subtractions however many of them there are. A gauge at t stands for (t of its previous sample, t], at most `maxGap`; after the last sample
 * the value is carried on for at most `maxGap`, unless a staleness marker ended it.
 */
import { PRESENCE, type Track } from './track.js'

/** Targets with equal sample times, added up over slots (edges[k], edges[k + 1]]. */
class Group {
  edges = new Float64Array(32)
  slots = 0
  tracks = 0
  /** Per column and edge, up to that edge: integral of the value, and of the time it stands for. */
  readonly values: Float64Array[]
  readonly covered: Float64Array[]
  /** Presence alone: time that was observed, not carried. */
  observed = new Float64Array(33)
  /** Per column: how many targets have it at all, and per slot the greatest value. */
  readonly having: Int32Array
  readonly greatest: Float64Array[]

  constructor(readonly columns: number) {
    this.values = Array.from({ length: columns }, () => new Float64Array(33))
    this.covered = Array.from({ length: columns }, () => new Float64Array(33))
    this.greatest = Array.from({ length: columns }, () => new Float64Array(33))
    this.having = new Int32Array(columns)
  }

  begin(track: Track, from: number, until: number, low: number, high: number, maxGap: number): void {
    const needed = until - from + 6
    if (this.edges.length < needed) this.grow(needed * 2)
    const { edges } = this
    // Before the first frame of the range nothing is known but what that frame stands for.
    let count = 0
    const begins =
      from === until ? low : from > track.first ? Math.max(track.times[from - 1]!, track.times[from]! - maxGap) : track.times[from]!
    edges[count++] = Math.min(low, begins)
    if (begins > edges[0]!) edges[count++] = begins
    for (let at = from; at < until; at++) if (track.times[at]! > edges[count - 1]!) edges[count++] = track.times[at]!
    const last = edges[count - 1]!
    if (last < high) {
      const lastFrame = until > track.first ? track.times[until - 1]! : Number.NEGATIVE_INFINITY
      const carriedTo = lastFrame + maxGap
      if (carriedTo > last && carriedTo < high) edges[count++] = carriedTo
      edges[count++] = high
    }
    this.slots = count - 1
    this.tracks = 0
    this.having.fill(0)
    for (let c = 0; c < this.columns; c++) {
      this.values[c]!.fill(0, 0, count)
      this.covered[c]!.fill(0, 0, count)
      this.greatest[c]!.fill(Number.NEGATIVE_INFINITY, 0, count)
    }
    this.observed.fill(0, 0, count)
  }

  /** Adds a target; sums lie in edge k + 1 for slot k until `finish`. */
  add(track: Track, from: number, until: number, maxGap: number): void {
    this.tracks++
    for (let c = 0; c < this.columns; c++) if (track.columns[c]) this.addColumn(track, c, from, until, maxGap)
  }

  private addColumn(track: Track, c: number, from: number, until: number, maxGap: number): void {
    const column = track.columns[c]!
    const { times } = track
    let before = from - 1
    while (before >= track.first && Number.isNaN(column[before]!)) before--
    let slot = 0
    let seen = false
    for (let at = from; at < until; at++) {
      const value = column[at]!
      if (Number.isNaN(value)) continue
      if (before >= track.first && Number.isFinite(value) && Number.isFinite(column[before]!)) {
        const begin = Math.max(times[before]!, times[at]! - maxGap)
        slot = this.spread(c, slot, begin, times[at]!, value, c === PRESENCE)
        seen = true
      }
      before = at
    }
    if (before >= track.first && Number.isFinite(column[before]!)) {
      const end = this.edges[this.slots]!
      if (times[before]! < end) {
        const carriedTo = Math.min(end, times[before]! + maxGap)
        if (carriedTo > this.edges[0]!) {
          this.spread(c, slot, Math.max(times[before]!, this.edges[0]!), carriedTo, column[before]!, false)
          seen = true
        }
      }
    }
    if (seen) this.having[c]!++
  }

  /** The value stands for (begin, end]: added to the slots it meets, from `slot` on. Returns the slot where it ended. */
  private spread(c: number, slot: number, begin: number, end: number, value: number, observed: boolean): number {
    const { edges, slots } = this
    const values = this.values[c]!
    const covered = this.covered[c]!
    const greatest = this.greatest[c]!
    let k = slot
    while (k < slots && edges[k + 1]! <= begin) k++
    for (; k < slots && edges[k]! < end; k++) {
      const length = Math.min(end, edges[k + 1]!) - Math.max(begin, edges[k]!)
      values[k + 1]! += value * length
      covered[k + 1]! += length
      if (observed) this.observed[k + 1]! += length
      if (value > greatest[k]!) greatest[k] = value
    }
    return k > 0 ? k - 1 : 0
  }

  finish(): void {
    const { slots } = this
    for (let c = 0; c < this.columns; c++) {
      if (this.having[c] === 0) continue
      const values = this.values[c]!
      const covered = this.covered[c]!
      for (let k = 1; k <= slots; k++) {
        values[k]! += values[k - 1]!
        covered[k]! += covered[k - 1]!
      }
    }
    for (let k = 1; k <= slots; k++) this.observed[k]! += this.observed[k - 1]!
  }

  private grow(capacity: number): void {
    const larger = () => new Float64Array(capacity)
    this.edges = larger()
    this.observed = larger()
    for (let c = 0; c < this.columns; c++) {
      this.values[c] = larger()
      this.covered[c] = larger()
      this.greatest[c] = larger()
    }
  }
}

export class Timeline {
  /** Results of `over`: per column the integral and the covered time, milliseconds summed over targets. */
  readonly values: Float64Array
  readonly covered: Float64Array
  /** Per column: sum over targets of their means. */
  readonly totals: Float64Array
  /** Per column: greatest value that stood for a part of the interval; -Infinity when none did. */
  readonly greatest: Float64Array
  /** Target milliseconds that were observed, and that were carried. */
  observed = 0
  carried = 0
  /** Targets of the timeline. */
  targets = 0
  private readonly groups: Group[] = []
  private used = 0

  /** `greatestOf`: the columns whose greatest value is asked for. */
  constructor(
    readonly columns: number,
    private readonly greatestOf: readonly number[] = [],
  ) {
    this.values = new Float64Array(columns)
    this.covered = new Float64Array(columns)
    this.totals = new Float64Array(columns)
    this.greatest = new Float64Array(columns)
  }

  /** Gathers what `tracks` say about [low, high). */
  build(tracks: readonly Track[], low: number, high: number, maxGap: number): this {
    this.used = 0
    this.targets = tracks.length
    const pending = tracks.slice()
    while (pending.length > 0) {
      const track = pending[0]!
      const from = track.seek(low)
      const until = Math.min(track.length, track.seek(high) + 1)
      const group = this.groups[this.used] ?? new Group(this.columns)
      this.groups[this.used++] = group
      group.begin(track, from, until, low, high, maxGap)
      let kept = 0
      for (const other of pending) {
        const otherFrom = other === track ? from : alike(track, from, until, other)
        if (otherFrom < 0) pending[kept++] = other
        else group.add(other, otherFrom, otherFrom + until - from, maxGap)
      }
      pending.length = kept
      group.finish()
    }
    return this
  }

  /** Fills the results for [start, end), which lies in [low, high). */
  over(start: number, end: number): void {
    const { values, covered, totals, greatest } = this
    values.fill(0)
    covered.fill(0)
    totals.fill(0)
    greatest.fill(Number.NEGATIVE_INFINITY)
    this.observed = 0
    let present = 0
    for (let g = 0; g < this.used; g++) {
      const group = this.groups[g]!
      const { edges, slots } = group
      const from = slotOf(edges, slots, start)
      const to = slotOf(edges, slots, end)
      const fromPart = (start - edges[from]!) / (edges[from + 1]! - edges[from]!)
      const toPart = (end - edges[to]!) / (edges[to + 1]! - edges[to]!)
      for (let c = 0; c < this.columns; c++) {
        const having = group.having[c]!
        if (having === 0) continue
        const time = between(group.covered[c]!, from, fromPart, to, toPart)
        if (!(time > 0)) continue
        const value = between(group.values[c]!, from, fromPart, to, toPart)
        covered[c]! += time
        values[c]! += value
        totals[c]! += (value / time) * having
        if (c === PRESENCE) present += time
      }
      this.observed += between(group.observed, from, fromPart, to, toPart)
      for (const c of this.greatestOf)
        for (let k = from; k <= to; k++) {
          if (k === to && toPart === 0 && to > from) break
          if (group.greatest[c]![k]! > greatest[c]!) greatest[c] = group.greatest[c]![k]!
        }
    }
    this.carried = Math.max(0, present - this.observed)
  }
}

/** Where `other` has the very times that `track` has in [from, until) and just before; -1 when it has others. */
const alike = (track: Track, from: number, until: number, other: Track): number => {
  if (from === until) {
    // Both end before the range: alike when the last frame is.
    const at = other.length
    return track.lastTime === other.lastTime && (at === other.first || other.times[at - 1]! === track.times[until - 1]!) ? at : -1
  }
  const at = other.seek(track.times[from]!)
  if (at + until - from > other.length) return -1
  for (let i = 0; i < until - from; i++) if (other.times[at + i] !== track.times[from + i]) return -1
  const before = from > track.first ? track.times[from - 1]! : Number.NaN
  const otherBefore = at > other.first ? other.times[at - 1]! : Number.NaN
  if (!Object.is(before, otherBefore)) return -1
  const next = until < track.length ? 1 : 0
  const otherNext = at + until - from < other.length ? 1 : 0
  return next === otherNext ? at : -1
}

/** The slot that holds `time`; edges are ascending. */
const slotOf = (edges: Float64Array, slots: number, time: number): number => {
  let low = 0
  let high = slots - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (edges[middle]! <= time) low = middle
    else high = middle - 1
  }
  return low
}

const between = (sums: Float64Array, from: number, fromPart: number, to: number, toPart: number): number =>
  sums[to]! + (sums[to + 1]! - sums[to]!) * toPart - sums[from]! - (sums[from + 1]! - sums[from]!) * fromPart
