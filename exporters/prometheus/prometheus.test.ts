import { Batch } from '../../proto/batch.js'
import { type Family, readExposition } from '../../proto/exposition/read.js'
import { labelName, metricName } from '../../proto/prometheus/names.js'
import { encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import { attributes as pairs } from '../../proto/testing/values.js'
import { harness } from '../../runtime/testing/harness.js'
import prometheus from './index.js'

describe('names', () => {
  test.each<[string, string, 'gauge' | 'counter' | 'other', string]>([
    ['DCGM_FI_DEV_GPU_UTIL', '%', 'gauge', 'DCGM_FI_DEV_GPU_UTIL'],
    ['DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 'mJ', 'counter', 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION'],
    ['vllm:prompt_tokens_total', '', 'counter', 'vllm:prompt_tokens_total'],
    ['vllm:time_to_first_token_seconds', 's', 'other', 'vllm:time_to_first_token_seconds'],
    ['ai_factory.gpu.energy', 'J', 'counter', 'ai_factory_gpu_energy_joules_total'],
    ['ai_factory.gpu.utilization', '1', 'gauge', 'ai_factory_gpu_utilization_ratio'],
    ['ai_factory.slo.requests', '{request}', 'counter', 'ai_factory_slo_requests_total'],
    ['ai_factory.slo.target', '1', 'gauge', 'ai_factory_slo_target_ratio'],
    ['system.network.io', 'By/s', 'gauge', 'system_network_io_bytes_per_second'],
    ['http.server.request.duration', 's', 'other', 'http_server_request_duration_seconds'],
    ['request.duration.seconds', 's', 'other', 'request_duration_seconds'],
    ['2xx.count', '', 'gauge', '_2xx_count'],
    ['jobs.total', '', 'counter', 'jobs_total'],
  ])('%s %s as %s', (name, unit, kind, expected) => {
    expect(metricName(name, unit, kind, '')).toBe(expected)
  })

  test('a namespace goes before what was translated; labels are letters, digits and underscores', () => {
    expect(metricName('a.b', '', 'gauge', 'gw')).toBe('gw_a_b')
    expect(metricName('a_b', '', 'gauge', 'gw')).toBe('a_b')
    expect(['k8s.pod.name', '1st', 'a:b'].map(key => labelName(key))).toEqual(['k8s_pod_name', 'key_1st', 'a_b'])
  })
})

const T0 = 1_700_000_000
const nanos = (second: number) => `${T0 + second}000000000`
const point = (value: number, labels: Record<string, string> = {}, at = 1, more: Plain = {}): Plain =>
  ({ timeUnixNano: nanos(at), asDouble: value, attributes: pairs(labels), ...(more as object) }) as Plain
const gauge = (name: string, ...dataPoints: Plain[]): Plain => ({ name, gauge: { dataPoints } })
const sum = (name: string, aggregationTemporality: number, ...dataPoints: Plain[]): Plain => ({
  name,
  sum: { dataPoints, aggregationTemporality, isMonotonic: true },
})
const histogram = (name: string, aggregationTemporality: number, counts: readonly number[], bounds: readonly number[], at = 1): Plain => ({
  name,
  histogram: {
    aggregationTemporality,
    dataPoints: [
      {
        timeUnixNano: nanos(at),
        count: String(counts.reduce((a, b) => a + b, 0)),
        sum: 1.5,
        bucketCounts: counts.map(String),
        explicitBounds: [...bounds],
      },
    ],
  },
})
const batch = (metrics: readonly Plain[], resource: Record<string, string> = {}): Batch => {
  const bytes = encode(requestType('metrics'), {
    resourceMetrics: [{ resource: { attributes: pairs(resource) }, scopeMetrics: [{ metrics: [...metrics] }] }],
  })
  return Batch.of('metrics', [bytes], metrics.length)
}

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})
const setUp = async (written: object = {}) => {
  const { context, meter, clock, log } = harness('prometheus')
  const instance = prometheus.create(prometheus.config.parse({ endpoint: '127.0.0.1:0', ...written }), context)
  await instance.start?.()
  open.push(async () => instance.stop?.(AbortSignal.timeout(1000)))
  const { port } = log.lines.find(({ message }) => message === 'listening')!.fields as { port: number }
  const get = (accept = '') => fetch(`http://127.0.0.1:${port}/metrics`, { headers: { accept } })
  const scrape = async (): Promise<Family[]> => readExposition(Buffer.from(await (await get()).arrayBuffer()), 'text')
  const dropped = (reason: string) => meter.sum('ai_factory_gateway_dropped_items', { reason })
  return { take: (...args: Parameters<typeof batch>) => instance.consume(batch(...args)), scrape, get, clock, dropped }
}
/** `name{label="value"} value` of every sample. */
const lines = (families: readonly Family[]): string[] =>
  families.flatMap(({ samples }) =>
    samples.map(({ name, labels, value }) => `${name}{${labels.map(each => `${each.name}=${each.value}`).join()}} ${value}`),
  )

describe('the page', () => {
  test('job and instance are the service; what the point says goes before its resource; the workload is a label', async () => {
    const { take, scrape } = await setUp({ const_labels: { cluster: 'eu' } })
    await take([gauge('up', point(1, { cluster: 'own', 'k8s.pod': 'p', empty: '' }))], {
      'service.name': 'vllm',
      'service.namespace': 'prod',
      'service.instance.id': 'node:8000',
      'ai_factory.workload.id': 'prod/chat',
      'host.name': 'not asked for',
    })
    expect(lines(await scrape())).toEqual(['up{ai_factory_workload_id=prod/chat,cluster=own,instance=node:8000,job=prod/vllm,k8s_pod=p} 1'])
  })

  test('the latest value counts; what is older than the last is left out, and a staleness marker ends a series', async () => {
    const { take, scrape, dropped } = await setUp()
    await take([gauge('g', point(1, { a: 'x' }, 5), point(1, { a: 'y' }, 5))])
    await take([gauge('g', point(2, { a: 'x' }, 6))])
    await take([gauge('g', point(3, { a: 'x' }, 4))])
    expect(lines(await scrape())).toEqual(['g{a=x} 2', 'g{a=y} 1'])
    expect(dropped('out_of_order')).toBe(1)
    await take([gauge('g', point(0, { a: 'y' }, 7, { flags: 1 }))])
    expect(lines(await scrape())).toEqual(['g{a=x} 2'])
  })

  test('deltas add up, totals replace; buckets are written as those below each bound', async () => {
    const { take, scrape } = await setUp()
    for (const at of [1, 2])
      await take([sum('d_total', 1, point(2, {}, at)), sum('c_total', 2, point(5, {}, at)), histogram('h', 1, [1, 2, 3], [0.1, 1], at)])
    const families = await scrape()
    expect(families.map(({ name, type }) => `${name} ${type}`)).toEqual(['c_total counter', 'd_total counter', 'h histogram'])
    expect(lines(families)).toEqual([
      'c_total{} 5',
      'd_total{} 4',
      'h_bucket{le=0.1} 2',
      'h_bucket{le=1} 6',
      'h_bucket{le=+Inf} 12',
      'h_sum{} 3',
      'h_count{} 12',
    ])
  })

  test('a delta that is sent again adds nothing, and what goes up and down is summed too', async () => {
    const { take, scrape } = await setUp()
    for (const at of [1, 2, 2]) await take([sum('d_total', 1, point(2, {}, at))])
    const upDown = (at: number, value: number): Plain => ({
      name: 'active',
      sum: { dataPoints: [point(value, {}, at)], aggregationTemporality: 1, isMonotonic: false },
    })
    for (const [at, value] of [
      [1, 5],
      [2, -2],
    ] as const)
      await take([upDown(at, value)])
    expect(lines(await scrape())).toEqual(['active{} 3', 'd_total{} 4'])
  })

  test('buckets that change their bounds begin anew', async () => {
    const { take, scrape } = await setUp()
    await take([histogram('h', 1, [1, 2], [0.1])])
    await take([histogram('h', 1, [4, 5], [0.2], 2)])
    expect(lines(await scrape())).toEqual(['h_bucket{le=0.2} 4', 'h_bucket{le=+Inf} 9', 'h_sum{} 1.5', 'h_count{} 9'])
  })

  test('what was not told for metric_expiration is forgotten', async () => {
    const { take, scrape, clock } = await setUp({ metric_expiration: '1m' })
    await take([gauge('old', point(1))])
    await clock.advance(40_000)
    await take([gauge('new', point(1))])
    await clock.advance(30_000)
    expect(lines(await scrape())).toEqual(['new{} 1'])
  })

  test('budgets: of one metric, and of all; what is known goes on', async () => {
    const { take, scrape, dropped } = await setUp({ cardinality_limit: 2, max_series: 3 })
    await take([gauge('a', ...['1', '2', '3'].map(id => point(1, { id }))), gauge('b', point(1, { id: '1' }), point(1, { id: '2' }))])
    await take([gauge('a', point(9, { id: '2' }, 2))])
    expect(lines(await scrape())).toEqual(['a{id=1} 1', 'a{id=2} 9', 'b{id=1} 1'])
    expect([dropped('cardinality_limit'), dropped('max_series')]).toEqual([1, 1])
  })

  test('one name is of one type; an exponential histogram has no form here, a point without a value no meaning', async () => {
    const { take, scrape, dropped } = await setUp()
    await take([
      gauge('x', point(1)),
      sum('x', 2, point(2)),
      {
        name: 'e',
        exponentialHistogram: { aggregationTemporality: 2, dataPoints: [{ timeUnixNano: nanos(1), count: '1', sum: 1, scale: 0 }] },
      },
      gauge('n', { timeUnixNano: nanos(1) }),
    ])
    expect(lines(await scrape())).toEqual(['x{} 1'])
    expect(['type_conflict', 'exponential_histogram', 'no_value'].map(dropped)).toEqual([1, 1, 1])
  })

  test('OpenMetrics for who asks for it; a counter without _total is of no type there', async () => {
    const { take, get } = await setUp({ send_timestamps: true, enable_open_metrics: true })
    await take([sum('a_total', 2, point(1, {}, 7)), sum('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', 2, point(2, {}, 7))])
    const response = await get('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')
    expect(response.headers.get('content-type')).toContain('application/openmetrics-text')
    const families = readExposition(Buffer.from(await response.arrayBuffer()), 'openmetrics')
    expect(families.map(({ name, type }) => `${name} ${type}`)).toEqual(['DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION unknown', 'a counter'])
    expect(families.flatMap(({ samples }) => samples.map(({ timestamp }) => timestamp))).toEqual([(T0 + 7) * 1000, (T0 + 7) * 1000])
  })
})
