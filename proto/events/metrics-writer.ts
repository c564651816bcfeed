/**
 * The OTLP metrics that rendering needs, written forward into one buffer. What all events have in common (names, units, most attributes) is
 * encoded once, and the length of a message is known before it is written, so that nothing is moved.
 */
import { encodeAttribute } from '../attribute.js'
import { HISTOGRAM_POINT, METRIC, METRIC_DATA, NUMBER_POINT, SCOPE_GROUP } from '../fields.js'
import { sizeOfHeader, Writer } from '../wire.js'
import type { Interval, Summing } from './cumulative.js'
import type { Latency } from './event.js'
import { beginGroup, endGroup } from './otlp.js'

/** An attribute of points. */
export interface Label {
  /** Body of its KeyValue. */
  readonly body: Uint8Array
  /** Part of the name of a series: no other attribute has the same. */
  readonly text: string
}

export const label = (key: string, value: string | boolean): Label => ({
  body: encodeAttribute(key, value),
  text: JSON.stringify([key, value]),
})

/** Labels of one key whose values are known beforehand: each is encoded once, and others when they come. */
export const labelsOf = (key: string, values: readonly string[]): ((value: string) => Label) => {
  const known = new Map(values.map(value => [value, label(key, value)]))
  return value => known.get(value) ?? label(key, value)
}

export interface Metric {
  readonly name: string
  readonly kind: 'gauge' | 'sum' | 'histogram'
  /** Name and unit, encoded. */
  readonly head: Uint8Array
  /** What follows the points, by temporality; equally long. */
  readonly delta: Uint8Array
  readonly cumulative: Uint8Array
}

/** AggregationTemporality. */
const DELTA = 1
const CUMULATIVE = 2

const metric = (kind: Metric['kind'], name: string, unit: string): Metric => {
  const tail = (temporality: number) => {
    const writer = new Writer(4)
    if (kind !== 'gauge') writer.uint(METRIC_DATA.temporality, temporality)
    if (kind === 'sum') writer.uint(METRIC_DATA.isMonotonic, 1)
    return writer.finish()
  }
  const head = new Writer(64).string(METRIC.name, name).string(METRIC.unit, unit).finish()
  return { name, kind, head, delta: tail(DELTA), cumulative: tail(CUMULATIVE) }
}
export const gauge = (name: string, unit: string): Metric => metric('gauge', name, unit)
export const sum = (name: string, unit: string): Metric => metric('sum', name, unit)
export const histogram = (name: string, unit: string): Metric => metric('histogram', name, unit)

export interface Point {
  /** Undefined: not known, and no point. */
  readonly value: number | undefined
  readonly labels: readonly Label[]
}

/** What all points of one event share. */
export interface Origin {
  readonly resource: Uint8Array
  /** On each point too: many backends keep a resource's attributes apart from its series. */
  readonly workload: Label
  readonly window: Interval
  /** When given, sums and histograms are written as running totals. */
  readonly sums: Summing | undefined
}

/** A field of eight bytes with a number below 16. */
const FIXED_FIELD = 9
const sizeOfField = (number: number, length: number): number => sizeOfHeader(number, length) + length

/** Appends the ResourceMetrics of one event; nothing when it has no points. */
export class MetricsWriter {
  points = 0
  /** Start and time of every point that is no total. */
  private readonly times: Uint8Array

  constructor(
    private readonly writer: Writer,
    private readonly origin: Origin,
  ) {
    const { start, end } = origin.window
    this.times = new Writer(2 * FIXED_FIELD).millis(NUMBER_POINT.startTime, start).millis(NUMBER_POINT.time, end).finish()
  }

  finish(): void {
    if (this.points > 0) endGroup(this.writer)
  }

  /** A gauge or a sum. */
  numbers(metric: Metric, points: readonly Point[]): void {
    let size = 0
    for (const { value, labels } of points) if (value !== undefined) size += sizeOfField(METRIC_DATA.dataPoints, this.sizeOfNumber(labels))
    if (size === 0) return
    this.begin(metric, size)
    for (const { value, labels } of points) if (value !== undefined) this.number(metric, value, labels)
    this.end(metric)
  }

  /** A histogram of one point. */
  latency(metric: Metric, { count, sum, bounds, bucketCounts }: Latency, labels: readonly Label[]): void {
    const { sums, window } = this.origin
    this.begin(metric, sizeOfField(METRIC_DATA.dataPoints, this.sizeOfHistogram(bounds, bucketCounts, labels)))
    const total = sums?.(this.series(metric, labels), window, [count, sum, ...bucketCounts], bounds)
    if (total) {
      const [totalCount = 0, totalSum = 0, ...totalCounts] = total.values
      this.histogram(total, totalCount, totalSum, bounds, totalCounts, labels)
    } else this.histogram(window, count, sum, bounds, bucketCounts, labels)
    this.end(metric)
  }

  /** `size`: of the points, headers included. */
  private begin({ kind, head, delta }: Metric, size: number): void {
    const { writer } = this
    if (this.points === 0) beginGroup(writer, this.origin.resource)
    const data = size + delta.length
    writer.header(SCOPE_GROUP.items, head.length + sizeOfField(METRIC[kind], data)).raw(head)
    writer.header(METRIC[kind], data)
  }

  private end({ delta, cumulative }: Metric): void {
    this.writer.raw(this.origin.sums ? cumulative : delta)
  }

  private number(metric: Metric, value: number, labels: readonly Label[]): void {
    const { sums, window } = this.origin
    const total = metric.kind === 'sum' ? sums?.(this.series(metric, labels), window, [value]) : undefined
    this.writer.header(METRIC_DATA.dataPoints, this.sizeOfNumber(labels))
    this.interval(total ?? window)
    this.writer.double(NUMBER_POINT.asDouble, total?.values[0] ?? value)
    this.attributes(NUMBER_POINT.attributes, labels)
    this.points++
  }

  /** Counts on the wire are whole; the count is that of the buckets, as OTLP demands. */
  private histogram(
    over: Interval,
    count: number,
    sum: number,
    bounds: readonly number[],
    counts: readonly number[],
    labels: readonly Label[],
  ): void {
    let whole = counts.length > 0 ? 0 : Math.round(count)
    for (const each of counts) whole += Math.round(each)
    const { writer } = this
    writer.header(METRIC_DATA.dataPoints, this.sizeOfHistogram(bounds, counts, labels))
    this.interval(over)
    writer.count(HISTOGRAM_POINT.count, whole).double(HISTOGRAM_POINT.sum, sum)
    writer.header(HISTOGRAM_POINT.bucketCounts, counts.length * 8)
    for (const each of counts) writer.countValue(Math.round(each))
    writer.doubles(HISTOGRAM_POINT.explicitBounds, bounds)
    this.attributes(HISTOGRAM_POINT.attributes, labels)
    this.points++
  }

  /** Start and time; both kinds of points number them alike. */
  private interval(over: Interval): void {
    if (over === this.origin.window) this.writer.raw(this.times)
    else this.writer.millis(NUMBER_POINT.startTime, over.start).millis(NUMBER_POINT.time, over.end)
  }

  private attributes(number: number, labels: readonly Label[]): void {
    this.writer.bytes(number, this.origin.workload.body)
    for (const { body } of labels) this.writer.bytes(number, body)
  }

  private sizeOfNumber(labels: readonly Label[]): number {
    return 3 * FIXED_FIELD + this.sizeOfAttributes(labels)
  }

  private sizeOfHistogram(bounds: readonly number[], counts: readonly number[], labels: readonly Label[]): number {
    const packed =
      sizeOfField(HISTOGRAM_POINT.bucketCounts, counts.length * 8) + sizeOfField(HISTOGRAM_POINT.explicitBounds, bounds.length * 8)
    return 4 * FIXED_FIELD + packed + this.sizeOfAttributes(labels)
  }

  private sizeOfAttributes(labels: readonly Label[]): number {
    let size = sizeOfField(NUMBER_POINT.attributes, this.origin.workload.body.length)
    for (const { body } of labels) size += sizeOfField(NUMBER_POINT.attributes, body.length)
    return size
  }

  private series({ name }: Metric, labels: readonly Label[]): string {
    let series = name + this.origin.workload.text
    for (const { text } of labels) series += text
    return series
  }
}
