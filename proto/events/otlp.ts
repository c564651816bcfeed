/**
 * The few OTLP messages that rendering needs, written forward. Field numbers: opentelemetry-proto v1.11.0 common, resource, metrics, logs.
 */
import { Group } from '../batch.js'
import { Writer } from '../wire.js'
import type { Interval, Summing } from './cumulative.js'

/** A bigint is written as an int, a number as a double. */
export type AttributeValue = string | number | bigint | boolean | readonly string[]
/** In the order in which they are written; `undefined` values are left out. */
export type Attributes = readonly (readonly [key: string, value: AttributeValue | undefined])[]

/** AnyValue {1 string, 2 bool, 3 int, 4 double, 5 array{1 values}}. */
const writeAnyValue = (writer: Writer, number: number, value: AttributeValue): void => {
  writer.message(number, any => {
    if (typeof value === 'string') any.string(1, value)
    else if (typeof value === 'boolean') any.uint(2, value ? 1 : 0)
    else if (typeof value === 'number') any.double(4, value)
    else if (typeof value === 'bigint') any.int64(3, value)
    else
      any.message(5, array => {
        for (const text of value) writeAnyValue(array, 1, text)
      })
  })
}

/** KeyValue {1 key, 2 value}. */
export const writeAttributes = (writer: Writer, number: number, attributes: Attributes): void => {
  for (const [key, value] of attributes)
    if (value !== undefined)
      writer.message(number, pair => {
        pair.string(1, key)
        writeAnyValue(pair, 2, value)
      })
}

/** AggregationTemporality. */
const DELTA = 1
const CUMULATIVE = 2

export interface NumberPoint {
  readonly attributes: Attributes
  readonly value: number
}
export interface HistogramPoint {
  readonly attributes: Attributes
  readonly count: number
  readonly sum: number
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
}

/**
 * ResourceMetrics {1 resource, 2 scope_metrics {1 scope {1 name}, 2 metrics}} with points over one interval.
 * With `sums`, sums and histograms are written as running totals.
 */
export class MetricsWriter {
  private readonly metrics = new Writer(4096)
  points = 0
  private readonly temporality: number

  constructor(
    private readonly interval: Interval,
    private readonly sums?: Summing,
  ) {
    this.temporality = sums ? CUMULATIVE : DELTA
  }

  /** Metric {1 name, 3 unit, 5 gauge {1 data_points}}. */
  gauge(name: string, unit: string, points: readonly NumberPoint[]): void {
    this.metric(name, unit, points, 5, (data, { attributes, value }) => writeNumber(data, attributes, this.interval, value), undefined)
  }

  /** Metric {7 sum {1 data_points, 2 aggregation_temporality, 3 is_monotonic}}. */
  sum(name: string, unit: string, points: readonly NumberPoint[]): void {
    this.metric(
      name,
      unit,
      points,
      7,
      (data, { attributes, value }) => {
        const total = this.sums?.(seriesName(name, attributes), this.interval, [value])
        writeNumber(data, attributes, total ?? this.interval, total?.values[0] ?? value)
      },
      data => data.uint(2, this.temporality).uint(3, 1),
    )
  }

  /** Metric {9 histogram {1 data_points, 2 aggregation_temporality}}. */
  histogram(name: string, unit: string, points: readonly HistogramPoint[]): void {
    this.metric(
      name,
      unit,
      points,
      9,
      (data, point) => {
        const { attributes, count, sum, bounds, counts } = point
        if (!this.sums) return writeHistogram(data, this.interval, point)
        const total = this.sums(seriesName(name, attributes), this.interval, [count, sum, ...counts], bounds.join())
        const [totalCount = 0, totalSum = 0, ...totalCounts] = total.values
        writeHistogram(data, total, { attributes, count: totalCount, sum: totalSum, bounds, counts: totalCounts })
      },
      data => data.uint(2, this.temporality),
    )
  }

  finish(resource: Attributes, scope: string): Group {
    return group(resource, scope, this.metrics.finish())
  }

  private metric<P>(
    name: string,
    unit: string,
    points: readonly P[],
    kind: number,
    write: (data: Writer, point: P) => void,
    after: ((data: Writer) => void) | undefined,
  ): void {
    if (points.length === 0) return
    this.points += points.length
    this.metrics.message(2, metric => {
      metric.string(1, name).string(3, unit)
      metric.message(kind, data => {
        for (const point of points) write(data, point)
        after?.(data)
      })
    })
  }
}

/** NumberDataPoint {2 start, 3 time, 4 as_double, 7 attributes}. */
const writeNumber = (data: Writer, attributes: Attributes, { start, end }: Interval, value: number): void => {
  data.message(1, point => {
    point.millis(2, start).millis(3, end).double(4, value)
    writeAttributes(point, 7, attributes)
  })
}

/**
 * HistogramDataPoint {2 start, 3 time, 4 count, 5 sum, 6 bucket_counts packed fixed64, 7 explicit_bounds packed double, 9 attributes}.
 * Counts on the wire are whole; the count is that of the buckets, as OTLP demands.
 */
const writeHistogram = (data: Writer, { start, end }: Interval, { attributes, count, sum, bounds, counts }: HistogramPoint): void => {
  let total = counts.length > 0 ? 0 : Math.round(count)
  for (const each of counts) total += Math.round(each)
  data.message(1, point => {
    point.millis(2, start).millis(3, end).count(4, total).double(5, sum)
    point.header(6, counts.length * 8)
    for (const each of counts) point.countValue(Math.round(each))
    point.header(7, bounds.length * 8)
    for (const bound of bounds) point.doubleValue(bound)
    writeAttributes(point, 9, attributes)
  })
}

/** How a series is called: names and values of a point, in the order in which they are written. */
const seriesName = (metric: string, attributes: Attributes): string =>
  JSON.stringify([metric, ...attributes.flatMap(([key, value]) => (value === undefined ? [] : [key, String(value)]))])

/** ResourceLogs with one LogRecord {1 time, 2 severity_number, 3 severity_text, 5 body, 6 attributes, 11 observed time, 12 event_name}. */
export const logGroup = (
  resource: Attributes,
  scope: string,
  time: number,
  eventName: string,
  body: string,
  attributes: Attributes,
): Group => {
  const record = new Writer(2048)
  record.message(2, log => {
    log.millis(1, time).uint(2, 9).string(3, 'INFO')
    writeAnyValue(log, 5, body)
    writeAttributes(log, 6, attributes)
    log.millis(11, time).string(12, eventName)
  })
  return group(resource, scope, record.finish())
}

/** Resource {1 attributes}; the scope's items are whole fields already. */
const group = (resource: Attributes, scope: string, items: Uint8Array): Group => {
  const head = new Writer()
  writeAttributes(head, 1, resource)
  const rest = new Writer(items.length + 64)
  rest.message(2, scoped => {
    scoped.message(1, named => named.string(1, scope))
    scoped.raw(items)
  })
  return Group.of(head.finish(), rest.finish())
}
