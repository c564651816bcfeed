/**
 * What gauges of several targets say about any interval inside [low, high): time-weighted integrals (rule 8).
 *
 * Targets that were sampled at the same times (one exporter, one scrape) are added up once, so that an interval costs two searches and a few
 * subtractions however many of them there are. A gauge at t stands for (t of its previous sample, t], at most `maxGap`; after the last sample
 * the value is carried on for at most `maxGap`, unless a staleness marker ended it.
 */
import { COLUMNS, PRESENCE, type Track } from './track.js'

/**
 * Targets with equal sample times, added up over slots (edges[k], edges[k + 1]]. A slot is read as even; a gauge that is sampled more rarely
 * than others of its target, and more rarely than `maxGap`, begins to count inside a slot and is then spread over that slot.
 */
class Group {
  edges = new Float64Array(32)
  slots = 0
  tracks = 0
  /** Per column and slot: integral of the value over the slot, and of the time it stands for. */
  private readonly values: Float64Array[]
  private readonly covered: Float64Array[]
  /** Presence alone: time that was observed, not carried. */
  private observed = new Float64Array(33)
  /** The columns that hold anything. */
  readonly active: number[] = []
  /** Per edge a row of sums up to it: what was observed, then value and covered time of each active column. */
  rows = new Float64Array(256)
  stride = 1
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
    const needed = 2 * (until - from) + 6
    if (this.edges.length < needed) this.grow(needed * 2)
    const { edges } = this
    // Before the first frame of the range nothing is known but what that frame stands for.
    let count = 0
    const begins = from === until ? low : from > track.first ? Math.max(track.time(from - 1), track.time(from) - maxGap) : track.time(from)
    edges[count++] = Math.min(low, begins)
    if (begins > edges[0]!) edges[count++] = begins
    for (let at = from; at < until; at++) {
      const time = track.time(at)
      if (time - edges[count - 1]! > maxGap) edges[count++] = time - maxGap
      if (time > edges[count - 1]!) edges[count++] = time
    }
    const last = edges[count - 1]!
    if (last < high) {
      const lastFrame = until > track.first ? track.time(until - 1) : Number.NEGATIVE_INFINITY
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
    for (let c = 0; c < this.columns; c++) if (track.used & (1 << c)) this.addColumn(track, c, from, until, maxGap)
  }

  private addColumn(track: Track, c: number, from: number, until: number, maxGap: number): void {
    const { stride, base } = track
    const { data: frames } = track.arena
    const place = COLUMNS + c
    const first = base + track.first * stride
    let before = base + (from - 1) * stride
    while (before >= first && Number.isNaN(frames[before + place]!)) before -= stride
    let known = before >= first && Number.isFinite(frames[before + place]!)
    let since = known ? frames[before]! : 0
    let value = known ? frames[before + place]! : 0
    let slot = 0
    let seen = false
    for (let at = base + from * stride; at < base + until * stride; at += stride) {
      const next = frames[at + place]!
      if (Number.isNaN(next)) continue
      const time = frames[at]!
      if (known && Number.isFinite(next)) {
        slot = this.spread(c, slot, Math.max(since, time - maxGap), time, next, c === PRESENCE)
        seen = true
      }
      known = Number.isFinite(next)
      since = time
      value = next
    }
    const end = this.edges[this.slots]!
    const begin = this.edges[0]!
    if (known && since < end && since + maxGap > begin) {
      this.spread(c, slot, Math.max(since, begin), Math.min(end, since + maxGap), value, false)
      seen = true
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

  /** Sums up over the slots. */
  finish(): void {
    const { slots, active, having } = this
    active.length = 0
    for (let c = 0; c < this.columns; c++) if (having[c]! > 0) active.push(c)
    const stride = 1 + 2 * active.length
    this.stride = stride
    if (this.rows.length < (slots + 1) * stride) this.rows = new Float64Array((slots + 1) * stride * 2)
    const { rows } = this
    rows.fill(0, 0, stride)
    for (let k = 1; k <= slots; k++) rows[k * stride] = rows[(k - 1) * stride]! + this.observed[k]!
    for (let j = 0; j < active.length; j++) {
      const values = this.values[active[j]!]!
      const covered = this.covered[active[j]!]!
      for (let k = 1, at = stride + 1 + 2 * j; k <= slots; k++, at += stride) {
        rows[at] = rows[at - stride]! + values[k]!
        rows[at + 1] = rows[at - stride + 1]! + covered[k]!
      }
    }
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

  /** `totalOf`, `greatestOf`: the columns whose total, whose greatest value is asked for. */
  constructor(
    readonly columns: number,
    private readonly totalOf: readonly number[] = [],
    private readonly greatestOf: readonly number[] = [],
  ) {
    this.values = new Float64Array(columns)
    this.covered = new Float64Array(columns)
    this.totals = new Float64Array(columns)
    this.greatest = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY)
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
    for (let c = 0; c < this.columns; c++) {
      values[c] = 0
      covered[c] = 0
      totals[c] = 0
    }
    for (const c of this.greatestOf) greatest[c] = Number.NEGATIVE_INFINITY
    this.observed = 0
    for (let g = 0; g < this.used; g++) {
      const group = this.groups[g]!
      const { edges, slots, rows, stride, active, having } = group
      const from = slotOf(edges, slots, start)
      const to = slotOf(edges, slots, end)
      const fromPart = (start - edges[from]!) / (edges[from + 1]! - edges[from]!)
      const toPart = (end - edges[to]!) / (edges[to + 1]! - edges[to]!)
      const a = from * stride
      const b = to * stride
      this.observed += between(rows, a, fromPart, b, toPart, stride)
      for (let j = 0, at = 1; j < active.length; j++, at += 2) {
        const time = between(rows, a + at + 1, fromPart, b + at + 1, toPart, stride)
        if (!(time > 0)) continue
        const c = active[j]!
        const value = between(rows, a + at, fromPart, b + at, toPart, stride)
        covered[c]! += time
        values[c]! += value
      }
      for (const c of this.totalOf) {
        const j = active.indexOf(c)
        if (j < 0) continue
        const at = 1 + 2 * j
        const time = between(rows, a + at + 1, fromPart, b + at + 1, toPart, stride)
        if (time > 0) totals[c]! += (between(rows, a + at, fromPart, b + at, toPart, stride) / time) * having[c]!
      }
      for (const c of this.greatestOf)
        if (having[c]! > 0) {
          const last = toPart === 0 && to > from ? to - 1 : to
          for (let k = from; k <= last; k++) if (group.greatest[c]![k]! > greatest[c]!) greatest[c] = group.greatest[c]![k]!
        }
    }
    this.carried = Math.max(0, covered[PRESENCE]! - this.observed)
  }
}

/** Where `other` has the very times that `track` has in [from, until) and just before; -1 when it has others. */
const alike = (track: Track, from: number, until: number, other: Track): number => {
  // Both end before the range: alike when the last frame is.
  if (from === until) return Object.is(track.lastTime, other.lastTime) ? other.length : -1
  const at = other.seek(track.time(from))
  const count = until - from
  if (at + count > other.length) return -1
  for (let i = 0; i < count; i++) if (other.time(at + i) !== track.time(from + i)) return -1
  const before = from > track.first ? track.time(from - 1) : Number.NaN
  const otherBefore = at > other.first ? other.time(at - 1) : Number.NaN
  return Object.is(before, otherBefore) && until < track.length === at + count < other.length ? at : -1
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

/** Sum over (a, b): each a row and a part of the slot that begins there. */
const between = (rows: Float64Array, a: number, aPart: number, b: number, bPart: number, stride: number): number =>
  rows[b]! + (rows[b + stride]! - rows[b]!) * bPart - rows[a]! - (rows[a + stride]! - rows[a]!) * aPart
