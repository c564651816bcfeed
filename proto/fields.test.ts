import * as tables from './fields.js'
import { messageType } from './testing/oracle.js'

/** Short names of the tables → the names of the schema. */
const RENAMED: Readonly<Record<string, string>> = {
  startTime: 'startTimeUnixNano',
  endTime: 'endTimeUnixNano',
  time: 'timeUnixNano',
  observedTime: 'observedTimeUnixNano',
  temporality: 'aggregationTemporality',
}

test.each([
  ['RESOURCE', tables.RESOURCE, 'Resource'],
  ['SCOPE', tables.SCOPE, 'InstrumentationScope'],
  ['KEY_VALUE', tables.KEY_VALUE, 'KeyValue'],
  ['SPAN', tables.SPAN, 'Span'],
  ['ENTITY_REF', tables.ENTITY_REF, 'EntityRef'],
  ['SPAN_EVENT', tables.SPAN_EVENT, 'Span.Event'],
  ['LINK', tables.LINK, 'Span.Link'],
  ['EXEMPLAR', tables.EXEMPLAR, 'Exemplar'],
  ['STATUS', tables.STATUS, 'Status'],
  ['METRIC', tables.METRIC, 'Metric'],
  ['METRIC_DATA', tables.METRIC_DATA, 'Sum'],
  ['NUMBER_POINT', tables.NUMBER_POINT, 'NumberDataPoint'],
  ['HISTOGRAM_POINT', tables.HISTOGRAM_POINT, 'HistogramDataPoint'],
  ['EXPONENTIAL_POINT', tables.EXPONENTIAL_POINT, 'ExponentialHistogramDataPoint'],
  ['BUCKETS', tables.BUCKETS, 'ExponentialHistogramDataPoint.Buckets'],
  ['SUMMARY_POINT', tables.SUMMARY_POINT, 'SummaryDataPoint'],
  ['QUANTILE', tables.QUANTILE, 'SummaryDataPoint.ValueAtQuantile'],
  ['LOG_RECORD', tables.LOG_RECORD, 'LogRecord'],
] as const)('%s has every field of its message with its number', (_, table, message) => {
  const numbers = Object.fromEntries(Object.entries(table).map(([name, number]) => [RENAMED[name] ?? name, number]))
  expect(numbers).toEqual(Object.fromEntries(messageType(message).fieldsArray.map(field => [field.name, field.id])))
})

test('what differs between signals only in name has one number', () => {
  for (const [group, scope, scopes, items] of [
    ['ResourceSpans', 'ScopeSpans', 'scopeSpans', 'spans'],
    ['ResourceMetrics', 'ScopeMetrics', 'scopeMetrics', 'metrics'],
    ['ResourceLogs', 'ScopeLogs', 'scopeLogs', 'logRecords'],
  ] as const) {
    const { resource, scopes: scopesNumber, schemaUrl } = tables.GROUP
    const numbers = (name: string) => Object.fromEntries(messageType(name).fieldsArray.map(field => [field.name, field.id]))
    expect(numbers(group)).toEqual({ resource, [scopes]: scopesNumber, schemaUrl })
    expect(numbers(scope)).toEqual({
      scope: tables.SCOPE_GROUP.scope,
      [items]: tables.SCOPE_GROUP.items,
      schemaUrl: tables.SCOPE_GROUP.schemaUrl,
    })
  }
  for (const name of ['ExportTraceServiceRequest', 'ExportMetricsServiceRequest', 'ExportLogsServiceRequest'])
    expect(messageType(name).fieldsArray.map(field => field.id)).toEqual([tables.REQUEST.groups])
  for (const name of ['Gauge', 'Histogram', 'ExponentialHistogram', 'Summary'])
    expect(messageType(name).fieldsById[tables.METRIC_DATA.dataPoints]?.name).toBe('dataPoints')
  for (const name of ['Histogram', 'ExponentialHistogram'])
    expect(messageType(name).fieldsById[tables.METRIC_DATA.temporality]?.name).toBe('aggregationTemporality')
})
