/** Without a Prometheus: a backend that answers as told, and protobufjs as the reader. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import protobuf from 'protobufjs'
import { uncompressSync } from 'snappy'
import { Batch } from '../../proto/batch.js'
import { encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import { attributes as pairs } from '../../proto/testing/values.js'
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import exporter from './index.js'

/** The messages as published, without what the tests do not read: prompb/{remote,types}.proto and prompb/io/prometheus/write/v2/types.proto. */
const PROTO = protobuf.parse(`
syntax = "proto3";
message Label { string name = 1; string value = 2; }
message Sample { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
message MetricMetadata { int32 type = 1; string metric_family_name = 2; string help = 4; string unit = 5; }
message TimeSeries { repeated Label labels = 1; repeated Sample samples = 2; }
message WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
message Metadata { int32 type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
message TimeSeriesV2 { repeated uint32 labels_refs = 1; repeated Sample samples = 2; Metadata metadata = 5; }
message Request { repeated string symbols = 4; repeated TimeSeriesV2 timeseries = 5; }
`).root
interface Received {
  readonly headers: http.IncomingHttpHeaders
  /** `name value@second` of every sample of version 1 or 2, in order. */
  readonly samples: readonly string[]
  readonly message: Plain
}
const T0 = 1_700_000_000
const read = (headers: http.IncomingHttpHeaders, body: Buffer): Received => {
  const second = String(headers['content-type']).includes('v2')
  const type = PROTO.lookupType(second ? 'Request' : 'WriteRequest')
  const message = type.toObject(type.decode(uncompressSync(body) as Buffer), { longs: Number, arrays: true })
  const labelsOf = (series: Plain): string[] =>
    second
      ? series.labelsRefs.map((ref: number) => message.symbols[ref])
      : series.labels.flatMap((label: Plain) => [label.name, label.value])
  const samples = message.timeseries.flatMap((series: Plain) => {
    const labels = labelsOf(series)
    return series.samples.map(
      (sample: Plain) => `${labels[labels.indexOf('__name__') + 1]} ${sample.value ?? 0}@${sample.timestamp / 1000 - T0}`,
    )
  })
  return { headers, samples, message }
}

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
type Answer = (response: http.ServerResponse, received: Received, nth: number) => void
const ok: Answer = (response, { samples }) => response.writeHead(204, { 'x-prometheus-remote-write-samples-written': samples.length }).end()

const setUp = async (answer: Answer = ok, written: object = {}) => {
  const received: Received[] = []
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const one = read(request.headers, Buffer.concat(chunks))
      received.push(one)
      answer(response, one, received.length)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { context, meter, log } = harness('prometheus_remote_write', { clock: new SystemClock() })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`
  const config = exporter.config.parse({
    endpoint,
    target_info: { enabled: false },
    retry_on_failure: { initial_interval: '1ms', max_interval: '2ms', max_elapsed_time: '100ms' },
    ...written,
  })
  const instance = exporter.create(config, context)
  await instance.start?.()
  closers.push(
    () => {
      server.closeAllConnections()
      server.close()
    },
    () => instance.stop?.(AbortSignal.abort()),
  )
  const dropped = (reason: string) => meter.sum('ai_factory_gateway_dropped_items', { reason })
  const sent = () => meter.sum('otelcol_exporter_sent_metric_points')
  return { write: instance.consume, received, dropped, sent, log }
}

const point = (value: number, second = 1, labels: Record<string, string> = {}): Plain => ({
  timeUnixNano: `${T0 + second}000000000`,
  asDouble: value,
  attributes: pairs(labels),
})
const gauge = (name: string, ...dataPoints: Plain[]): Plain => ({ name, gauge: { dataPoints } })
const batch = (...metrics: Plain[]): Batch => {
  const bytes = encode(requestType('metrics'), { resourceMetrics: [{ resource: {}, scopeMetrics: [{ metrics }] }] })
  const items = metrics.reduce(
    (sum, metric) => sum + (metric.gauge ?? metric.sum ?? metric.histogram ?? metric.exponentialHistogram).dataPoints.length,
    0,
  )
  return Batch.of('metrics', [bytes], items)
}

describe('requests', () => {
  test('version 1: sorted labels, metadata, and the headers of the specification', async () => {
    const { write, received } = await setUp(ok, { headers: { 'x-scope-orgid': 'a' }, external_labels: { cluster: 'eu', Z: '1' } })
    await write(batch({ ...gauge('up', point(1, 1, { b: 'x', empty: '' })), description: 'Help.', unit: 's' }))
    expect(received[0]!.headers).toMatchObject({
      'content-type': 'application/x-protobuf;proto=prometheus.WriteRequest',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'x-scope-orgid': 'a',
    })
    expect(received[0]!.message).toEqual({
      timeseries: [
        {
          labels: [
            { name: 'Z', value: '1' },
            { name: '__name__', value: 'up' },
            { name: 'b', value: 'x' },
            { name: 'cluster', value: 'eu' },
          ],
          samples: [{ value: 1, timestamp: (T0 + 1) * 1000 }],
        },
      ],
      metadata: [{ type: 2, metricFamilyName: 'up', help: 'Help.', unit: 'seconds' }],
    })
  })

  test('version 2: symbols begin with the empty one; type, unit, help and start stand with the series', async () => {
    const { write, received } = await setUp(ok, { protocol: 2 })
    const dataPoints = [{ ...point(5, 9), startTimeUnixNano: `${T0}000000000` }]
    await write(batch({ name: 'a.b', unit: 'By', description: 'Help.', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints } }))
    const { headers, message } = received[0]!
    expect(headers).toMatchObject({
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
      'x-prometheus-remote-write-version': '2.0.0',
    })
    expect(message.symbols[0]).toBe('')
    const [series] = message.timeseries
    expect(series.labelsRefs.map((ref: number) => message.symbols[ref])).toEqual(['__name__', 'a_b_bytes_total'])
    expect(series.samples).toEqual([{ value: 5, timestamp: (T0 + 9) * 1000, startTimestamp: T0 * 1000 }])
    expect([series.metadata.type, message.symbols[series.metadata.helpRef], message.symbols[series.metadata.unitRef]]).toEqual([
      1,
      'Help.',
      'bytes',
    ])
  })

  test('a batch above max_batch_size_bytes becomes several requests, each point in one of them', async () => {
    const { write, received, sent } = await setUp(ok, { max_batch_size_bytes: 200 })
    await write(batch(gauge('g', ...Array.from({ length: 50 }, (_, i) => point(i, 1, { id: `${i}`.padStart(20, 'x') })))))
    expect(received.length).toBeGreaterThan(10)
    expect(received.flatMap(({ samples }) => samples)).toEqual(Array.from({ length: 50 }, (_, i) => `g ${i}@1`))
    expect(sent()).toBe(50)
  })

  test.each([
    ['NoUTF8EscapingWithSuffixes', 'a.b_seconds', 'k.l'],
    ['NoTranslation', 'a.b', 'k.l'],
    ['UnderscoreEscapingWithoutSuffixes', 'a_b', 'k_l'],
    ['UnderscoreEscapingWithSuffixes', 'a_b_seconds', 'k_l'],
  ])('%s', async (strategy, name, label) => {
    const { write, received } = await setUp(ok, { translation_strategy: strategy, send_metadata: false })
    await write(batch({ ...gauge('a.b', point(1, 1, { 'k.l': 'v' })), unit: 's' }))
    const { timeseries, metadata } = received[0]!.message
    expect(timeseries[0].labels).toEqual([
      { name: '__name__', value: name },
      { name: label, value: 'v' },
    ])
    expect(metadata).toEqual([])
  })
})

describe('answers', () => {
  test.each([429, 500, 503])('%i: the same once more, and nothing is counted twice', async status => {
    const { write, received, sent, dropped } = await setUp((response, one, nth) =>
      nth === 1 ? response.writeHead(status).end() : ok(response, one, nth),
    )
    await write(batch(gauge('g', point(1))))
    expect(received.map(({ samples }) => samples)).toEqual([['g 1@1'], ['g 1@1']])
    expect([sent(), dropped('duplicate')]).toEqual([1, 0])
  })

  test('a batch of several requests that fails half-way: what was taken is not sent again, and is no duplicate', async () => {
    const answer: Answer = (response, one, nth) => (nth === 2 ? response.writeHead(503).end() : ok(response, one, nth))
    const { write, received, sent, dropped } = await setUp(answer, { max_batch_size_bytes: 1 })
    await write(batch(gauge('g', point(1, 1, { id: 'a' }), point(2, 1, { id: 'b' }), point(3, 1, { id: 'c' }))))
    expect(received.map(({ samples }) => samples)).toEqual([['g 1@1'], ['g 2@1'], ['g 2@1'], ['g 3@1']])
    expect([sent(), dropped('duplicate')]).toEqual([3, 0])
  })

  test('one of several requests refused for good: the others are delivered, its points are counted', async () => {
    const answer: Answer = (response, one, nth) => (nth === 2 ? response.writeHead(400).end('too old') : ok(response, one, nth))
    const { write, sent, dropped } = await setUp(answer, { max_batch_size_bytes: 1 })
    await write(batch(gauge('g', point(1, 1, { id: 'a' }), point(2, 1, { id: 'b' }), point(3, 1, { id: 'c' }))))
    expect([sent(), dropped('the backend answered #: too old')]).toEqual([2, 1])
  })

  test.each([
    [400, 'bad_data'],
    [401, 'unauthenticated'],
    [404, 'unknown_path'],
    [302, 'refused'],
  ])('%i is final: %s', async (status, reason) => {
    const { write, received } = await setUp(response => response.writeHead(status).end('why'))
    await expect(write(batch(gauge('g', point(1))))).rejects.toMatchObject({
      name: 'PermanentError',
      reason,
      message: `the backend answered ${status}: why`,
    })
    expect(received).toHaveLength(1)
  })

  test('413 cuts the batch until it fits', async () => {
    const { write, received, sent } = await setUp((response, one, nth) =>
      one.samples.length > 1 ? response.writeHead(413).end() : ok(response, one, nth),
    )
    await write(batch(gauge('g', point(1, 1, { id: 'a' }), point(2, 1, { id: 'b' }), point(3, 1, { id: 'c' }))))
    expect(
      received
        .filter(({ samples }) => samples.length === 1)
        .flatMap(({ samples }) => samples)
        .sort(),
    ).toEqual(['g 1@1', 'g 2@1', 'g 3@1'])
    expect(sent()).toBe(3)
  })

  test.each<[string, Answer]>([
    ['answers 415', response => response.writeHead(415).end()],
    ['takes it and does not say what it wrote', response => response.writeHead(200).end()],
  ])('a backend that %s does not speak version 2: version 1 from then on, with one warning', async (_, first) => {
    const { write, received, sent, log } = await setUp(
      (response, one, nth) => (one.message.symbols ? first(response, one, nth) : response.writeHead(204).end()),
      { protocol: 2 },
    )
    await write(batch(gauge('g', point(1))))
    await write(batch(gauge('g', point(2, 2))))
    expect(received.map(({ message, samples }) => [message.symbols !== undefined, samples])).toEqual([
      [true, ['g 1@1']],
      [false, ['g 1@1']],
      [false, ['g 2@2']],
    ])
    expect(sent()).toBe(2)
    expect(log.at('warn')).toEqual([expect.stringContaining('does not speak remote write 2')])
  })

  test('version 2: a backend that wrote a part says how much, and the rest is counted', async () => {
    const { write, sent, dropped } = await setUp(
      response => response.writeHead(400, { 'x-prometheus-remote-write-samples-written': 2 }).end('out of order'),
      { protocol: 2 },
    )
    await write(batch(gauge('g', point(1, 1, { id: 'a' }), point(2, 1, { id: 'b' }), point(3, 1, { id: 'c' }))))
    expect([sent(), dropped('the backend answered #: out of order')]).toEqual([2, 1])
  })
})

describe('what is left out is counted', () => {
  test('budgets: of one metric and of all; what is known goes on', async () => {
    const { write, received, dropped, sent } = await setUp(ok, { cardinality_limit: 2, max_series: 3 })
    await write(
      batch(gauge('a', ...['1', '2', '3'].map(id => point(1, 1, { id }))), gauge('b', point(1, 1, { id: '1' }), point(1, 1, { id: '2' }))),
    )
    await write(batch(gauge('a', point(9, 2, { id: '2' }))))
    expect(received.map(({ samples }) => samples)).toEqual([['a 1@1', 'a 1@1', 'b 1@1'], ['a 9@2']])
    expect([dropped('cardinality_limit'), dropped('max_series'), sent()]).toEqual([1, 1, 4])
  })

  test('one name of two kinds, a point without value or time, buckets that do not fit their bounds', async () => {
    const { write, received, dropped } = await setUp()
    const at = { timeUnixNano: `${T0 + 1}000000000` }
    await write(
      batch(
        gauge('x', point(1), { ...at, attributes: pairs({ id: 'empty' }) }, { asDouble: 1, attributes: pairs({ id: 'timeless' }) }),
        { name: 'x', histogram: { aggregationTemporality: 2, dataPoints: [{ ...at, count: '1', bucketCounts: ['1'] }] } },
        {
          name: 'h',
          histogram: { aggregationTemporality: 2, dataPoints: [{ ...at, count: '1', bucketCounts: ['1'], explicitBounds: [1, 2] }] },
        },
        { name: 'e', exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ ...at, count: '1', scale: -5 }] } },
        { name: 'd', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ ...at, count: '1' }] } },
      ),
    )
    expect(received[0]!.samples).toEqual(['x 1@1'])
    const reasons = [
      'no_value',
      'no_time',
      'type_conflict',
      'inconsistent_histogram',
      'too_coarse_histogram',
      'delta_exponential_histogram',
    ]
    expect(reasons.map(dropped)).toEqual([1, 1, 1, 1, 1, 1])
  })

  test('with allow_out_of_order older points are sent', async () => {
    const { write, received, dropped } = await setUp(ok, { allow_out_of_order: true })
    await write(batch(gauge('g', point(2, 2))))
    await write(batch(gauge('g', point(1, 1))))
    expect(received.flatMap(({ samples }) => samples)).toEqual(['g 2@2', 'g 1@1'])
    expect(dropped('out_of_order')).toBe(0)
  })

  test('a malformed batch is refused and leaves nothing behind', async () => {
    const { write, received } = await setUp()
    const good = batch(gauge('g', point(1)))
    const broken = Batch.of('metrics', [...good.slices, Uint8Array.of(0x0a, 0x7f)], 2)
    await expect(write(broken)).rejects.toMatchObject({ name: 'PermanentError', reason: 'bad_data' })
    await write(good)
    expect(received.map(({ samples }) => samples)).toEqual([['g 1@1']])
  })

  test('attributes in another order are the same series', async () => {
    const { write, received, dropped } = await setUp()
    await write(batch(gauge('g', point(1, 1, { a: '1', b: '2' }), point(2, 1, { b: '2', a: '1' }))))
    expect(received[0]!.samples).toEqual(['g 1@1'])
    expect(dropped('duplicate')).toBe(1)
  })
})
