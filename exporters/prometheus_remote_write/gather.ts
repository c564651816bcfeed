/** What a batch says, laid out by series: the samples that one request will carry. */
import type { Batch } from '../../proto/batch.js'
import { printBound } from '../../proto/exposition/number.js'
import { EXPONENTIAL_POINT, HISTOGRAM_POINT, NUMBER_POINT } from '../../proto/fields.js'
import { labelName, metricName, unitName } from '../../proto/prometheus/names.js'
import type { ExponentialPointView, HistogramPointView } from '../../proto/views/histograms.js'
import { EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, MetricCursor, type MetricView, SUM, SUMMARY } from '../../proto/views/metrics.js'
import type { NumberPointView, SummaryPointView } from '../../proto/views/points.js'
import { ExemplarReader } from './exemplars.js'
import { nativeOf, staleNative } from './native.js'
import type { Options } from './options.js'
import type { Origin, Origins } from './origins.js'
import { type Catalog, type Exemplar, Family, type Line, type Refused, type Series, type Shape, TYPE } from './series.js'

/** Why a point is not sent. */
export type NotSent = Refused | 'duplicate' | 'out_of_order' | 'no_value' | 'no_time' | 'too_coarse_histogram' | 'inconsistent_histogram'

const SHAPES: Readonly<Record<number, Shape>> = {
  [GAUGE]: 'value',
  [SUM]: 'value',
  [HISTOGRAM]: 'histogram',
  [EXPONENTIAL_HISTOGRAM]: 'native',
  [SUMMARY]: 'summary',
}
const EXEMPLARS: Readonly<Record<number, number>> = {
  [SUM]: NUMBER_POINT.exemplars,
  [HISTOGRAM]: HISTOGRAM_POINT.exemplars,
  [EXPONENTIAL_HISTOGRAM]: EXPONENTIAL_POINT.exemplars,
}
const PROMETHEUS_TYPE = Buffer.from('prometheus.type')
const TARGET_INFO = 'target_info'

export class Gatherer {
  private readonly cursor = new MetricCursor()
  private readonly exemplars = new ExemplarReader()
  private readonly info: Family
  private touched = new Set<Series>()
  private refused = new Map<NotSent, number>()

  constructor(
    private readonly options: Pick<
      Options,
      'namespace' | 'translation_strategy' | 'target_info' | 'send_exemplars' | 'allow_out_of_order'
    > & { readonly utf8: boolean },
    private readonly catalog: Catalog,
    private readonly origins: Origins,
  ) {
    const name = options.namespace === '' ? TARGET_INFO : `${options.namespace}_${TARGET_INFO}`
    this.info = new Family(name, 'value', TYPE.info, 'Attributes of the resource.', '')
  }

  /**
   * The series that the request will name, with their samples in them until `release`; and how many points are left out, and why.
   * Throws WireError, with nothing left behind.
   */
  gather(batch: Batch, now: number): { series: readonly Series[]; refused: ReadonlyMap<NotSent, number> } {
    this.touched = new Set()
    this.refused = new Map()
    this.catalog.expire(now)
    try {
      for (const group of batch.groups) {
        const origin = this.origins.of(group.resource)
        this.cursor.over(group.rest)
        let newest = 0
        while (this.cursor.next()) newest = Math.max(newest, this.takeMetric(origin, now))
        if (newest > 0 && origin.info && this.options.target_info.enabled) this.takeInfo(origin, newest, now)
      }
    } catch (error) {
      release(this.touched)
      throw error
    }
    return { series: [...this.touched], refused: this.refused }
  }

  /** Whether it is `target_info`. */
  isInfo(family: Family): boolean {
    return family.name === this.info.name
  }

  /** The time of its newest point, 0 when there is none. */
  private takeMetric(origin: Origin, now: number): number {
    const { cursor } = this
    const { metric } = cursor
    const shape = SHAPES[metric.kind]
    const family = shape && this.familyOf(metric, shape)
    let newest = 0
    while (cursor.nextPoint()) {
      const { point } = cursor
      const time = Math.trunc(point.time)
      newest = Math.max(newest, time)
      if (!family || family.shape !== shape) {
        this.refuse(family ? 'type_conflict' : 'no_value')
        continue
      }
      const series = this.catalog.find(family, origin.number, origin.labels, point.attributes, now)
      if (typeof series === 'string') this.refuse(series)
      else {
        const wrong = time > 0 ? (this.place(series, time) ?? this.takePoint(series, time)) : 'no_time'
        if (wrong) this.refuse(wrong)
        else series.times.push(time)
      }
    }
    return newest
  }

  private familyOf(metric: MetricView, shape: Shape): Family {
    const { namespace, translation_strategy: strategy } = this.options
    const counter = metric.kind === SUM && metric.isMonotonic
    const unit = metric.unit()
    const name = metricName(metric.name(), unit, metric.kind === GAUGE ? 'gauge' : counter ? 'counter' : 'other', namespace, strategy)
    const known = this.catalog.families.get(name)
    if (known) return known
    return new Family(name, shape, typeOf(metric, counter), metric.description(), unitName(unit))
  }

  /** Undefined when a point of this time may be sent: then the series is part of the request. */
  private place(series: Series, time: number): NotSent | undefined {
    if (series.times.includes(time)) return 'duplicate'
    if (time <= series.taken && !this.options.allow_out_of_order) return time === series.taken ? 'duplicate' : 'out_of_order'
    this.touched.add(series)
    return undefined
  }

  private takePoint(series: Series, time: number): NotSent | undefined {
    const { point, metric } = this.cursor
    if (point.noRecordedValue) return end(series, time)
    const start = metric.kind === GAUGE ? 0 : Math.trunc(point.startTime)
    const number = this.options.send_exemplars ? EXEMPLARS[metric.kind] : undefined
    const exemplars =
      number === undefined ? undefined : this.exemplars.read(point.bytes, point.start, point.end, number, this.exemplarLabel)
    const fresh = exemplars?.filter(exemplar => exemplar.time > series.exemplarsTaken && exemplar.time > 0)
    if (metric.kind === HISTOGRAM) return takeHistogram(series, point as HistogramPointView, time, start, fresh)
    if (metric.kind === SUMMARY) return takeSummary(series, point as SummaryPointView, time, start)
    const line = series.line('')
    if (metric.kind === EXPONENTIAL_HISTOGRAM) {
      const body = nativeOf(point as ExponentialPointView)
      if (!body) return 'too_coarse_histogram'
      line.histograms.push(body)
      line.add(time, 0, start, false)
    } else {
      const number = point as NumberPointView
      if (!number.hasValue) return 'no_value'
      line.add(time, number.value, start, false)
    }
    if (fresh) line.exemplars.push(...fresh)
    return undefined
  }

  private readonly exemplarLabel = (key: string): string => labelName(key, this.options.utf8)

  private takeInfo(origin: Origin, time: number, now: number): void {
    const family = this.catalog.families.get(this.info.name) ?? this.info
    const series = this.catalog.named(family, origin.info!, now)
    if (typeof series === 'string' || this.place(series, time)) return
    series.line('').add(time, 1, 0, false)
    series.times.push(time)
  }

  private refuse(reason: NotSent): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1)
  }
}

/** Forgets the samples of a request, not their series. */
export const release = (touched: Iterable<Series>): void => {
  for (const series of touched) {
    series.times.length = 0
    for (const line of series.lines) line.clear()
  }
}

const typeOf = (metric: MetricView, counter: boolean): number => {
  const scraped = metric.metadata.string(PROMETHEUS_TYPE)
  if (scraped !== undefined && Object.hasOwn(TYPE, scraped)) return TYPE[scraped as keyof typeof TYPE]
  if (metric.kind === SUMMARY) return TYPE.summary
  if (metric.kind === HISTOGRAM || metric.kind === EXPONENTIAL_HISTOGRAM) return TYPE.histogram
  return counter ? TYPE.counter : TYPE.gauge
}

/** A staleness marker for every line; a series that was not sent before has none to end but those it always has. */
const end = (series: Series, time: number): undefined => {
  const { shape } = series.family
  if (series.lines.length === 0) {
    if (shape === 'value' || shape === 'native') series.line('')
    else {
      series.line('_count')
      series.line('_sum')
    }
  }
  for (const line of series.lines) {
    if (shape === 'native') line.histograms.push(staleNative())
    line.add(time, Number.NaN, 0, true)
  }
}

const takeHistogram = (
  series: Series,
  point: HistogramPointView,
  time: number,
  start: number,
  exemplars: readonly Exemplar[] | undefined,
): NotSent | undefined => {
  const { bucketLength, boundLength, count } = point
  if (bucketLength > 0 && bucketLength !== boundLength + 1) return 'inconsistent_histogram'
  series.line('_count').add(time, count, start, false)
  if (!Number.isNaN(point.sum)) series.line('_sum').add(time, point.sum, start, false)
  let below = 0
  let before = Number.NEGATIVE_INFINITY
  for (let i = 0; i < boundLength; i++) {
    const bound = point.bound(i)
    below += point.bucketCount(i)
    if (bound === Number.POSITIVE_INFINITY) break
    const line = series.line('_bucket', 'le', printBound(bound))
    line.add(time, below, start, false)
    if (exemplars) addExemplars(line, exemplars, before, bound)
    before = bound
  }
  const last = series.line('_bucket', 'le', '+Inf')
  last.add(time, count, start, false)
  if (exemplars) addExemplars(last, exemplars, before, Number.POSITIVE_INFINITY)
  return undefined
}

/** Those in (above, upTo]. */
const addExemplars = (line: Line, exemplars: readonly Exemplar[], above: number, upTo: number): void => {
  for (const each of exemplars) if (each.value > above && each.value <= upTo) line.exemplars.push(each)
}

const takeSummary = (series: Series, point: SummaryPointView, time: number, start: number): undefined => {
  for (let i = 0; i < point.quantileLength; i++)
    series.line('', 'quantile', printBound(point.quantile(i))).add(time, point.quantileValue(i), start, false)
  series.line('_count').add(time, point.count, start, false)
  series.line('_sum').add(time, point.sum, start, false)
}
