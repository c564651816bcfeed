/** What the OTLP/JSON codec knows of each message. A test holds it against proto/schema/opentelemetry.proto. */
import {
  ANY_VALUE as A,
  BUCKETS as B,
  METRIC_DATA as D,
  EXPONENTIAL_POINT as E,
  ENTITY_REF as ER,
  SPAN_EVENT as EV,
  GROUP,
  HISTOGRAM_POINT as H,
  KEY_VALUE as KV,
  LOG_RECORD as L,
  LINK as LK,
  METRIC as M,
  NUMBER_POINT as N,
  QUANTILE as Q,
  RESOURCE as R,
  REQUEST,
  SPAN as S,
  SCOPE as SC,
  SCOPE_GROUP as SG,
  SUMMARY_POINT as SP,
  STATUS as ST,
  VALUE_LIST as VL,
  EXEMPLAR as X,
} from '../fields.js'
import { BYTES, FIXED32, FIXED64, VARINT } from '../wire.js'

/** Wire type of each kind of value. `traceId` and `spanId` are bytes written as hex. */
export const WIRE_TYPES = {
  string: BYTES,
  bytes: BYTES,
  traceId: BYTES,
  spanId: BYTES,
  message: BYTES,
  bool: VARINT,
  int64: VARINT,
  uint64: VARINT,
  uint32: VARINT,
  sint32: VARINT,
  enum: VARINT,
  double: FIXED64,
  fixed64: FIXED64,
  sfixed64: FIXED64,
  fixed32: FIXED32,
} as const
export type Kind = keyof typeof WIRE_TYPES
type ScalarKind = Exclude<Kind, 'message' | 'enum'>

export interface Field {
  readonly number: number
  /** lowerCamelCase. */
  readonly key: string
  readonly kind: Kind
  readonly wireType: number
  readonly repeated: boolean
  /** Of kind `message`. */
  readonly message: Message | undefined
  /** Of kind `enum`: name → number. */
  readonly names: ReadonlyMap<string, number> | undefined
  /** Name of the group of which at most one member is set. */
  readonly oneof: string | undefined
}

export class Message {
  readonly byNumber: (Field | undefined)[] = []
  readonly byKey = new Map<string, Field>()
  constructor(readonly name: string) {}

  /** Adds fields. Separate from the making, because an AnyValue holds lists of AnyValue. */
  has(fields: Readonly<Record<string, Spec>>): this {
    for (const [key, { number, type, repeated = false, oneof }] of Object.entries(fields)) {
      const kind = type instanceof Message ? 'message' : type instanceof Map ? 'enum' : (type as ScalarKind)
      const field: Field = {
        number,
        key,
        kind,
        wireType: WIRE_TYPES[kind],
        repeated,
        message: type instanceof Message ? type : undefined,
        names: type instanceof Map ? type : undefined,
        oneof,
      }
      this.byNumber[number] = field
      this.byKey.set(key, field)
    }
    return this
  }
}

interface Spec {
  readonly number: number
  readonly type: ScalarKind | Message | ReadonlyMap<string, number>
  readonly repeated?: boolean
  readonly oneof?: string
}
const one = (number: number, type: Spec['type']): Spec => ({ number, type })
const many = (number: number, type: Spec['type']): Spec => ({ number, type, repeated: true })
/** A member of the message's one oneof. */
const member = (number: number, type: Spec['type']): Spec => ({ number, type, oneof: 'value' })
/** Names of an enum's values, from 0 on, behind their common prefix. */
const enumOf = (prefix: string, names: readonly string[]): ReadonlyMap<string, number> =>
  new Map(names.map((name, number) => [prefix + name, number]))

const severities = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap(name => [name, `${name}2`, `${name}3`, `${name}4`])
const SeverityNumber = enumOf('SEVERITY_NUMBER_', ['UNSPECIFIED', ...severities])
const SpanKind = enumOf('SPAN_KIND_', ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])
const StatusCode = enumOf('STATUS_CODE_', ['UNSET', 'OK', 'ERROR'])
const Temporality = enumOf('AGGREGATION_TEMPORALITY_', ['UNSPECIFIED', 'DELTA', 'CUMULATIVE'])

export const AnyValue = new Message('AnyValue')
const KeyValue = new Message('KeyValue').has({ key: one(KV.key, 'string'), value: one(KV.value, AnyValue) })
AnyValue.has({
  stringValue: member(A.string, 'string'),
  boolValue: member(A.bool, 'bool'),
  intValue: member(A.int, 'int64'),
  doubleValue: member(A.double, 'double'),
  arrayValue: member(A.array, new Message('ArrayValue').has({ values: many(VL.values, AnyValue) })),
  kvlistValue: member(A.kvlist, new Message('KeyValueList').has({ values: many(VL.values, KeyValue) })),
  bytesValue: member(A.bytes, 'bytes'),
})
const Scope = new Message('InstrumentationScope').has({
  name: one(SC.name, 'string'),
  version: one(SC.version, 'string'),
  attributes: many(SC.attributes, KeyValue),
  droppedAttributesCount: one(SC.droppedAttributesCount, 'uint32'),
})
const EntityRef = new Message('EntityRef').has({
  schemaUrl: one(ER.schemaUrl, 'string'),
  type: one(ER.type, 'string'),
  idKeys: many(ER.idKeys, 'string'),
  descriptionKeys: many(ER.descriptionKeys, 'string'),
})
const Resource = new Message('Resource').has({
  attributes: many(R.attributes, KeyValue),
  droppedAttributesCount: one(R.droppedAttributesCount, 'uint32'),
  entityRefs: many(R.entityRefs, EntityRef),
})

const Event = new Message('Event').has({
  timeUnixNano: one(EV.time, 'fixed64'),
  name: one(EV.name, 'string'),
  attributes: many(EV.attributes, KeyValue),
  droppedAttributesCount: one(EV.droppedAttributesCount, 'uint32'),
})
const Link = new Message('Link').has({
  traceId: one(LK.traceId, 'traceId'),
  spanId: one(LK.spanId, 'spanId'),
  traceState: one(LK.traceState, 'string'),
  attributes: many(LK.attributes, KeyValue),
  droppedAttributesCount: one(LK.droppedAttributesCount, 'uint32'),
  flags: one(LK.flags, 'fixed32'),
})
const Status = new Message('Status').has({ message: one(ST.message, 'string'), code: one(ST.code, StatusCode) })
const Span = new Message('Span').has({
  traceId: one(S.traceId, 'traceId'),
  spanId: one(S.spanId, 'spanId'),
  traceState: one(S.traceState, 'string'),
  parentSpanId: one(S.parentSpanId, 'spanId'),
  name: one(S.name, 'string'),
  kind: one(S.kind, SpanKind),
  startTimeUnixNano: one(S.startTime, 'fixed64'),
  endTimeUnixNano: one(S.endTime, 'fixed64'),
  attributes: many(S.attributes, KeyValue),
  droppedAttributesCount: one(S.droppedAttributesCount, 'uint32'),
  events: many(S.events, Event),
  droppedEventsCount: one(S.droppedEventsCount, 'uint32'),
  links: many(S.links, Link),
  droppedLinksCount: one(S.droppedLinksCount, 'uint32'),
  status: one(S.status, Status),
  flags: one(S.flags, 'fixed32'),
})

const Exemplar = new Message('Exemplar').has({
  timeUnixNano: one(X.time, 'fixed64'),
  asDouble: member(X.asDouble, 'double'),
  asInt: member(X.asInt, 'sfixed64'),
  spanId: one(X.spanId, 'spanId'),
  traceId: one(X.traceId, 'traceId'),
  filteredAttributes: many(X.filteredAttributes, KeyValue),
})
const NumberDataPoint = new Message('NumberDataPoint').has({
  startTimeUnixNano: one(N.startTime, 'fixed64'),
  timeUnixNano: one(N.time, 'fixed64'),
  asDouble: member(N.asDouble, 'double'),
  asInt: member(N.asInt, 'sfixed64'),
  exemplars: many(N.exemplars, Exemplar),
  attributes: many(N.attributes, KeyValue),
  flags: one(N.flags, 'uint32'),
})
const HistogramDataPoint = new Message('HistogramDataPoint').has({
  startTimeUnixNano: one(H.startTime, 'fixed64'),
  timeUnixNano: one(H.time, 'fixed64'),
  count: one(H.count, 'fixed64'),
  sum: one(H.sum, 'double'),
  bucketCounts: many(H.bucketCounts, 'fixed64'),
  explicitBounds: many(H.explicitBounds, 'double'),
  exemplars: many(H.exemplars, Exemplar),
  attributes: many(H.attributes, KeyValue),
  flags: one(H.flags, 'uint32'),
  min: one(H.min, 'double'),
  max: one(H.max, 'double'),
})
const Buckets = new Message('Buckets').has({ offset: one(B.offset, 'sint32'), bucketCounts: many(B.bucketCounts, 'uint64') })
const ExponentialHistogramDataPoint = new Message('ExponentialHistogramDataPoint').has({
  attributes: many(E.attributes, KeyValue),
  startTimeUnixNano: one(E.startTime, 'fixed64'),
  timeUnixNano: one(E.time, 'fixed64'),
  count: one(E.count, 'fixed64'),
  sum: one(E.sum, 'double'),
  scale: one(E.scale, 'sint32'),
  zeroCount: one(E.zeroCount, 'fixed64'),
  positive: one(E.positive, Buckets),
  negative: one(E.negative, Buckets),
  flags: one(E.flags, 'uint32'),
  exemplars: many(E.exemplars, Exemplar),
  min: one(E.min, 'double'),
  max: one(E.max, 'double'),
  zeroThreshold: one(E.zeroThreshold, 'double'),
})
const ValueAtQuantile = new Message('ValueAtQuantile').has({ quantile: one(Q.quantile, 'double'), value: one(Q.value, 'double') })
const SummaryDataPoint = new Message('SummaryDataPoint').has({
  startTimeUnixNano: one(SP.startTime, 'fixed64'),
  timeUnixNano: one(SP.time, 'fixed64'),
  count: one(SP.count, 'fixed64'),
  sum: one(SP.sum, 'double'),
  quantileValues: many(SP.quantileValues, ValueAtQuantile),
  attributes: many(SP.attributes, KeyValue),
  flags: one(SP.flags, 'uint32'),
})
const points = (type: Message) => ({ dataPoints: many(D.dataPoints, type) })
const temporality = { aggregationTemporality: one(D.temporality, Temporality) }
const Metric = new Message('Metric').has({
  name: one(M.name, 'string'),
  description: one(M.description, 'string'),
  unit: one(M.unit, 'string'),
  gauge: member(M.gauge, new Message('Gauge').has(points(NumberDataPoint))),
  sum: member(M.sum, new Message('Sum').has({ ...points(NumberDataPoint), ...temporality, isMonotonic: one(D.isMonotonic, 'bool') })),
  histogram: member(M.histogram, new Message('Histogram').has({ ...points(HistogramDataPoint), ...temporality })),
  exponentialHistogram: member(
    M.exponentialHistogram,
    new Message('ExponentialHistogram').has({ ...points(ExponentialHistogramDataPoint), ...temporality }),
  ),
  summary: member(M.summary, new Message('Summary').has(points(SummaryDataPoint))),
  metadata: many(M.metadata, KeyValue),
})

const LogRecord = new Message('LogRecord').has({
  timeUnixNano: one(L.time, 'fixed64'),
  severityNumber: one(L.severityNumber, SeverityNumber),
  severityText: one(L.severityText, 'string'),
  body: one(L.body, AnyValue),
  attributes: many(L.attributes, KeyValue),
  droppedAttributesCount: one(L.droppedAttributesCount, 'uint32'),
  flags: one(L.flags, 'fixed32'),
  traceId: one(L.traceId, 'traceId'),
  spanId: one(L.spanId, 'spanId'),
  observedTimeUnixNano: one(L.observedTime, 'fixed64'),
  eventName: one(L.eventName, 'string'),
})

/** The messages around the items; `Name` is Spans, Metrics or Logs. */
const request = (service: string, Name: string, items: string, item: Message): Message => {
  const scopes = new Message(`Scope${Name}`).has({
    scope: one(SG.scope, Scope),
    [items]: many(SG.items, item),
    schemaUrl: one(SG.schemaUrl, 'string'),
  })
  const group = new Message(`Resource${Name}`).has({
    resource: one(GROUP.resource, Resource),
    [`scope${Name}`]: many(GROUP.scopes, scopes),
    schemaUrl: one(GROUP.schemaUrl, 'string'),
  })
  return new Message(`Export${service}ServiceRequest`).has({ [`resource${Name}`]: many(REQUEST.groups, group) })
}
export const REQUESTS = {
  traces: request('Trace', 'Spans', 'spans', Span),
  metrics: request('Metrics', 'Metrics', 'metrics', Metric),
  logs: request('Logs', 'Logs', 'logRecords', LogRecord),
} as const
