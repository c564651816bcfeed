/**
 * Deltas summed up per series, for backends that want cumulative temporality. A pure brick: an exporter that says `temporality: cumulative`
 * passes each batch of metrics through one `CumulativeSums`, once, before it may be repeated.
 *
 * A new epoch (the task behind the join began anew) is a new start time for every series: windows that are sent again after a crash begin a
 * new sum instead of counting twice in the old one.
 */
import type { Batch, Group } from '../batch.js'
import { GROUP, HISTOGRAM_POINT, METRIC, METRIC_DATA, NUMBER_POINT, SCOPE_GROUP } from '../fields.js'
import { HistogramPointView } from '../views/histograms.js'
import { TEMPORALITY } from '../views/metrics.js'
import { NumberPointView } from '../views/points.js'
import { Fields, Writer } from '../wire.js'

interface Series {
  readonly epoch: string
  readonly start: bigint
  /** One number; or sum and count of each bucket. */
  readonly sums: Float64Array
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

export class CumulativeSums {
  /** In the order in which they were last moved. */
  private readonly series = new Map<string, Series>()
  private readonly number = new NumberPointView()
  private readonly histogram = new HistogramPointView()
  private epoch = ''

  /** `maxSeries`: beyond it the series that moved longest ago are forgotten; if they move again they start anew. */
  constructor(private readonly maxSeries = 100_000) {}

  /** The same metrics with delta sums and histograms made cumulative; other metrics and other signals as they are. Throws WireError. */
  apply(batch: Batch): Batch {
    if (batch.signal !== 'metrics') return batch
    this.epoch = batch.metadata.epoch ?? ''
    return batch.withGroups(batch.groups.map(group => this.group(group)))
  }

  get size(): number {
    return this.series.size
  }

  private group(group: Group): Group {
    const out = new Writer(group.rest.length + 64)
    const resource = latin1(group.resource)
    const scopes = new Fields(group.rest)
    const metrics = new Fields()
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) {
        out.raw(scopes.bytes, scopes.tagStart, scopes.end)
        continue
      }
      out.begin(GROUP.scopes, scopes.end - scopes.start)
      metrics.enter(scopes)
      while (metrics.next()) {
        if (metrics.number === SCOPE_GROUP.items) this.metric(metrics, resource, out)
        else out.raw(metrics.bytes, metrics.tagStart, metrics.end)
      }
      out.end()
    }
    return group.withRest(out.finish())
  }

  private metric(metric: Fields, resource: string, out: Writer): void {
    const fields = new Fields().enter(metric)
    let name = ''
    while (fields.next()) if (fields.number === METRIC.name) name = fields.string()
    out.begin(SCOPE_GROUP.items, metric.end - metric.start)
    fields.enter(metric)
    while (fields.next()) {
      const summed = fields.number === METRIC.sum || fields.number === METRIC.histogram
      if (summed && isMonotonicDelta(fields)) this.data(fields, `${resource}\0${name}`, out)
      else out.raw(fields.bytes, fields.tagStart, fields.end)
    }
    out.end()
  }

  private data(data: Fields, metric: string, out: Writer): void {
    const fields = new Fields().enter(data)
    out.begin(data.number, data.end - data.start)
    while (fields.next()) {
      if (fields.number === METRIC_DATA.dataPoints) {
        out.begin(METRIC_DATA.dataPoints, fields.end - fields.start)
        if (data.number === METRIC.sum) this.numberPoint(fields, metric, out)
        else this.histogramPoint(fields, metric, out)
        out.end()
      } else if (fields.number === METRIC_DATA.temporality) out.uint(METRIC_DATA.temporality, TEMPORALITY.cumulative)
      else out.raw(fields.bytes, fields.tagStart, fields.end)
    }
    out.end()
  }

  private numberPoint(field: Fields, metric: string, out: Writer): void {
    const view = this.number.read(field.bytes, field.start, field.end)
    const { startNanos, value } = view
    const series = this.move(metric, field, NUMBER_POINT.attributes, startNanos, Float64Array.of(value))
    copyWithout(field, [NUMBER_POINT.startTime, NUMBER_POINT.asDouble, NUMBER_POINT.asInt], out)
    out.fixed64(NUMBER_POINT.startTime, series.start).double(NUMBER_POINT.asDouble, series.sums[0]!)
  }

  private histogramPoint(field: Fields, metric: string, out: Writer): void {
    const view = this.histogram.read(field.bytes, field.start, field.end)
    const { startNanos, bucketLength } = view
    const counts = Array.from({ length: bucketLength }, (_, i) => view.bucketCount(i))
    const bounds = Array.from({ length: view.boundLength }, (_, i) => view.bound(i))
    const series = this.move(
      `${metric}\0${bounds.join()}`,
      field,
      HISTOGRAM_POINT.attributes,
      startNanos,
      Float64Array.of(view.sum, view.count, ...counts),
    )
    const [sum = 0, count = 0, ...buckets] = series.sums
    // Extremes of one window say nothing of the whole.
    const { startTime, sum: sumField, count: countField, bucketCounts, min, max } = HISTOGRAM_POINT
    copyWithout(field, [startTime, sumField, countField, bucketCounts, min, max], out)
    out.fixed64(startTime, series.start).fixed64(countField, BigInt(count))
    if (!Number.isNaN(sum)) out.double(sumField, sum)
    const packed = new DataView(new ArrayBuffer(buckets.length * 8))
    buckets.forEach((bucket, i) => {
      packed.setBigUint64(i * 8, BigInt(bucket), true)
    })
    out.bytes(bucketCounts, new Uint8Array(packed.buffer))
  }

  /** Adds amounts to the series of these attributes. */
  private move(metric: string, point: Fields, attributes: number, start: bigint, amounts: Float64Array): Series {
    const fields = new Fields().enter(point)
    let key = metric
    while (fields.next()) if (fields.number === attributes) key += `\0${latin1(fields.view())}`
    const before = this.series.get(key)
    const goesOn = before?.epoch === this.epoch && before.sums.length === amounts.length
    const series = {
      epoch: this.epoch,
      start: goesOn ? before.start : start,
      sums: goesOn ? before.sums.map((sum, i) => sum + amounts[i]!) : amounts,
    }
    this.series.delete(key)
    this.series.set(key, series)
    if (this.series.size > this.maxSeries) this.series.delete(this.series.keys().next().value ?? '')
    return series
  }
}

const isMonotonicDelta = (data: Fields): boolean => {
  const fields = new Fields().enter(data)
  let delta = false
  let monotonic = data.number === METRIC.histogram
  while (fields.next()) {
    if (fields.number === METRIC_DATA.temporality) delta = fields.int() === TEMPORALITY.delta
    else if (fields.number === METRIC_DATA.isMonotonic && data.number === METRIC.sum) monotonic = fields.uint() !== 0
  }
  return delta && monotonic
}

/** The message's fields but those of these numbers. */
const copyWithout = (message: Fields, numbers: readonly number[], out: Writer): void => {
  const fields = new Fields().enter(message)
  while (fields.next()) if (!numbers.includes(fields.number)) out.raw(fields.bytes, fields.tagStart, fields.end)
}
