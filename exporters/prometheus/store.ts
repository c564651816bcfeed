/** The latest value of every series, until it is scraped, ends, or is not told any more. */
import type { Label } from '../../proto/exposition/series.js'
import { HistogramPointView } from '../../proto/views/histograms.js'
import { GAUGE, HISTOGRAM, type MetricCursor, type MetricView, SUM, SUMMARY } from '../../proto/views/metrics.js'
import { NumberPointView, type PointView, SummaryPointView } from '../../proto/views/points.js'

export type Kind = 'gauge' | 'counter' | 'histogram' | 'summary'
export interface Buckets {
  readonly bounds: readonly number[]
  /** What fell into each bucket, not what lies below its bound. */
  readonly counts: readonly number[]
}
export interface Quantiles {
  readonly quantiles: readonly (readonly [quantile: number, value: number])[]
}
/** Of a gauge or counter the value; of the others, sum and count. */
export interface Series {
  readonly labels: readonly Label[]
  value: number
  count: number
  shape: Buckets | Quantiles | undefined
  /** When it was measured, milliseconds since the epoch, and when it was told, by the monotonic clock. */
  time: number
  told: number
}
export interface Metric {
  readonly name: string
  readonly kind: Kind
  readonly help: string
  readonly series: Map<string, Series>
}
/** Why a point was not taken. */
export type Refused = 'cardinality_limit' | 'max_series' | 'type_conflict' | 'out_of_order' | 'exponential_histogram' | 'no_value'

export const kindOf = ({ kind, isMonotonic }: MetricView): Kind | undefined => {
  if (kind === GAUGE) return 'gauge'
  if (kind === SUM) return isMonotonic ? 'counter' : 'gauge'
  if (kind === HISTOGRAM) return 'histogram'
  return kind === SUMMARY ? 'summary' : undefined
}

export class Store {
  readonly metrics = new Map<string, Metric>()
  size = 0

  constructor(private readonly limits: { readonly perMetric: number; readonly inAll: number; readonly expiration: number }) {}

  /** Takes the point at which the cursor stands, which is no delta; `name` and `labels` as Prometheus has them. Undefined when it was taken. */
  take(cursor: MetricCursor, kind: Kind, name: string, labels: readonly Label[], now: number): Refused | undefined {
    const { metric, point } = cursor
    const known = this.metrics.get(name)
    if (known && known.kind !== kind) return 'type_conflict'
    const key = labels.map(label => `${label.name}\0${label.value}`).join('\0')
    const series = known?.series.get(key)
    if (point.noRecordedValue) {
      if (known && series) this.forget(known, key)
      return undefined
    }
    if (series && point.time < series.time) return 'out_of_order'
    const told = read(point)
    if (!told) return 'no_value'
    if (series) {
      Object.assign(series, told, { time: point.time, told: now })
      return undefined
    }
    if (known && known.series.size >= this.limits.perMetric) return 'cardinality_limit'
    if (this.size >= this.limits.inAll) return 'max_series'
    // Made with its first series, so that nothing is remembered of what was refused.
    const { series: all } = known ?? this.begin(name, kind, metric.description())
    all.set(key, { labels, ...told, time: point.time, told: now })
    this.size++
    return undefined
  }

  /** Forgets what was not told since `metric_expiration`. */
  expire(now: number): void {
    const oldest = now - this.limits.expiration
    for (const metric of this.metrics.values()) for (const [key, { told }] of metric.series) if (told < oldest) this.forget(metric, key)
  }

  private begin(name: string, kind: Kind, help: string): Metric {
    const metric: Metric = { name, kind, help, series: new Map() }
    this.metrics.set(name, metric)
    return metric
  }

  private forget(metric: Metric, key: string): void {
    metric.series.delete(key)
    this.size--
    if (metric.series.size === 0) this.metrics.delete(metric.name)
  }
}

type Told = Pick<Series, 'value' | 'count' | 'shape'>

const read = (point: PointView): Told | undefined => {
  if (point instanceof NumberPointView) return point.hasValue ? { value: point.value, count: 0, shape: undefined } : undefined
  if (point instanceof HistogramPointView) {
    const counts = Array.from({ length: point.bucketLength }, (_, i) => point.bucketCount(i))
    const bounds = Array.from({ length: point.boundLength }, (_, i) => point.bound(i))
    if (counts.length > 0 && counts.length !== bounds.length + 1) return undefined
    return { value: Number.isNaN(point.sum) ? 0 : point.sum, count: point.count, shape: { bounds, counts } }
  }
  if (!(point instanceof SummaryPointView)) return undefined
  const quantiles = Array.from({ length: point.quantileLength }, (_, i) => [point.quantile(i), point.quantileValue(i)] as const)
  return { value: point.sum, count: point.count, shape: { quantiles } }
}
