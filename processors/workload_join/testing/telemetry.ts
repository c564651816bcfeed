/** Telemetry for tests of the join: spans, gauges, counters and histograms of one workload, short to write. Times in milliseconds. */
import { Batch, type Signal } from '../../../proto/batch.js'
import { encode, type Plain, requestType } from '../../../proto/testing/oracle.js'
import { attributes, type Values } from '../../../proto/testing/values.js'

export type { Values }

const nanos = (millis: number): string => String(BigInt(Math.round(millis * 1000)) * 1000n)

let serial = 0
/** Ids that never repeat within a process; the tests that compare bytes make their telemetry once. */
const id = (bytes: number): Buffer => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUInt32BE(++serial, bytes - 4)
  return buffer
}

export interface SpanSpec {
  readonly start: number
  readonly end: number
  readonly kind?: 'internal' | 'server' | 'client'
  readonly error?: boolean
  readonly attributes?: Values
}
const KINDS = { internal: 1, server: 2, client: 3 }

export const span = ({ start, end, kind = 'internal', error = false, attributes: values = {} }: SpanSpec): Plain => ({
  traceId: id(16),
  spanId: id(8),
  name: 'llm_request',
  kind: KINDS[kind],
  startTimeUnixNano: nanos(start),
  endTimeUnixNano: nanos(end),
  attributes: attributes(values),
  ...(error ? { status: { code: 2 } } : {}),
})

const numberPoint = (time: number, value: number | undefined, labels: Values): Plain => ({
  timeUnixNano: nanos(time),
  ...(value === undefined ? { flags: 1 } : { asDouble: value }),
  attributes: attributes(labels),
})
/** Undefined as a value is a staleness marker. */
export const gauge = (name: string, time: number, value: number | undefined, labels: Values = {}): Plain => ({
  name,
  gauge: { dataPoints: [numberPoint(time, value, labels)] },
})
export const counter = (name: string, time: number, value: number | undefined, labels: Values = {}, temporality = 2): Plain => ({
  name,
  sum: { dataPoints: [numberPoint(time, value, labels)], aggregationTemporality: temporality, isMonotonic: true },
})
export const histogram = (
  name: string,
  time: number,
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
  labels: Values = {},
): Plain => ({
  name,
  histogram: {
    dataPoints: [
      {
        timeUnixNano: nanos(time),
        count: String(counts.reduce((total, count) => total + count, 0)),
        sum,
        bucketCounts: counts.map(String),
        explicitBounds: [...bounds],
        attributes: attributes(labels),
      },
    ],
    aggregationTemporality: 2,
  },
})
export const logRecord = (time: number, values: Values = {}): Plain => ({ timeUnixNano: nanos(time), attributes: attributes(values) })

const SHAPE = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
} as const

/** A batch of one group a resource. */
export const batch = (signal: Exclude<Signal, 'events'>, ...groups: readonly { resource: Values; items: readonly Plain[] }[]): Batch => {
  const [outer, middle, inner] = SHAPE[signal]
  const bytes = encode(requestType(signal), {
    [outer]: groups.map(({ resource, items }) => ({
      resource: { attributes: attributes(resource) },
      [middle]: [{ scope: { name: 'test' }, [inner]: items }],
    })),
  })
  return Batch.of(
    signal,
    [bytes],
    groups.reduce((sum, { items }) => sum + items.length, 0),
  )
}
