/** Metrics and their data points, read in place. */
import { METRIC, METRIC_DATA } from '../fields.js'
import type { Role } from '../vocabulary/roles.js'
import { BYTES, equalsAt, Fields, readString } from '../wire.js'
import { Attributes } from './attributes.js'
import { ExponentialPointView, HistogramPointView } from './histograms.js'
import { GroupCursor } from './item.js'
import { NumberPointView, type PointView, SummaryPointView } from './points.js'
import { roleAt } from './role.js'

/** Which member of Metric's `data` is set, by field number; 0 = none. */
export const { gauge: GAUGE, sum: SUM, histogram: HISTOGRAM, exponentialHistogram: EXPONENTIAL_HISTOGRAM, summary: SUMMARY } = METRIC
export const NO_DATA = 0

/** Values of `temporality`. */
export const TEMPORALITY = { unspecified: 0, delta: 1, cumulative: 2 } as const

/** A Metric without its points. A metric with several kinds of data has the last one. */
export class MetricView {
  bytes: Uint8Array = new Uint8Array(0)
  /** The metric's body is `bytes[start, end)`. */
  start = 0
  end = 0
  kind = NO_DATA
  temporality = 0
  isMonotonic = false
  readonly metadata = new Attributes()
  private nameStart = 0
  private nameEnd = 0
  private unitStart = 0
  private unitEnd = 0
  private descriptionStart = 0
  private descriptionEnd = 0
  private readonly fields = new Fields()
  private readonly data = new Fields()

  /** Throws WireError. */
  read(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.kind = NO_DATA
    this.nameStart = this.nameEnd = this.unitStart = this.unitEnd = this.descriptionStart = this.descriptionEnd = 0
    this.metadata.clear(bytes)
    const fields = this.fields.reset(bytes, start, end)
    while (fields.next()) {
      switch (fields.number) {
        case METRIC.name:
          fields.expect(BYTES)
          this.nameStart = fields.start
          this.nameEnd = fields.end
          break
        case METRIC.unit:
          fields.expect(BYTES)
          this.unitStart = fields.start
          this.unitEnd = fields.end
          break
        case METRIC.description:
          fields.expect(BYTES)
          this.descriptionStart = fields.start
          this.descriptionEnd = fields.end
          break
        case METRIC.metadata:
          this.metadata.addField(fields)
          break
        case GAUGE:
        case SUM:
        case HISTOGRAM:
        case EXPONENTIAL_HISTOGRAM:
        case SUMMARY:
          fields.expect(BYTES)
          this.kind = fields.number
          break
      }
    }
    this.readData()
    return this
  }

  /** Temporality and monotonicity. Points are skipped by their lengths; one set twice is merged. */
  private readData(): void {
    this.temporality = 0
    this.isMonotonic = false
    if (this.kind === NO_DATA || this.kind === GAUGE || this.kind === SUMMARY) return
    const fields = this.fields.reset(this.bytes, this.start, this.end)
    while (fields.next()) {
      if (fields.number !== this.kind) continue
      const data = this.data.enter(fields)
      while (data.next()) {
        if (data.number === METRIC_DATA.temporality) this.temporality = data.int()
        else if (data.number === METRIC_DATA.isMonotonic && this.kind === SUM) this.isMonotonic = data.uint() !== 0
      }
    }
  }

  name(): string {
    return readString(this.bytes, this.nameStart, this.nameEnd)
  }

  /** What its series mean; undefined where the name is not known. */
  get role(): Role | undefined {
    return roleAt(this.bytes, this.nameStart, this.nameEnd)
  }

  nameEquals(name: Uint8Array): boolean {
    return equalsAt(this.bytes, this.nameStart, this.nameEnd, name)
  }

  unit(): string {
    return readString(this.bytes, this.unitStart, this.unitEnd)
  }

  description(): string {
    return readString(this.bytes, this.descriptionStart, this.descriptionEnd)
  }
}

/**
 *     const metrics = new MetricCursor()
 *     for (const group of batch.groups) {
 *       metrics.over(group.rest)
 *       while (metrics.next()) {
 *         const name = metrics.metric.name()
 *         while (metrics.nextPoint()) metrics.point.time …
 *       }
 *     }
 */
export class MetricCursor extends GroupCursor {
  readonly metric = new MetricView()
  /** Points of a gauge or a sum; of a histogram; and so on. `point` is the one that `metric.kind` says. */
  readonly number = new NumberPointView()
  readonly histogram = new HistogramPointView()
  readonly exponential = new ExponentialPointView()
  readonly summary = new SummaryPointView()
  point: PointView = this.number
  private readonly data = new Fields()
  private readonly points = new Fields()

  override over(rest: Uint8Array): this {
    this.data.reset(rest, 0, 0)
    this.points.reset(rest, 0, 0)
    return super.over(rest)
  }

  /** Points `metric` at the next metric, whether or not its points were all visited. Throws WireError. */
  next(): boolean {
    if (!this.nextItem()) return false
    const { bytes, start, end } = this.item
    this.metric.read(bytes, start, end)
    this.data.reset(bytes, start, end)
    this.points.reset(bytes, 0, 0)
    this.point = this.pointOf(this.metric.kind)
    return true
  }

  /** Points `point` at the metric's next data point. Throws WireError. */
  nextPoint(): boolean {
    for (;;) {
      while (this.points.next())
        if (this.points.number === METRIC_DATA.dataPoints) {
          this.points.expect(BYTES)
          this.point.read(this.points.bytes, this.points.start, this.points.end)
          return true
        }
      do if (!this.data.next()) return false
      while (this.data.number !== this.metric.kind)
      this.points.enter(this.data)
    }
  }

  private pointOf(kind: number): PointView {
    if (kind === HISTOGRAM) return this.histogram
    if (kind === EXPONENTIAL_HISTOGRAM) return this.exponential
    return kind === SUMMARY ? this.summary : this.number
  }
}
