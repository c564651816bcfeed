/**
 * What the devices' time of a window went into: every device second in one bucket, and those of the owners of a host's boards and of
 * `unallocated/<host>` together boards × seconds. What the gauges of a device say decides for its window as a whole; the first bucket that matches wins.
 */
import { BUCKETS, type Bucket, type GpuTime } from '../../proto/events/event.js'
import { DEVICE } from './columns.js'
import type { Target } from './state.js'
import { Timeline } from './timeline.js'
import { PRESENCE, type Track } from './track.js'

/** Below this share of its time busy, a device that is owned is held idle (l9gpu, OpenLIT: 5 %). */
const IDLE = 0.05
/** Busy with fewer of its multiprocessors at work is inefficient (NVIDIA's profiling guide: below 0.5 ineffective). */
const INEFFICIENT = 0.5

/** Milliseconds of one kind by GPU model. */
class Sums {
  private readonly byModel = new Map<string, number>()

  add(model: string, milliseconds: number): void {
    if (milliseconds > 0) this.byModel.set(model, (this.byModel.get(model) ?? 0) + milliseconds)
  }

  get(model: string): number {
    return this.byModel.get(model) ?? 0
  }

  get models(): Iterable<string> {
    return this.byModel.keys()
  }
}

/**
 * Milliseconds of [start, end) during which the device was there: from a sample until a staleness marker, at most for `maxGap`. A board is there from its first
 * sample on: what its owners do not take of it is its host's.
 */
export const presence = (track: Track, { start, end, maxGap }: Span, board = false): number => {
  const within = (from: number, until: number): number => Math.max(0, Math.min(until, end) - Math.max(from, start))
  const until = (since: number, next: number): number => (board ? next : Math.min(since + maxGap, next))
  let at = track.seek(start)
  while (at > track.first && !(at < track.length && sampled(track, at) && track.time(at) <= start)) {
    at--
    if (sampled(track, at)) break
  }
  let since = Number.NaN
  let there = 0
  for (; at < track.length; at++) {
    const time = track.time(at)
    if (board && !sampled(track, at)) continue
    if (!Number.isNaN(since)) there += within(since, until(since, time))
    if (time >= end) return there
    since = sampled(track, at) ? time : Number.NaN
  }
  return Number.isNaN(since) ? there : there + within(since, until(since, end))
}

const sampled = (track: Track, at: number): boolean => Number.isFinite(track.value(at, PRESENCE))

export interface Span {
  readonly start: number
  readonly end: number
  readonly maxGap: number
}

export class DeviceTime {
  private readonly timeline = new Timeline(DEVICE.columns)
  private readonly peers = new Map<string, number>()

  /** Of devices that somebody owns. */
  owned(devices: readonly Target[], span: Span): GpuTime[] {
    const fastest = this.fastest(devices, span)
    const sums = new Map<Bucket, Sums>()
    const book = (bucket: Bucket, model: string, milliseconds: number): void => {
      let bucketSums = sums.get(bucket)
      if (!bucketSums) sums.set(bucket, (bucketSums = new Sums()))
      bucketSums.add(model, milliseconds)
    }
    for (const { model, share, track } of devices) {
      const there = presence(track, span)
      if (there <= 0) continue
      this.look(track, span)
      const known = Math.min(there, this.timeline.covered[PRESENCE]!)
      const busy = this.busy()
      const told = Number.isNaN(busy) ? 0 : known
      book('unknown', model, share * (there - told))
      if (busy < IDLE) {
        book('idle_held', model, share * told)
        continue
      }
      const lost = told * this.lostToThrottling(fastest.get(model))
      book('throttled', model, share * lost)
      book(this.mean(DEVICE.smActive) < INEFFICIENT ? 'inefficient' : 'productive', model, share * (told - lost))
    }
    return rows(sums)
  }

  /** Of the boards of one host, as far as the owners' devices do not take it. */
  unowned(boards: readonly Target[], owners: Iterable<readonly Target[]>, span: Span): GpuTime[] {
    const free = new Sums()
    const silent = new Sums()
    const whole = this.told(boards, span, true)
    const taken = this.told([...owners].flat(), span, false)
    for (const model of whole.there.models) {
      const left = Math.max(0, whole.there.get(model) - taken.there.get(model))
      const unknown = Math.min(
        left,
        Math.max(0, whole.there.get(model) - whole.known.get(model) - taken.there.get(model) + taken.known.get(model)),
      )
      silent.add(model, unknown)
      free.add(model, left - unknown)
    }
    return rows(
      new Map<Bucket, Sums>([
        ['unknown', silent],
        ['unallocated', free],
      ]),
    )
  }

  private told(devices: readonly Target[], span: Span, boards: boolean): { there: Sums; known: Sums } {
    const there = new Sums()
    const known = new Sums()
    for (const { model, share, track } of devices) {
      const here = presence(track, span, boards)
      if (here <= 0) continue
      this.look(track, span)
      there.add(model, share * here)
      known.add(model, share * Math.min(here, this.timeline.covered[PRESENCE]!))
    }
    return { there, known }
  }

  /** The part of its time by which a device with clocks held down fell behind the fastest of its kind; 0 where clocks are not told. */
  private lostToThrottling(fastest = Number.NaN): number {
    const lost = this.mean(DEVICE.throttled) * (1 - this.mean(DEVICE.clock) / fastest)
    return lost > 0 ? Math.min(1, lost) : 0
  }

  /** Mean clocks of the fastest device of each model. */
  private fastest(devices: readonly Target[], span: Span): ReadonlyMap<string, number> {
    const { peers } = this
    peers.clear()
    for (const { model, track } of devices) {
      if (!(track.used & (1 << DEVICE.clock))) continue
      this.look(track, span)
      const clock = this.mean(DEVICE.clock)
      if (clock > (peers.get(model) ?? 0)) peers.set(model, clock)
    }
    return peers
  }

  /** As the device says, else of its graphics engine (all there is of a MIG slice). */
  private busy(): number {
    const said = this.mean(DEVICE.utilization)
    return Number.isNaN(said) ? this.mean(DEVICE.engineActive) : said
  }

  private look(track: Track, { start, end, maxGap }: Span): void {
    this.timeline.build([track], start, end, maxGap).over(start, end)
  }

  private mean(column: number): number {
    const { covered, values } = this.timeline
    return covered[column]! > 0 ? values[column]! / covered[column]! : Number.NaN
  }
}

/** In the order of models, then of buckets, so that every run writes the same. */
const rows = (sums: ReadonlyMap<Bucket, Sums>): GpuTime[] => {
  const models = new Set([...sums.values()].flatMap(each => [...each.models]))
  return [...models].sort().flatMap(model =>
    BUCKETS.flatMap(bucket => {
      const milliseconds = sums.get(bucket)?.get(model) ?? 0
      return milliseconds > 0 ? [{ model, bucket, seconds: milliseconds / 1000 }] : []
    }),
  )
}
