import fc from 'fast-check'
import { Batch, type Signal } from '../batch.js'
import { inspect } from '../inspect.js'
import { GOLDEN } from '../testing/golden.js'
import { anyRequest, decode, type Plain, requestType } from '../testing/oracle.js'
import { WireError, Writer } from '../wire.js'
import { AnyValue, MAX_DEPTH, type Plain as Value } from './any-value.js'
import { type Attributes, KeySet } from './attributes.js'
import { LogCursor } from './logs.js'
import { EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, MetricCursor, SUM, SUMMARY } from './metrics.js'
import { ResourceView } from './resource.js'
import { SpanCursor } from './traces.js'

const utf8 = (text: string) => Buffer.from(text)
const hex = (bytes: Buffer | undefined) => bytes?.toString('hex') ?? ''
const millis = (nanos: string | undefined) => Number(BigInt(nanos ?? 0) / 1_000_000n) + Number(BigInt(nanos ?? 0) % 1_000_000n) / 1e6
const int = (value: string) => (Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value))

/** What protobufjs read, in the terms of the views. */
const plainOf = (value: Plain): Value => {
  if (value?.stringValue !== undefined) return value.stringValue
  if (value?.boolValue !== undefined) return value.boolValue
  if (value?.intValue !== undefined) return int(value.intValue)
  if (value?.doubleValue !== undefined) return value.doubleValue
  if (value?.bytesValue !== undefined) return Uint8Array.from(value.bytesValue)
  if (value?.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainOf)
  if (value?.kvlistValue !== undefined)
    return new Map((value.kvlistValue.values ?? []).map((pair: Plain) => [pair.key ?? '', plainOf(pair.value)]))
  return undefined
}
const attributesOf = (list: Plain[] | undefined) => (list ?? []).map(({ key, value }) => [key ?? '', plainOf(value)])
const attributesRead = (attributes: Attributes) =>
  Array.from({ length: attributes.length }, (_, index) => [attributes.key(index), attributes.value(index).plain()])
const scopeOf = (scope: Plain) => ({ name: scope?.name ?? '', version: scope?.version ?? '', attributes: attributesOf(scope?.attributes) })

/** Runs `read` on the groups of a batch and `expected` on what protobufjs decoded; both list all items. */
const agree = (signal: Signal, read: (batch: Batch) => unknown[], expected: (request: Plain) => unknown[]) => {
  const check = (bytes: Uint8Array) => {
    const items = expected(decode(requestType(signal), bytes))
    expect(read(Batch.of(signal, [bytes], items.length))).toEqual(items)
    expect(inspect(signal, bytes)).toBe(items.length)
  }
  check(GOLDEN[signal as keyof typeof GOLDEN])
  fc.assert(fc.property(anyRequest(signal), check), { numRuns: 150 })
}

describe('views read what protobufjs decodes', () => {
  it('spans', () => {
    const resource = new ResourceView()
    const spans = new SpanCursor()
    agree(
      'traces',
      batch => {
        const found: unknown[] = []
        for (const group of batch.groups) {
          spans.over(group.rest)
          while (spans.next()) {
            const { span, scope } = spans
            found.push({
              resource: attributesRead(resource.read(group.resource).attributes),
              scope: { name: scope.name(), version: scope.version(), attributes: attributesRead(scope.attributes) },
              ids: [span.traceId(), span.spanId(), span.parentSpanId()],
              text: [span.name(), span.statusMessage()],
              numbers: [span.kind, span.statusCode, span.flags, span.startTime, span.endTime],
              nanos: [span.startNanos, span.endNanos].map(String),
              attributes: attributesRead(span.attributes),
            })
          }
        }
        return found
      },
      request =>
        (request.resourceSpans ?? []).flatMap((group: Plain) =>
          (group.scopeSpans ?? []).flatMap((scope: Plain) =>
            (scope.spans ?? []).map((span: Plain) => ({
              resource: attributesOf(group.resource?.attributes),
              scope: scopeOf(scope.scope),
              ids: [hex(span.traceId), hex(span.spanId), hex(span.parentSpanId)],
              text: [span.name ?? '', span.status?.message ?? ''],
              numbers: [
                span.kind ?? 0,
                span.status?.code ?? 0,
                span.flags ?? 0,
                millis(span.startTimeUnixNano),
                millis(span.endTimeUnixNano),
              ],
              nanos: [span.startTimeUnixNano ?? '0', span.endTimeUnixNano ?? '0'],
              attributes: attributesOf(span.attributes),
            })),
          ),
        ),
    )
  })

  it('log records', () => {
    const logs = new LogCursor()
    agree(
      'logs',
      batch => {
        const found: unknown[] = []
        for (const group of batch.groups) {
          logs.over(group.rest)
          while (logs.next()) {
            const { record } = logs
            found.push({
              ids: [record.traceId(), record.spanId()],
              text: [record.severityText(), record.eventName()],
              numbers: [record.severityNumber, record.flags, record.time, record.observedTime, record.eventTime],
              body: record.body().plain(),
              attributes: attributesRead(record.attributes),
            })
          }
        }
        return found
      },
      request =>
        (request.resourceLogs ?? []).flatMap((group: Plain) =>
          (group.scopeLogs ?? []).flatMap((scope: Plain) =>
            (scope.logRecords ?? []).map((record: Plain) => {
              const time = millis(record.timeUnixNano)
              const observed = millis(record.observedTimeUnixNano)
              return {
                ids: [hex(record.traceId), hex(record.spanId)],
                text: [record.severityText ?? '', record.eventName ?? ''],
                numbers: [record.severityNumber ?? 0, record.flags ?? 0, time, observed, time || observed],
                body: plainOf(record.body),
                attributes: attributesOf(record.attributes),
              }
            }),
          ),
        ),
    )
  })

  it('metrics and data points of all five kinds', () => {
    const metrics = new MetricCursor()
    const list = (length: number, at: (index: number) => number) => Array.from({ length }, (_, index) => at(index))
    const pointRead = (): unknown => {
      const { number, histogram, exponential, summary } = metrics
      switch (metrics.metric.kind) {
        case GAUGE:
        case SUM:
          return { has: number.hasValue, int: number.isInt, value: number.value, exact: String(number.bigint) }
        case HISTOGRAM:
          return {
            numbers: [histogram.count, histogram.sum, histogram.min, histogram.max],
            counts: list(histogram.bucketLength, index => histogram.bucketCount(index)),
            bounds: list(histogram.boundLength, index => histogram.bound(index)),
          }
        case EXPONENTIAL_HISTOGRAM:
          return {
            numbers: [exponential.count, exponential.sum, exponential.min, exponential.max],
            more: [exponential.scale, exponential.zeroCount, exponential.zeroThreshold],
            sides: [exponential.positive, exponential.negative].map(side => [
              side.offset,
              ...list(side.length, index => side.count(index)),
            ]),
          }
        default:
          return {
            numbers: [summary.count, summary.sum],
            quantiles: list(summary.quantileLength, index => summary.quantile(index)),
            values: list(summary.quantileLength, index => summary.quantileValue(index)),
          }
      }
    }
    const pointOf = (kind: number, point: Plain): unknown => {
      if (kind === GAUGE || kind === SUM) {
        const int = point.asInt !== undefined
        return {
          has: int || point.asDouble !== undefined,
          int,
          value: int ? Number(point.asInt) : (point.asDouble ?? Number.NaN),
          exact: point.asInt ?? '0',
        }
      }
      const numbers = [Number(point.count ?? 0), point.sum ?? Number.NaN, point.min ?? Number.NaN, point.max ?? Number.NaN]
      if (kind === HISTOGRAM) return { numbers, counts: (point.bucketCounts ?? []).map(Number), bounds: point.explicitBounds ?? [] }
      if (kind === EXPONENTIAL_HISTOGRAM)
        return {
          numbers,
          more: [point.scale ?? 0, Number(point.zeroCount ?? 0), point.zeroThreshold ?? 0],
          sides: [point.positive, point.negative].map(side => [side?.offset ?? 0, ...(side?.bucketCounts ?? []).map(Number)]),
        }
      return {
        numbers: [Number(point.count ?? 0), point.sum ?? 0],
        quantiles: (point.quantileValues ?? []).map((pair: Plain) => pair.quantile ?? 0),
        values: (point.quantileValues ?? []).map((pair: Plain) => pair.value ?? 0),
      }
    }
    const KINDS = { gauge: GAUGE, sum: SUM, histogram: HISTOGRAM, exponentialHistogram: EXPONENTIAL_HISTOGRAM, summary: SUMMARY }
    agree(
      'metrics',
      batch => {
        const found: unknown[] = []
        for (const group of batch.groups) {
          metrics.over(group.rest)
          while (metrics.next()) {
            const { metric } = metrics
            while (metrics.nextPoint())
              found.push({
                metric: [metric.name(), metric.unit(), metric.description(), metric.kind, metric.temporality, metric.isMonotonic],
                metadata: attributesRead(metric.metadata),
                times: [metrics.point.time, metrics.point.startTime],
                flags: metrics.point.flags,
                point: pointRead(),
                attributes: attributesRead(metrics.point.attributes),
              })
          }
        }
        return found
      },
      request =>
        (request.resourceMetrics ?? []).flatMap((group: Plain) =>
          (group.scopeMetrics ?? []).flatMap((scope: Plain) =>
            (scope.metrics ?? []).flatMap((metric: Plain) =>
              Object.entries(KINDS).flatMap(([member, kind]) =>
                (metric[member]?.dataPoints ?? []).map((point: Plain) => ({
                  metric: [
                    metric.name ?? '',
                    metric.unit ?? '',
                    metric.description ?? '',
                    kind,
                    metric[member].aggregationTemporality ?? 0,
                    metric[member].isMonotonic ?? false,
                  ],
                  metadata: attributesOf(metric.metadata),
                  times: [millis(point.timeUnixNano), millis(point.startTimeUnixNano)],
                  flags: point.flags ?? 0,
                  point: pointOf(kind, point),
                  attributes: attributesOf(point.attributes),
                })),
              ),
            ),
          ),
        ),
    )
  })
})

describe('attributes', () => {
  const pair = (writer: Writer, key: string, value: string) =>
    writer.message(1, entry => entry.string(1, key).message(2, any => any.string(1, value)))
  const resource = new Writer()
  pair(resource, 'service.name', 'first')
  pair(resource, 'k8s.pod.name', 'pod')
  pair(resource, 'service.name', 'last')
  const { attributes } = new ResourceView().read(resource.finish())

  it('finds the last of several with one key', () => {
    expect(attributes.find(utf8('service.name'))).toBe(2)
    expect(attributes.string(utf8('service.name'))).toBe('last')
    expect(attributes.find(utf8('service.nam'))).toBe(-1)
  })

  it('finds many keys in one pass, each by its place in the set', () => {
    const found = new Int32Array(4)
    attributes.findAll(new KeySet(['k8s.pod.name', 'absent', 'service.name', 'k8s.pod.uid_']), found)
    expect([...found]).toEqual([1, -1, 2, -1])
  })

  it('refuses an index that there is not', () => {
    expect(() => attributes.key(3)).toThrow(RangeError)
    expect(() => attributes.value(-1)).toThrow(RangeError)
  })

  it('says where a broken attribute is broken, and is not upset by it', () => {
    const broken = new ResourceView().read(new Writer().bytes(1, Uint8Array.of(0x0a, 0x7f)).finish())
    expect(() => broken.attributes.find(utf8('a'))).toThrow(WireError)
    expect(() => broken.attributes.find(utf8('a'))).toThrow('malformed protobuf at byte 2: field 1 ends outside its message')
  })

  it('reads invalid UTF-8 with replacement characters', () => {
    for (const length of [3, 40]) {
      const text = new Uint8Array(length).fill(0x61)
      text[1] = 0xff
      const value = new Writer().bytes(1, text).finish()
      expect(new AnyValue().read(value, 0, value.length).string()).toBe(`a\ufffd${'a'.repeat(length - 2)}`)
    }
  })

  it('reads values nested as deep as the limit, and refuses deeper ones, however deep', () => {
    const nested = (depth: number) => {
      let value: Uint8Array = new Writer().string(1, 'x').finish()
      for (let level = 0; level < depth; level++) value = new Writer().bytes(5, new Writer().bytes(1, value).finish()).finish()
      return new AnyValue().read(value, 0, value.length)
    }
    expect(nested(MAX_DEPTH).text()).toBe(`${'['.repeat(MAX_DEPTH)}"x"${']'.repeat(MAX_DEPTH)}`)
    expect(() => nested(MAX_DEPTH + 1).plain()).toThrow('an attribute value is nested deeper than 64')
    expect(() => nested(10_000).plain()).toThrow(WireError)
  })
})
