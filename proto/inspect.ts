/**
 * The check at the door: counts items and proves that the bytes are well-formed protobuf from the request down to an item's own fields.
 * What lies deeper (attributes, events, exemplars) stays unread here and is checked by whoever reads it.
 *
 * One table per message says, for each tag, what may follow. A message is entered only where its table says so, so the depth is bounded by
 * the tables whatever the bytes say.
 */
import type { Signal } from './batch.js'
import {
  EXPONENTIAL_POINT,
  GROUP,
  HISTOGRAM_POINT,
  LOG_RECORD,
  METRIC,
  METRIC_DATA,
  NUMBER_POINT,
  REQUEST,
  SCOPE_GROUP,
  SPAN,
  SUMMARY_POINT,
} from './fields.js'
import { afterVarint, BYTES, FIXED32, FIXED64, VARINT, varintAt, WireError } from './wire.js'

/** What to do with the value behind a tag. */
const STEP_VARINT = 0
const STEP_FIXED64 = 1
const STEP_FIXED32 = 2
const STEP_BYTES = 3
const ENTER = 4
const COUNT = 5
const ID_16 = 6
const ID_8 = 7
const REFUSE = 8

/** By wire type: what to do with a field nobody knows. Groups (3, 4) and the unassigned types 6 and 7 are refused. */
const UNKNOWN = [STEP_VARINT, STEP_FIXED64, STEP_BYTES, REFUSE, REFUSE, STEP_FIXED32, REFUSE, REFUSE] as const

/** `item`: a message that is counted and stepped over. A Shape: a message that is entered. */
type FieldKind = 'varint' | 'fixed64' | 'fixed32' | 'bytes' | 'packed fixed64' | 'trace id' | 'span id' | 'item' | Shape

/** Wire types a field may have, and what to do with it when it is length-delimited. Packed numbers may also come one by one. */
const FIELD_KINDS: Record<Exclude<FieldKind, Shape>, { types: readonly number[]; bytes: number }> = {
  varint: { types: [VARINT], bytes: REFUSE },
  fixed64: { types: [FIXED64], bytes: REFUSE },
  fixed32: { types: [FIXED32], bytes: REFUSE },
  bytes: { types: [BYTES], bytes: STEP_BYTES },
  'packed fixed64': { types: [BYTES, FIXED64], bytes: STEP_BYTES },
  'trace id': { types: [BYTES], bytes: ID_16 },
  'span id': { types: [BYTES], bytes: ID_8 },
  item: { types: [BYTES], bytes: COUNT },
}

/** Tags below this (field numbers below 32) are looked up; no OTLP message has a known field beyond. */
const TABLE_SIZE = 256

/** What the door expects of one message. */
class Shape {
  /** By tag (number and wire type): what to do. An unknown number may have any wire type. */
  readonly actions = new Uint8Array(TABLE_SIZE)
  readonly children: (Shape | undefined)[] = new Array(TABLE_SIZE).fill(undefined)

  constructor(
    readonly name: string,
    /** Counted when entered. */
    readonly isItem: boolean,
    fields: Iterable<readonly [number, FieldKind]>,
  ) {
    for (let tag = 0; tag < TABLE_SIZE; tag++) this.actions[tag] = tag < 8 ? REFUSE : UNKNOWN[tag & 7]!
    for (const [number, kind] of fields) {
      const { types, bytes } = kind instanceof Shape ? { types: [BYTES], bytes: ENTER } : FIELD_KINDS[kind]
      for (let type = 0; type < 8; type++) if (!types.includes(type)) this.actions[number * 8 + type] = REFUSE
      this.actions[number * 8 + BYTES] = bytes
      if (kind instanceof Shape) this.children[number * 8 + BYTES] = kind
    }
  }
}

/** Every number of `numbers` is a `bytes` field unless `kinds` says otherwise. */
const shape = <Name extends string>(
  name: string,
  isItem: boolean,
  numbers: Record<Name, number>,
  kinds: Partial<Record<NoInfer<Name>, FieldKind>>,
) =>
  new Shape(
    name,
    isItem,
    (Object.keys(numbers) as Name[]).map(field => [numbers[field], kinds[field] ?? 'bytes'] as const),
  )

const span = shape('Span', true, SPAN, {
  traceId: 'trace id',
  spanId: 'span id',
  parentSpanId: 'span id',
  kind: 'varint',
  startTime: 'fixed64',
  endTime: 'fixed64',
  droppedAttributesCount: 'varint',
  droppedEventsCount: 'varint',
  droppedLinksCount: 'varint',
  flags: 'fixed32',
})
const logRecord = shape('LogRecord', true, LOG_RECORD, {
  time: 'fixed64',
  severityNumber: 'varint',
  droppedAttributesCount: 'varint',
  flags: 'fixed32',
  traceId: 'trace id',
  spanId: 'span id',
  observedTime: 'fixed64',
})
const numberPoint = shape('NumberDataPoint', true, NUMBER_POINT, {
  startTime: 'fixed64',
  time: 'fixed64',
  asDouble: 'fixed64',
  asInt: 'fixed64',
  flags: 'varint',
})
const histogramPoint = shape('HistogramDataPoint', true, HISTOGRAM_POINT, {
  startTime: 'fixed64',
  time: 'fixed64',
  count: 'fixed64',
  sum: 'fixed64',
  bucketCounts: 'packed fixed64',
  explicitBounds: 'packed fixed64',
  flags: 'varint',
  min: 'fixed64',
  max: 'fixed64',
})
const exponentialPoint = shape('ExponentialHistogramDataPoint', true, EXPONENTIAL_POINT, {
  startTime: 'fixed64',
  time: 'fixed64',
  count: 'fixed64',
  sum: 'fixed64',
  scale: 'varint',
  zeroCount: 'fixed64',
  flags: 'varint',
  min: 'fixed64',
  max: 'fixed64',
  zeroThreshold: 'fixed64',
})
const summaryPoint = shape('SummaryDataPoint', true, SUMMARY_POINT, {
  startTime: 'fixed64',
  time: 'fixed64',
  count: 'fixed64',
  sum: 'fixed64',
  flags: 'varint',
})

/** With `points` = 'item', data points are counted and not looked into. */
const metricOf = (points: 'checked' | 'item') => {
  const data = (name: string, point: Shape) =>
    shape(name, false, METRIC_DATA, { dataPoints: points === 'item' ? points : point, temporality: 'varint', isMonotonic: 'varint' })
  return shape('Metric', false, METRIC, {
    gauge: data('Gauge', numberPoint),
    sum: data('Sum', numberPoint),
    histogram: data('Histogram', histogramPoint),
    exponentialHistogram: data('ExponentialHistogram', exponentialPoint),
    summary: data('Summary', summaryPoint),
  })
}
const groupOf = (name: string, item: FieldKind) =>
  shape(`Resource${name}`, false, GROUP, { scopes: shape(`Scope${name}`, false, SCOPE_GROUP, { items: item }) })
const requestOf = (name: string, item: FieldKind) => shape('request', false, REQUEST, { groups: groupOf(name, item) })

const REQUESTS: Record<Signal, Shape | undefined> = {
  traces: requestOf('Spans', span),
  metrics: requestOf('Metrics', metricOf('checked')),
  logs: requestOf('Logs', logRecord),
  events: undefined,
}
const GROUPS_COUNTED: Record<Signal, Shape | undefined> = {
  traces: groupOf('Spans', 'item'),
  metrics: groupOf('Metrics', metricOf('item')),
  logs: groupOf('Logs', 'item'),
  events: undefined,
}

/**
 * Spans, data points or log records in an Export…ServiceRequest, all of it checked. Throws WireError, also for an id of a wrong length
 * (the empty id is legal). Not for `events`.
 */
export const inspect = (signal: Signal, request: Uint8Array): number => walk(request, 0, request.length, known(REQUESTS, signal))

/** Items in a group's `rest` (or in a whole ResourceSpans, ResourceMetrics, ResourceLogs body); items themselves stay unread. Throws WireError. */
export const countItems = (signal: Signal, groupRest: Uint8Array): number =>
  walk(groupRest, 0, groupRest.length, known(GROUPS_COUNTED, signal))

const known = (shapes: Record<Signal, Shape | undefined>, signal: Signal): Shape => {
  const found = shapes[signal]
  if (!found) throw new RangeError(`${signal} are no OTLP signal`)
  return found
}

/** One closed loop over local variables: it runs for every field of every item. */
const walk = (bytes: Uint8Array, start: number, limit: number, shape: Shape): number => {
  const { actions } = shape
  let items = shape.isItem ? 1 : 0
  let at = start
  while (at < limit) {
    const tagStart = at
    let tag = bytes[at++]!
    if (tag > 0x7f) {
      tag = varintAt(bytes, tagStart, limit)
      at = afterVarint(bytes, tagStart, limit)
    }
    const action = tag < TABLE_SIZE ? actions[tag]! : tag > 0xffff_ffff ? REFUSE : UNKNOWN[tag & 7]!
    if (action === STEP_VARINT) at = at < limit && bytes[at]! < 0x80 ? at + 1 : afterVarint(bytes, at, limit)
    else if (action === STEP_FIXED64) at += 8
    else if (action === STEP_FIXED32) at += 4
    else if (action === REFUSE) throw refusal(shape, tag, tagStart)
    else {
      let length = at < limit ? bytes[at]! : 0x80
      if (length < 0x80) at++
      else {
        length = varintAt(bytes, at, limit)
        at = afterVarint(bytes, at, limit)
      }
      const end = at + length
      if (action === STEP_BYTES) at = end
      else {
        if (end > limit) throw outside(shape, tagStart)
        if (action === ENTER) items += walk(bytes, at, end, shape.children[tag]!)
        else if (action === COUNT) items++
        else if (length !== 0 && length !== (action === ID_16 ? 16 : 8))
          throw new WireError(`${action === ID_16 ? 'trace' : 'span'} id of ${length} bytes in ${shape.name}`, tagStart)
        at = end
      }
    }
    if (at > limit) throw outside(shape, tagStart)
  }
  return items
}

const outside = (shape: Shape, at: number) => new WireError(`a field of ${shape.name} ends outside its message`, at)

const refusal = (shape: Shape, tag: number, at: number) => {
  const number = Math.floor(tag / 8)
  if (number === 0 || tag > 0xffff_ffff) return new WireError(`field number ${number} in ${shape.name}`, at)
  return new WireError(`field ${number} of ${shape.name} has wire type ${tag % 8}`, at)
}
