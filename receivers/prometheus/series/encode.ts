/**
 * Families as ResourceMetrics, written straight into bytes: sizes are summed first, so that nothing is moved or grown afterwards.
 * Field numbers: opentelemetry/proto/metrics/v1/metrics.proto.
 */
import type { ExemplarText } from '../../../proto/exposition/exemplar.js'
import { sizeOfHeader, sizeOfVarint, Writer } from '../../../proto/wire.js'
import type { Turns } from '../turns.js'
import { writeAttribute } from './origin.js'
import type { Bound, Family, Kind, Point } from './point.js'
import { unitOf } from './units.js'

const METRIC = { name: 1, description: 2, unit: 3, metadata: 12 } as const
const DATA: Readonly<Record<Kind, number>> = { gauge: 5, sum: 7, histogram: 9, summary: 11 }
const CUMULATIVE = 2
const NO_RECORDED_VALUE = 1
/** A fixed64 or double with a one-byte tag; `flags` 1. */
const FIXED = 9
const FLAGS = 2

/** {name, description, unit, metadata `prometheus.type`}, cached until help or unit change. */
const headOf = (family: Family): Uint8Array => {
  const { metadata } = family
  if (family.headVersion !== metadata.version) {
    const writer = new Writer()
    writer.string(METRIC.name, family.name)
    if (metadata.help !== '') writer.string(METRIC.description, metadata.help)
    const unit = unitOf(family.name, metadata.unit)
    if (unit !== '') writer.string(METRIC.unit, unit)
    writeAttribute(writer, METRIC.metadata, 'prometheus.type', metadata.type)
    family.head = writer.finish()
    family.headVersion = metadata.version
  }
  return family.head
}

/** What stands behind the points of a Sum or Histogram: temporality, and whether it only rises. */
const sizeOfTail = (family: Family): number => (family.kind === 'sum' ? (family.monotonic ? 4 : 2) : family.kind === 'histogram' ? 2 : 0)
export const writeFamilyTail = (writer: Writer, family: Family): void => {
  if (family.kind === 'sum' || family.kind === 'histogram') writer.uint(2, CUMULATIVE)
  if (family.kind === 'sum' && family.monotonic) writer.uint(3, 1)
}

export interface MetricSize {
  readonly metric: number
  readonly data: number
}

/** Bytes of the Metric's body and of its `data`'s body. */
export const measureFamily = async (family: Family, scrape: number, turns: Turns): Promise<MetricSize> => {
  let data = sizeOfTail(family)
  const add = (size: number): void => {
    data += 1 + sizeOfVarint(size) + size
  }
  await turns.each(family.present, point => add(sizeOfPoint(point, scrape)))
  await turns.each(family.gone, point => add(sizeOfGone(point)))
  return { metric: headOf(family).length + sizeOfHeader(DATA[family.kind], data) + data, data }
}

/** The head of the Metric; its points, then `writeFamilyTail`, follow. */
export const writeFamilyHead = (writer: Writer, family: Family, size: MetricSize): void => {
  writer.header(2, size.metric).raw(headOf(family)).header(DATA[family.kind], size.data)
}

const sizeOfStart = (point: Point): number => (Number.isNaN(point.since) ? 0 : FIXED)
const sizeOfExemplars = (point: Point): number => point.exemplars?.reduce((sum, { length }) => sum + length, 0) ?? 0

const sizeOfPoint = (point: Point, scrape: number): number => {
  const { kind } = point.family
  if (kind === 'gauge' || kind === 'sum') return sizeOfStart(point) + FIXED + FIXED + point.bytes.length + sizeOfExemplars(point)
  const summed = point.summed === scrape ? FIXED : 0
  const bounds = countBounds(point)
  const shared = sizeOfStart(point) + FIXED + FIXED + summed + point.bytes.length + sizeOfExemplars(point)
  if (kind === 'summary') return shared + bounds * (2 + FIXED + FIXED)
  if (!point.bounds?.length) return shared
  const counts = 8 * (bounds + 1)
  return shared + sizeOfHeader(6, counts) + counts + (bounds > 0 ? sizeOfHeader(7, 8 * bounds) + 8 * bounds : 0)
}

/** A quantile without a value is left out, and the bucket of everything is not written as a bound. */
const isWritten = ({ bound, value }: Bound, kind: Kind): boolean =>
  kind === 'summary' ? !Number.isNaN(value) : bound !== Number.POSITIVE_INFINITY
const countBounds = (point: Point): number => {
  let count = 0
  for (const each of point.bounds ?? []) if (isWritten(each, point.family.kind)) count++
  return count
}

/** One data point with its tag and length. */
export const writePoint = (writer: Writer, point: Point, scrape: number): void => {
  const { kind } = point.family
  writer.header(1, sizeOfPoint(point, scrape))
  if (!Number.isNaN(point.since)) writer.millis(2, point.since)
  writer.millis(3, point.lastTime)
  if (kind === 'gauge' || kind === 'sum') writer.double(4, point.value)
  else {
    writer.count(4, Math.floor(point.value))
    if (point.summed === scrape) writer.double(5, point.sum)
    if (kind === 'histogram') writeBuckets(writer, point)
    else writeQuantiles(writer, point)
  }
  if (point.exemplars) for (const exemplar of point.exemplars) writer.raw(exemplar)
  writer.raw(point.bytes)
}

/** Cumulative counts become counts of their own; the last bucket is what `_count` has beyond them. */
const writeBuckets = (writer: Writer, point: Point): void => {
  const count = countBounds(point)
  if (!point.bounds?.length) return
  writer.header(6, 8 * (count + 1))
  let before = 0
  for (const each of point.bounds ?? []) {
    if (!isWritten(each, 'histogram')) continue
    const value = Math.floor(each.value)
    writer.countValue(value - before)
    before = value
  }
  writer.countValue(Math.floor(point.value) - before)
  if (count === 0) return
  writer.header(7, 8 * count)
  for (const each of point.bounds ?? []) if (isWritten(each, 'histogram')) writer.doubleValue(each.bound)
}

const writeQuantiles = (writer: Writer, point: Point): void => {
  for (const each of point.bounds ?? [])
    if (isWritten(each, 'summary'))
      writer
        .header(6, FIXED + FIXED)
        .double(1, each.bound)
        .double(2, each.value)
}

const sizeOfGone = (point: Point): number => sizeOfStart(point) + FIXED + point.bytes.length + FLAGS

/** A point that says: no value from this time on. */
export const writeGone = (writer: Writer, point: Point, time: number): void => {
  writer.header(1, sizeOfGone(point))
  if (!Number.isNaN(point.since)) writer.millis(2, point.since)
  writer.millis(3, Math.max(time, point.lastTime)).raw(point.bytes)
  writer.uint(point.family.kind === 'histogram' ? 10 : 8, NO_RECORDED_VALUE)
}

/** Exemplar {2 time, 3 double, 4 span_id, 5 trace_id, 7 filtered_attributes} with its tag and length; an id of a foreign width stays an attribute. */
export const encodeExemplar = ({ labels, value, timestamp }: ExemplarText, kind: Kind, scrapeTime: number): Uint8Array => {
  const writer = new Writer()
  writer.message(kind === 'histogram' ? 8 : 5, exemplar => {
    exemplar.millis(2, timestamp ?? scrapeTime).double(3, value)
    for (const label of labels) {
      if (isId(label.name, label.value, 'span_id', 16)) exemplar.bytes(4, Buffer.from(label.value, 'hex'))
      else if (isId(label.name, label.value, 'trace_id', 32)) exemplar.bytes(5, Buffer.from(label.value, 'hex'))
      else if (label.value !== '') writeAttribute(exemplar, 7, label.name, label.value)
    }
  })
  return writer.finish()
}

const isId = (name: string, value: string, wanted: string, digits: number): boolean =>
  name.toLowerCase() === wanted && value.length === digits && /^[0-9a-f]+$/i.test(value) && !/^0+$/.test(value)
