/**
 * What the devices' time of a window went into: every device second in one bucket, and those of the owners of a host's boards and of
 * `unallocated/<host>` together boards × seconds. What the gauges of a device say decides for its window as a whole; the first bucket that matches wins.
 */
import { BUCKETS, type Bucket, type GpuTime } from '../../proto/events/event.js'
import { Lens } from './figures.js'
import type { Target } from './state.js'
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
  private readonly lens = new Lens()

  /** Of devices that somebody owns. */
  owned(devices: readonly Target[], span: Span): GpuTime[] {
    const seen = devices.map(device => this.look(device, span)).filter(({ there }) => there > 0)
    /** Mean clocks of the fastest device of each model. */
    const fastest = new Map<string, number>()
    for (const { model, clock } of seen) if (clock > (fastest.get(model) ?? 0)) fastest.set(model, clock)
    const sums = new Map<Bucket, Sums>()
    const book = (bucket: Bucket, model: string, milliseconds: number): void => {
      let bucketSums = sums.get(bucket)
      if (!bucketSums) sums.set(bucket, (bucketSums = new Sums()))
      bucketSums.add(model, milliseconds)
    }
    for (const { model, share, there, known, busy, smActive, throttled, clock } of seen) {
      const told = Number.isNaN(busy) ? 0 : known
      book('unknown', model, share * (there - told))
      if (busy < IDLE) {
        book('idle_held', model, share * told)
        continue
      }
      const lost = told * fallenBehind(throttled, clock, fastest.get(model))
      book('throttled', model, share * lost)
      book(smActive < INEFFICIENT ? 'inefficient' : 'productive', model, share * (told - lost))
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
    const sums = { there: new Sums(), known: new Sums() }
    for (const device of devices) {
      const { model, share, there, known } = this.look(device, span, boards)
      sums.there.add(model, share * there)
      sums.known.add(model, share * known)
    }
    return sums
  }

  /** Milliseconds that the device was there, and of those that are told of; means of what it says, NaN = nothing. */
  private look(device: Target, span: Span, board = false) {
    const { lens } = this
    const { model, share, track } = device
    const there = presence(track, span, board)
    if (there > 0) {
      lens.point([device], NO_ENGINES, span.start, span.end, span.maxGap)
      lens.look(span.start, span.end)
    }
    const known = there > 0 ? Math.min(there, lens.devices.covered[PRESENCE]!) : 0
    return { model, share, there, known, busy: lens.utilization, smActive: lens.smActive, throttled: lens.throttled, clock: lens.clock }
  }
}

const NO_ENGINES: readonly Target[] = []

/** The part of its time by which a device with clocks held down fell behind the fastest of its kind; 0 where clocks are not told. */
const fallenBehind = (throttled: number, clock: number, fastest = Number.NaN): number => {
  const lost = throttled * (1 - clock / fastest)
  return lost > 0 ? Math.min(1, lost) : 0
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
