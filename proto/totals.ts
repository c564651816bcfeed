/**
 * Delta sums and histograms of a batch as running totals, for backends that take cumulative series only. Everything else of the batch is shared
 * or copied as it is, unknown fields included; a batch without deltas is handed back itself.
 */
import type { Batch, Group } from './batch.js'
import { RunningSums, type SumLimits } from './events/cumulative.js'
import { GROUP, HISTOGRAM_POINT, METRIC_DATA, NUMBER_POINT, SCOPE_GROUP } from './fields.js'
import { HistogramPointView } from './views/histograms.js'
import { EXPONENTIAL_HISTOGRAM, HISTOGRAM, MetricCursor, MetricView, SUM, TEMPORALITY } from './views/metrics.js'
import { NumberPointView, type PointView } from './views/points.js'
import { BYTES, Fields, Writer } from './wire.js'

/** Why a delta is left out: a later one of its series is summed already; nobody adds exponential histograms up here; it says nothing. */
export type NotSummed = 'late_delta' | 'delta_exponential_histogram' | 'no_value'

const REPLACED_IN_NUMBER: ReadonlySet<number> = new Set([
  NUMBER_POINT.startTime,
  NUMBER_POINT.time,
  NUMBER_POINT.asDouble,
  NUMBER_POINT.asInt,
])
/** `min` and `max` are those of one interval: a total has none. */
const REPLACED_IN_HISTOGRAM: ReadonlySet<number> = new Set([
  HISTOGRAM_POINT.startTime,
  HISTOGRAM_POINT.time,
  HISTOGRAM_POINT.count,
  HISTOGRAM_POINT.sum,
  HISTOGRAM_POINT.bucketCounts,
  HISTOGRAM_POINT.min,
  HISTOGRAM_POINT.max,
])

const isDelta = ({ kind, temporality }: MetricView): boolean =>
  temporality === TEMPORALITY.delta && (kind === SUM || kind === HISTOGRAM || kind === EXPONENTIAL_HISTOGRAM)

export class Totals {
  private readonly sums: RunningSums
  private readonly cursor = new MetricCursor()
  private readonly metric = new MetricView()
  private readonly number = new NumberPointView()
  private readonly histogram = new HistogramPointView()

  /** `refused` learns of every point that is left out. */
  constructor(
    limits: Pick<SumLimits, 'series' | 'silence'>,
    private readonly refused: (reason: NotSummed) => void,
  ) {
    this.sums = new RunningSums({ ...limits, events: 0 })
  }

  /** A batch that is handed over again (its delivery failed) adds nothing. Throws WireError. */
  of(batch: Batch): Batch {
    let left = 0
    const groups = batch.groups.map(group => {
      if (!this.hasDeltas(group)) return group
      const writer = new Writer(group.rest.length + 64)
      left += this.writeGroup(writer, group)
      return group.withRest(writer.finish())
    })
    return groups.some((group, index) => group !== batch.groups[index]) ? batch.withGroups(groups, batch.items - left) : batch
  }

  private hasDeltas(group: Group): boolean {
    this.cursor.over(group.rest)
    while (this.cursor.next()) if (isDelta(this.cursor.metric)) return true
    return false
  }

  /** Points left out. */
  private writeGroup(writer: Writer, group: Group): number {
    let left = 0
    const from = textOf(group.resource)
    const fields = new Fields(group.rest)
    while (fields.next()) {
      if (fields.number !== GROUP.scopes) {
        writer.raw(fields.bytes, fields.tagStart, fields.end)
        continue
      }
      writer.begin(GROUP.scopes, fields.end - fields.start)
      const inner = new Fields().enter(fields)
      let scope = ''
      while (inner.next()) {
        if (inner.number === SCOPE_GROUP.scope) scope = textOf(inner.view())
        if (inner.number !== SCOPE_GROUP.items || !isDelta(this.metric.read(inner.bytes, inner.start, inner.end)))
          writer.raw(inner.bytes, inner.tagStart, inner.end)
        else left += this.writeMetric(writer, inner, `${from}\0${scope}\0${this.metric.kind}\0${this.metric.name()}`)
      }
      writer.end()
    }
    return left
  }

  private writeMetric(writer: Writer, metric: Fields, name: string): number {
    let left = 0
    const { kind } = this.metric
    writer.begin(SCOPE_GROUP.items, metric.end - metric.start)
    const fields = new Fields().enter(metric)
    const data = new Fields()
    while (fields.next()) {
      if (fields.number !== kind) {
        writer.raw(fields.bytes, fields.tagStart, fields.end)
        continue
      }
      writer.begin(kind, fields.end - fields.start)
      data.enter(fields)
      while (data.next()) {
        if (data.number === METRIC_DATA.dataPoints) left += this.writePoint(writer, data, kind, name)
        else if (data.number !== METRIC_DATA.temporality) writer.raw(data.bytes, data.tagStart, data.end)
      }
      writer.uint(METRIC_DATA.temporality, TEMPORALITY.cumulative).end()
    }
    writer.end()
    return left
  }

  private writePoint(writer: Writer, field: Fields, kind: number, metric: string): number {
    field.expect(BYTES)
    if (kind === EXPONENTIAL_HISTOGRAM) return this.refuse('delta_exponential_histogram')
    const point = (kind === SUM ? this.number : this.histogram).read(field.bytes, field.start, field.end)
    if (point.noRecordedValue) {
      writer.raw(field.bytes, field.tagStart, field.end)
      return 0
    }
    const name = `${metric}\0${attributesOf(point)}`
    return point instanceof NumberPointView
      ? this.writeNumber(writer, point, name)
      : this.writeHistogram(writer, point as HistogramPointView, name)
  }

  private writeNumber(writer: Writer, point: NumberPointView, name: string): number {
    if (!point.hasValue) return this.refuse('no_value')
    const total = this.sums.point(name, { start: point.startTime || point.time, end: point.time }, [point.value])
    if (total.late) return this.refuse('late_delta')
    begin(writer, point, REPLACED_IN_NUMBER)
    const value = total.values[0]!
    writer.millis(NUMBER_POINT.startTime, total.start).millis(NUMBER_POINT.time, total.end)
    if (point.isInt && Number.isSafeInteger(value)) writer.fixed64(NUMBER_POINT.asInt, BigInt(value))
    else writer.double(NUMBER_POINT.asDouble, value)
    writer.end()
    return 0
  }

  private writeHistogram(writer: Writer, point: HistogramPointView, name: string): number {
    const summed = !Number.isNaN(point.sum)
    const values = [summed ? point.sum : 0, point.count]
    const bounds: number[] = []
    for (let i = 0; i < point.bucketLength; i++) values.push(point.bucketCount(i))
    for (let i = 0; i < point.boundLength; i++) bounds.push(point.bound(i))
    // A sum that is there in some intervals only is no total: such points are series of their own.
    const over = { start: point.startTime || point.time, end: point.time }
    const total = this.sums.point(summed ? name : `${name}\0no sum`, over, values, bounds)
    if (total.late) return this.refuse('late_delta')
    begin(writer, point, REPLACED_IN_HISTOGRAM)
    const [sum, count, ...counts] = total.values
    writer.millis(HISTOGRAM_POINT.startTime, total.start).millis(HISTOGRAM_POINT.time, total.end).count(HISTOGRAM_POINT.count, count!)
    if (summed) writer.double(HISTOGRAM_POINT.sum, sum!)
    if (counts.length > 0) writer.header(HISTOGRAM_POINT.bucketCounts, counts.length * 8)
    for (const each of counts) writer.countValue(each)
    writer.end()
    return 0
  }

  private refuse(reason: NotSummed): 1 {
    this.refused(reason)
    return 1
  }
}

/** The point but for `replaced`; what replaces them follows, then `end`. */
const begin = (writer: Writer, point: PointView, replaced: ReadonlySet<number>): void => {
  writer.begin(METRIC_DATA.dataPoints, point.end - point.start)
  const fields = new Fields(point.bytes, point.start, point.end)
  while (fields.next()) if (!replaced.has(fields.number)) writer.raw(fields.bytes, fields.tagStart, fields.end)
}

/** One character a byte: a name that only equal bytes have. */
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

const attributesOf = ({ attributes }: PointView): string => {
  let text = ''
  for (let index = 0; index < attributes.length; index++) {
    const body = textOf(attributes.keyValue(index))
    text += `${body.length}\0${body}`
  }
  return text
}
