/**
 * Field numbers of the OTLP messages.
 * Source: open-telemetry/opentelemetry-proto v1.11.0, `opentelemetry/proto/{common,resource,trace,metrics,logs}/v1/*.proto`.
 * Traps: `attributes` has another number in each kind of data point, `flags` of Span and LogRecord are fixed32, `code` of Status is 3.
 */

/** ExportTraceServiceRequest, ExportMetricsServiceRequest, ExportLogsServiceRequest, and TracesData, MetricsData, LogsData. */
export const REQUEST = { groups: 1 } as const
/** ResourceSpans, ResourceMetrics, ResourceLogs. */
export const GROUP = { resource: 1, scopes: 2, schemaUrl: 3 } as const
/** ScopeSpans, ScopeMetrics, ScopeLogs. `items`: spans, metrics, log_records. */
export const SCOPE_GROUP = { scope: 1, items: 2, schemaUrl: 3 } as const

export const RESOURCE = { attributes: 1, droppedAttributesCount: 2, entityRefs: 3 } as const
export const ENTITY_REF = { schemaUrl: 1, type: 2, idKeys: 3, descriptionKeys: 4 } as const
export const SCOPE = { name: 1, version: 2, attributes: 3, droppedAttributesCount: 4 } as const
export const KEY_VALUE = { key: 1, value: 2 } as const
export const ANY_VALUE = { string: 1, bool: 2, int: 3, double: 4, array: 5, kvlist: 6, bytes: 7 } as const
/** ArrayValue and KeyValueList. */
export const VALUE_LIST = { values: 1 } as const

export const SPAN = {
  traceId: 1,
  spanId: 2,
  traceState: 3,
  parentSpanId: 4,
  name: 5,
  kind: 6,
  startTime: 7,
  endTime: 8,
  attributes: 9,
  droppedAttributesCount: 10,
  events: 11,
  droppedEventsCount: 12,
  links: 13,
  droppedLinksCount: 14,
  status: 15,
  flags: 16,
} as const
export const SPAN_EVENT = { time: 1, name: 2, attributes: 3, droppedAttributesCount: 4 } as const
export const LINK = { traceId: 1, spanId: 2, traceState: 3, attributes: 4, droppedAttributesCount: 5, flags: 6 } as const
export const STATUS = { message: 2, code: 3 } as const

export const METRIC = {
  name: 1,
  description: 2,
  unit: 3,
  gauge: 5,
  sum: 7,
  histogram: 9,
  exponentialHistogram: 10,
  summary: 11,
  metadata: 12,
} as const
/** Gauge, Sum, Histogram, ExponentialHistogram, Summary; the last two numbers only where the kind has them. */
export const METRIC_DATA = { dataPoints: 1, temporality: 2, isMonotonic: 3 } as const
export const NUMBER_POINT = { startTime: 2, time: 3, asDouble: 4, exemplars: 5, asInt: 6, attributes: 7, flags: 8 } as const
export const HISTOGRAM_POINT = {
  startTime: 2,
  time: 3,
  count: 4,
  sum: 5,
  bucketCounts: 6,
  explicitBounds: 7,
  exemplars: 8,
  attributes: 9,
  flags: 10,
  min: 11,
  max: 12,
} as const
export const EXPONENTIAL_POINT = {
  attributes: 1,
  startTime: 2,
  time: 3,
  count: 4,
  sum: 5,
  scale: 6,
  zeroCount: 7,
  positive: 8,
  negative: 9,
  flags: 10,
  exemplars: 11,
  min: 12,
  max: 13,
  zeroThreshold: 14,
} as const
export const BUCKETS = { offset: 1, bucketCounts: 2 } as const
export const SUMMARY_POINT = { startTime: 2, time: 3, count: 4, sum: 5, quantileValues: 6, attributes: 7, flags: 8 } as const
export const QUANTILE = { quantile: 1, value: 2 } as const
export const EXEMPLAR = { time: 2, asDouble: 3, spanId: 4, traceId: 5, asInt: 6, filteredAttributes: 7 } as const

export const LOG_RECORD = {
  time: 1,
  severityNumber: 2,
  severityText: 3,
  body: 5,
  attributes: 6,
  droppedAttributesCount: 7,
  flags: 8,
  traceId: 9,
  spanId: 10,
  observedTime: 11,
  eventName: 12,
} as const
