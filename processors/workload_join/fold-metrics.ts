/** Samples into the state: names to roles, attributes to devices and engines, values to tracks and counters. */
import type { Group } from '../../proto/batch.js'
import { GROUP, HISTOGRAM_POINT, METRIC, METRIC_DATA, NUMBER_POINT, SCOPE_GROUP } from '../../proto/fields.js'
import { HistogramPointView } from '../../proto/views/histograms.js'
import { TEMPORALITY } from '../../proto/views/metrics.js'
import { NO_RECORDED_VALUE } from '../../proto/views/points.js'
import { roleAt } from '../../proto/views/role.js'
import { isBlank, type Role } from '../../proto/vocabulary/roles.js'
import { BYTES, Fields } from '../../proto/wire.js'
import { DEVICE, DEVICE_COLUMNS, ENGINE_COLUMNS } from './columns.js'
import { Counter, type Limits } from './counter.js'
import { canonicalOf, deviceIdentity, engineIdentity, partsOf } from './identity.js'
import { Recall } from './recall.js'
import type { Booked, CounterOf, PointState, ResourceState, Target, Workload } from './state.js'
import { PRESENCE } from './track.js'

/** Where the clock stands while a record is folded; milliseconds. */
export interface FoldTime {
  readonly appendTime: number
  /** Later event times are read as the append time (rule 6). */
  readonly latest: number
  /** Earlier samples are not taken. */
  readonly oldest: number
  /** End of the last closed window. */
  readonly boundary: number
  readonly limits: Limits
  /** Whether new devices, engines and series may be remembered. */
  readonly room: boolean
}

/** Points that were not taken, by reason. */
export interface Ignored {
  /** The state is full. */
  state_full: number
  /** A counter of delta temporality has no value to be booked by. */
  delta_temporality: number
}

/** Roles whose samples make `engine_metrics` a source of tokens and requests. */
const FIGURES: ReadonlySet<string> = new Set(['engine.tokens.input', 'engine.tokens.output', 'engine.requests'])
const columnOf = (role: Role): number | undefined =>
  role.level === 'device' ? (DEVICE_COLUMNS as Record<string, number>)[role.role] : (ENGINE_COLUMNS as Record<string, number>)[role.role]
const NO_HISTOGRAM: readonly number[] = []

export class MetricFold {
  readonly ignored: Ignored = { state_full: 0, delta_temporality: 0 }
  private readonly scopes = new Fields()
  private readonly metrics = new Fields()
  private readonly metric = new Fields()
  private readonly data = new Fields()
  private readonly point = new Fields()
  private readonly histogram = new HistogramPointView()
  private values = new Float64Array(32)
  /** What points stand for, by their attributes. */
  readonly recall = new Recall()

  /** Takes the points of one group. Throws WireError. */
  fold(workload: Workload, resource: ResourceState, group: Group, at: FoldTime): void {
    this.recall.beginGroup(resource)
    const scopes = this.scopes.reset(group.rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      const metrics = this.metrics.enter(scopes)
      while (metrics.next()) if (metrics.number === SCOPE_GROUP.items) this.foldMetric(workload, resource, this.metric.enter(metrics), at)
    }
  }

  private foldMetric(workload: Workload, resource: ResourceState, metric: Fields, at: FoldTime): void {
    let role: Role | undefined
    const { bytes, start, end } = this.metrics
    while (metric.next()) if (metric.number === METRIC.name) role = roleAt(bytes, metric.expect(BYTES).start, metric.end)
    if (!role || (resource.use !== 'all' && role.role !== 'gpu.energy')) return
    const bucketed = role.kind === 'histogram'
    const column = role.kind === 'gauge' ? columnOf(role) : undefined
    if (role.kind === 'gauge' && column === undefined) return
    this.recall.beginMetric()
    metric.reset(bytes, start, end)
    while (metric.next()) {
      const { number } = metric
      if (bucketed ? number !== METRIC.histogram : number !== METRIC.gauge && number !== METRIC.sum) continue
      if (role.kind !== 'gauge' && number !== METRIC.gauge && isDelta(this.data.enter(metric))) {
        this.ignored.delta_temporality++
        continue
      }
      const data = this.data.enter(metric)
      while (data.next()) {
        if (data.number !== METRIC_DATA.dataPoints) continue
        this.point.enter(data)
        if (bucketed) this.foldHistogram(workload, resource, role, at)
        else this.foldNumber(workload, resource, role, column, at)
      }
    }
  }

  private foldNumber(workload: Workload, resource: ResourceState, role: Role, column: number | undefined, at: FoldTime): void {
    const { point } = this
    const { bytes } = point
    let time = 0
    let flags = 0
    let value = Number.NaN
    this.recall.beginPoint()
    while (point.next()) {
      const { number } = point
      if (number === NUMBER_POINT.attributes) this.recall.attribute(point)
      else if (number === NUMBER_POINT.time) time = point.millis()
      else if (number === NUMBER_POINT.asDouble) value = point.double()
      else if (number === NUMBER_POINT.asInt) value = point.sfixed64()
      else if (number === NUMBER_POINT.flags) flags = point.int()
    }
    if (time === 0 || time > at.latest) time = at.appendTime
    if (time < at.oldest) return
    const state = this.recall.state(bytes, NUMBER_POINT.attributes)
    if (time > state.lastTime) state.lastTime = time
    const target = this.targetOf(workload, resource, state, role, at)
    if (!target) return
    if (flags & NO_RECORDED_VALUE) {
      target.track.stale(time, column ?? PRESENCE)
      return
    }
    if (role.level === 'device' ? isBlank(value) : !Number.isFinite(value)) return
    if (time > workload.lastSample) workload.lastSample = time
    if (role.level === 'device') target.share = state.share
    if (column !== undefined) target.track.set(time, column, gaugeValue(role, value, column, state.share))
    else if (role.role === 'gpu.throttle') foldThrottle(target, role, time, value, at)
    else {
      target.track.touch(time)
      const known = counterOf(state, role)?.booked
      const booked = known?.alive ? known : this.bookedOf(target, resource, state, role, NO_HISTOGRAM, at)
      if (!booked) return
      this.values[0] = value
      booked.counter.add(time, this.values, 0, at.boundary, at.limits, role.role === 'gpu.energy' ? state.share : 1)
      if (FIGURES.has(role.role) && time > workload.seen.engine_metrics) workload.seen.engine_metrics = time
    }
  }

  private foldHistogram(workload: Workload, resource: ResourceState, role: Role, at: FoldTime): void {
    const { point } = this
    const { bytes, start, end } = this.data
    this.recall.beginPoint()
    while (point.next()) if (point.number === HISTOGRAM_POINT.attributes) this.recall.attribute(point)
    const view = this.histogram.read(bytes, start, end)
    let { time } = view
    if (time === 0 || time > at.latest) time = at.appendTime
    if (time < at.oldest) return
    const state = this.recall.state(bytes, HISTOGRAM_POINT.attributes)
    if (time > state.lastTime) state.lastTime = time
    const target = this.targetOf(workload, resource, state, role, at)
    if (!target || view.noRecordedValue) return
    const buckets = view.bucketLength
    if (buckets === 0 || buckets !== view.boundLength + 1) return
    const known = counterOf(state, role)?.booked
    const booked =
      known?.alive && sameBounds(known.bounds, view)
        ? known
        : this.bookedOf(
            target,
            resource,
            state,
            role,
            Array.from({ length: buckets - 1 }, (_, i) => view.bound(i)),
            at,
          )
    if (!booked) return
    if (this.values.length < buckets + 1) this.values = new Float64Array(buckets * 2)
    for (let i = 0; i < buckets; i++) this.values[i] = view.bucketCount(i)
    this.values[buckets] = Number.isFinite(view.sum) ? view.sum : 0
    booked.counter.add(time, this.values, 0, at.boundary, at.limits)
    if (time > workload.lastSample) workload.lastSample = time
    target.track.touch(time)
  }

  private targetOf(workload: Workload, resource: ResourceState, state: PointState, role: Role, at: FoldTime): Target | undefined {
    const known = role.level === 'device' ? state.device : state.engine
    if (known?.alive) return known
    const parts = partsOf(this.recall.labels(state.attributes), resource.labels)
    if (resource.use === 'board') delete parts.slice
    const identity = role.level === 'device' ? deviceIdentity(parts) : engineIdentity(parts)
    if (!at.room && !(role.level === 'device' ? workload.deviceById : workload.engineById).has(identity.id)) {
      this.ignored.state_full++
      return undefined
    }
    const target = workload.target(role.level, identity, resource.use === 'all' ? undefined : DEVICE.presenceOnly)
    if (role.level === 'device') state.device = target
    else state.engine = target
    return target
  }

  private bookedOf(
    target: Target,
    resource: ResourceState,
    state: PointState,
    role: Role,
    bounds: readonly number[],
    at: FoldTime,
  ): Booked | undefined {
    const labels = this.recall.labels(state.attributes)
    const family = `${role.role}\u0001${bounds.join()}`
    // Of a whole board, whoever owns it and by whichever labels, there is one counter.
    const key = `${family}\u0001${resource.use === 'board' ? '' : canonicalOf(labels)}`
    let booked = target.counter(key)
    if (!booked) {
      if (!at.room) {
        this.ignored.state_full++
        return undefined
      }
      const width = bounds === NO_HISTOGRAM ? 1 : bounds.length + 2
      const variant = role.variantLabel === undefined ? '' : (labels.get(role.variantLabel) ?? '')
      const counter = new Counter(width, 1, target.track.arena)
      booked = target.book({ role: role.role, variant, counter, scale: role.scale, bounds, family, key, alive: true })
    }
    const known = counterOf(state, role)
    if (known) known.booked = booked
    else state.counters = { role, booked, next: state.counters }
    return booked
  }
}

const counterOf = (state: PointState, role: Role): CounterOf | undefined => {
  let each = state.counters
  while (each && each.role !== role) each = each.next
  return each
}

const isDelta = (data: Fields): boolean => {
  while (data.next()) if (data.number === METRIC_DATA.temporality) return data.int() === TEMPORALITY.delta
  return false
}

const gaugeValue = (role: Role, value: number, column: number, share: number): number => {
  const scaled = value * (role.percentAboveOne && value > 1 ? 0.01 : role.scale)
  return role.level === 'device' && column === DEVICE.power ? scaled * share : scaled
}

/** Throttled time as a gauge: its growth since the sample before / seconds. Several reasons overlap, so the greatest counts. */
const foldThrottle = (target: Target, role: Role, time: number, value: number, at: FoldTime): void => {
  target.track.touch(time)
  const reason = role.variant ?? ''
  target.throttles ??= new Map()
  const last = target.throttles.get(reason)
  if (!last) {
    target.throttles.set(reason, [time, value])
    return
  }
  const [before, from] = last
  if (time <= before) return
  if (time - before <= at.limits.maxGap && value >= from) {
    const share = Math.min(1, ((value - from) * role.scale * 1000) / (time - before))
    const known = target.track.at(time, DEVICE.throttled)
    target.track.set(time, DEVICE.throttled, Number.isNaN(known) ? share : Math.max(known, share))
  }
  last[0] = time
  last[1] = value
}

const sameBounds = (known: readonly number[], histogram: HistogramPointView): boolean => {
  if (known.length !== histogram.boundLength) return false
  for (let i = 0; i < known.length; i++) if (known[i] !== histogram.bound(i)) return false
  return true
}
