/**
 * Exponential histograms as native histograms: bucket i of OTLP holds (base^i, base^(i+1)], of Prometheus (base^(i-1), base^i].
 * Source: prometheus/prometheus prompb/types.proto, Histogram; OpenTelemetry specification, compatibility/prometheus_and_openmetrics.md, "Exponential Histograms".
 */
import type { BucketsView, ExponentialPointView } from '../../proto/views/histograms.js'
import { Writer } from '../../proto/wire.js'

const HISTOGRAM = {
  count: 1,
  sum: 3,
  schema: 4,
  zeroThreshold: 5,
  zeroCount: 6,
  negative: { spans: 8, deltas: 9 },
  positive: { spans: 11, deltas: 12 },
} as const
const SPAN = { offset: 1, length: 2 } as const
export const FINEST = 8
export const COARSEST = -4
/** Breadth of the zero bucket where the point names none: as OpenTelemetry's own translation has it. */
const ZERO_THRESHOLD = 1e-128
/** Empty buckets between two that are written, up to which they are written too: a new span takes more. */
const WIDEST_GAP = 2

const STALE = 0x7ff0_0000_0000_0002n

const zigzag = (value: number): number => (value >= 0 ? value * 2 : -value * 2 - 1)

/** Body of a Histogram but for its times. Undefined when the buckets are coarser than Prometheus knows. Throws WireError. */
export const nativeOf = (point: ExponentialPointView): Uint8Array | undefined => {
  const { scale } = point
  if (scale < COARSEST) return undefined
  const coarser = Math.max(0, scale - FINEST)
  const writer = new Writer(256)
  writer.uint(HISTOGRAM.count, point.count).double(HISTOGRAM.sum, Number.isNaN(point.sum) ? 0 : point.sum)
  writer.uint(HISTOGRAM.schema, zigzag(scale - coarser))
  writer.double(HISTOGRAM.zeroThreshold, point.zeroThreshold || ZERO_THRESHOLD).uint(HISTOGRAM.zeroCount, point.zeroCount)
  writeSide(writer, point.negative, coarser, HISTOGRAM.negative)
  writeSide(writer, point.positive, coarser, HISTOGRAM.positive)
  return writer.finish()
}

/** What ends a series of native histograms. */
export const staleNative = (): Uint8Array =>
  new Writer(24).uint(HISTOGRAM.count, 0).fixed64(HISTOGRAM.sum, STALE).uint(HISTOGRAM.zeroCount, 0).finish()

/** `coarser`: 2^coarser buckets become one. */
const writeSide = (writer: Writer, buckets: BucketsView, coarser: number, fields: { spans: number; deltas: number }): void => {
  const spans: { offset: number; length: number }[] = []
  const deltas = new Writer(64)
  let last = 0
  let before = 0
  const append = (count: number): void => {
    spans.at(-1)!.length++
    deltas.varintValue(zigzag(count - before))
    before = count
  }
  const close = (index: number, count: number): void => {
    if (count === 0) return
    const gap = index - last - 1
    if (spans.length === 0) spans.push({ offset: index, length: 0 })
    else if (gap > WIDEST_GAP) spans.push({ offset: gap, length: 0 })
    else for (let i = 0; i < gap; i++) append(0)
    append(count)
    last = index
  }
  let index = 0
  let count = 0
  for (let i = 0; i < buckets.length; i++) {
    const next = ((buckets.offset + i) >> coarser) + 1
    if (i > 0 && next !== index) {
      close(index, count)
      count = 0
    }
    index = next
    count += buckets.count(i)
  }
  close(index, count)
  for (const { offset, length } of spans)
    writer.message(fields.spans, span => span.uint(SPAN.offset, zigzag(offset)).uint(SPAN.length, length))
  if (deltas.length > 0) writer.bytes(fields.deltas, deltas.finish())
}
