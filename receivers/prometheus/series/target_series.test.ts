import type { Batch } from '../../../proto/batch.js'
import type { Format } from '../../../proto/exposition/cursor.js'
import { decode, type Plain, requestType } from '../../../proto/testing/oracle.js'
import { relabelOptions } from '../relabel/options.js'
import { Turns } from '../turns.js'
import type { SeriesOptions } from './line.js'
import { type Sending, TargetSeries } from './target_series.js'

const T = 1_700_000_000_000
const options = (changes: Partial<SeriesOptions> = {}): SeriesOptions => ({
  labels: new Map([
    ['job', 'gpu'],
    ['instance', 'node-1:9400'],
    ['rack', 'r7'],
  ]),
  server: { address: 'node-1', port: '9400', scheme: 'http' },
  honor_labels: false,
  honor_timestamps: true,
  track_timestamps_staleness: false,
  metric_relabel_configs: [],
  external_labels: new Map(),
  sample_limit: 1000,
  label_limit: 20,
  label_name_length_limit: 64,
  label_value_length_limit: 128,
  ...changes,
})
const turns = new Turns({ monotonic: () => 0 })
const target = (changes?: Partial<SeriesOptions>): TargetSeries => new TargetSeries(options(changes), turns, 7)

const attributes = (list: Plain[] = []): Record<string, string> => Object.fromEntries(list.map(each => [each.key, each.value.stringValue]))
const ms = (nanos: string | undefined): number => Number(BigInt(nanos ?? 0) / 1_000_000n)
/** A batch as {metric: points}, times relative to T; the series on the scrape itself apart. */
const read = (batch: Batch): { metrics: Record<string, Plain>; all: Plain; resource: Record<string, string> } => {
  const request = decode(requestType('metrics'), Buffer.concat(batch.slices))
  let items = 0
  const metrics: Record<string, Plain> = {}
  for (const group of request.resourceMetrics)
    for (const scope of group.scopeMetrics)
      for (const metric of scope.metrics) {
        const kind = ['gauge', 'sum', 'histogram', 'summary'].find(each => metric[each])!
        const points = metric[kind].dataPoints.map((point: Plain) => {
          items++
          const { startTimeUnixNano, timeUnixNano, attributes: list, ...rest } = point
          return {
            ...(startTimeUnixNano && { start: ms(startTimeUnixNano) - T }),
            time: ms(timeUnixNano) - T,
            attributes: attributes(list),
            ...rest,
          }
        })
        metrics[metric.name] = { ...metric, kind, [kind]: { ...metric[kind], dataPoints: undefined }, points }
      }
  expect(items).toBe(batch.items)
  return { metrics, all: request, resource: attributes(request.resourceMetrics[0].resource.attributes) }
}
const scrape = async (series: TargetSeries, body: string, at = 0, format: Format = 'text') => {
  series.begin(T + at)
  let sending: Sending
  let error: unknown
  try {
    series.read(format)
    // In pieces, as a network would.
    for (let i = 0; i < body.length; i += 37) series.feed(Buffer.from(body.slice(i, i + 37)))
    series.end(false)
    sending = await series.finish(20)
  } catch (caught) {
    error = caught
    sending = await series.fail(20)
  }
  return { ...read(await sending.write()), error }
}
/** Values of one metric, in order. */
const values = (metrics: Record<string, Plain>, name: string): unknown[] | undefined =>
  metrics[name]?.points.map((point: Plain) => (point.flags === 1 ? 'gone' : (point.asDouble ?? point.count)))

const DCGM = [
  '# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).',
  '# TYPE DCGM_FI_DEV_GPU_UTIL gauge',
  'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-a",pod="vllm-0"} 93',
  'DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-b",pod=""} 0',
  '# TYPE DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION counter',
  'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a",pod="vllm-0"} 123456789.5',
  '',
].join('\n')

test('gauges and counters carry target labels, the job as resource, and the series on the scrape itself', async () => {
  const { metrics, resource, all } = await scrape(target(), DCGM)
  expect(resource).toEqual({
    'service.name': 'gpu',
    'service.instance.id': 'node-1:9400',
    'server.address': 'node-1',
    'server.port': '9400',
    'url.scheme': 'http',
  })
  expect(metrics.DCGM_FI_DEV_GPU_UTIL).toMatchObject({
    kind: 'gauge',
    description: 'GPU utilization (in %).',
    metadata: [{ key: 'prometheus.type', value: { stringValue: 'gauge' } }],
    points: [
      { time: 0, asDouble: 93, attributes: { gpu: '0', UUID: 'GPU-a', pod: 'vllm-0', rack: 'r7' } },
      { time: 0, asDouble: 0, attributes: { gpu: '1', UUID: 'GPU-b', rack: 'r7' } },
    ],
  })
  expect(metrics.DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION).toMatchObject({
    kind: 'sum',
    sum: { aggregationTemporality: 2, isMonotonic: true },
    points: [{ start: 0, time: 0, asDouble: 123456789.5 }],
  })
  expect(Object.fromEntries(Object.keys(metrics).map(name => [name, values(metrics, name)]))).toMatchObject({
    up: [1],
    scrape_duration_seconds: [0.02],
    scrape_samples_scraped: [3],
    scrape_samples_post_metric_relabeling: [3],
    scrape_series_added: [3],
  })
  expect(metrics.up.points[0].attributes).toEqual({ rack: 'r7' })
  expect(all.resourceMetrics).toHaveLength(1)
  expect(all.resourceMetrics[0].scopeMetrics).toHaveLength(1)
})

test('a histogram becomes one point: counts of their own, the bound of everything dropped, start kept', async () => {
  const series = target()
  const body = (low: number, all: number) =>
    [
      '# TYPE vllm:time_to_first_token_seconds histogram',
      `vllm:time_to_first_token_seconds_bucket{model_name="m",le="0.1"} ${low}`,
      `vllm:time_to_first_token_seconds_bucket{model_name="m",le="+Inf"} ${all}`,
      `vllm:time_to_first_token_seconds_bucket{model_name="m",le="0.5"} ${low + 1}`,
      `vllm:time_to_first_token_seconds_count{model_name="m"} ${all}`,
      `vllm:time_to_first_token_seconds_sum{model_name="m"} 1.5`,
      '',
    ].join('\n')
  const first = (await scrape(series, body(3, 5))).metrics['vllm:time_to_first_token_seconds']
  expect(first).toMatchObject({
    kind: 'histogram',
    unit: 's',
    histogram: { aggregationTemporality: 2 },
    points: [
      {
        start: 0,
        time: 0,
        count: '5',
        sum: 1.5,
        bucketCounts: ['3', '1', '1'],
        explicitBounds: [0.1, 0.5],
        attributes: { model_name: 'm', rack: 'r7' },
      },
    ],
  })
  expect((await scrape(series, body(4, 6), 1000)).metrics['vllm:time_to_first_token_seconds'].points).toMatchObject([
    { start: 0, time: 1000, bucketCounts: ['4', '1', '1'] },
  ])
  // A reset that the count hides and a bucket shows.
  expect((await scrape(series, body(1, 9), 2000)).metrics['vllm:time_to_first_token_seconds'].points).toMatchObject([
    { start: 1000, time: 2000, bucketCounts: ['1', '1', '7'] },
  ])
})

test('a histogram without buckets, without sum, without count, or with counts that do not add up', async () => {
  const series = target()
  const { metrics } = await scrape(
    series,
    '# TYPE a histogram\na_count 5\n# TYPE b histogram\nb_bucket{le="1"} 1\nb_sum 2\n# TYPE c histogram\nc_bucket{le="1"} 3\nc_bucket{le="2"} 2\nc_count 3\n' +
      '# TYPE d histogram\nd_bucket{le="1"} 3\nd_count 2\n# TYPE e histogram\ne_bucket{le="+Inf"} 3\ne_count 3\n',
  )
  expect(metrics.a.points).toEqual([{ start: 0, time: 0, count: '5', attributes: { rack: 'r7' } }])
  expect(metrics.e.points).toEqual([{ start: 0, time: 0, count: '3', bucketCounts: ['3'], attributes: { rack: 'r7' } }])
  expect([metrics.b, metrics.c, metrics.d]).toEqual([undefined, undefined, undefined])
  expect(Object.fromEntries(series.unfit)).toEqual({ no_count: 1, inconsistent_histogram: 2 })
})

test('a summary keeps its quantiles, without those that have no value', async () => {
  const { metrics } = await scrape(
    target(),
    '# TYPE rpc_duration_seconds summary\nrpc_duration_seconds{quantile="0.5"} 0.2\nrpc_duration_seconds{quantile="0.9"} NaN\nrpc_duration_seconds_sum 17\nrpc_duration_seconds_count 20\n',
  )
  expect(metrics.rpc_duration_seconds).toMatchObject({
    kind: 'summary',
    points: [{ start: 0, time: 0, count: '20', sum: 17, quantileValues: [{ quantile: 0.5, value: 0.2 }] }],
  })
})

test('a counter that falls gets a new start: the last time it was seen, so that nothing since is lost', async () => {
  const series = target()
  const body = (value: number) => `# TYPE c_total counter\nc_total ${value}\n`
  const points = async (value: number, at: number) => (await scrape(series, body(value), at)).metrics.c_total.points
  expect(await points(5, 0)).toMatchObject([{ start: 0, time: 0, asDouble: 5 }])
  expect(await points(7, 1000)).toMatchObject([{ start: 0, time: 1000, asDouble: 7 }])
  expect(await points(2, 2000)).toMatchObject([{ start: 1000, time: 2000, asDouble: 2 }])
  expect(await points(2, 3000)).toMatchObject([{ start: 1000, time: 3000, asDouble: 2 }])
})

test('OpenMetrics: created is the start, units, exemplars with ids, info and stateset as sums, target_info as resource', async () => {
  const { metrics, resource } = await scrape(
    target(),
    [
      '# TYPE target info',
      'target_info{version="2"} 1',
      '# TYPE req counter',
      '# UNIT req seconds',
      'req_total 4 # {trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331",user="x"} 0.5 1700000000.5',
      'req_created 1699999990',
      '# TYPE build info',
      'build_info{v="1"} 1',
      '# TYPE mode stateset',
      'mode{mode="a"} 1',
      'mode{mode="b"} 0',
      '# EOF',
      '',
    ].join('\n'),
    0,
    'openmetrics',
  )
  expect(resource).toMatchObject({ 'service.name': 'gpu', version: '2' })
  expect(metrics.target_info).toBeUndefined()
  expect(metrics.req_total).toMatchObject({ kind: 'sum', unit: 's', points: [{ start: -10_000, time: 0, asDouble: 4 }] })
  expect(metrics.req_total.points[0].exemplars).toMatchObject([
    { timeUnixNano: '1700000000500000000', asDouble: 0.5, filteredAttributes: [{ key: 'user', value: { stringValue: 'x' } }] },
  ])
  expect(metrics.req_total.points[0].exemplars[0].traceId.toString('hex')).toBe('0af7651916cd43dd8448eb211c80319c')
  expect(metrics.req_total.points[0].exemplars[0].spanId.toString('hex')).toBe('b7ad6b7169203331')
  expect(metrics.build_info).toMatchObject({ kind: 'sum', sum: { aggregationTemporality: 2 }, points: [{ asDouble: 1 }] })
  expect(metrics.build_info.sum.isMonotonic).toBeUndefined()
  expect(values(metrics, 'mode')).toEqual([1, 0])
})

test('a series that vanishes is declared gone, once, and may come back', async () => {
  const series = target()
  const two = 'a{x="1"} 1\na{x="2"} 2\n'
  await scrape(series, two)
  const second = await scrape(series, 'a{x="2"} 3\n', 1000)
  expect(second.metrics.a.points).toEqual([
    { time: 1000, asDouble: 3, attributes: { x: '2', rack: 'r7' } },
    { time: 1000, flags: 1, attributes: { x: '1', rack: 'r7' } },
  ])
  expect(values((await scrape(series, 'a{x="2"} 4\n', 2000)).metrics, 'a')).toEqual([4])
  expect(values((await scrape(series, two, 3000)).metrics, 'a')).toEqual([1, 2])
})

test('nothing of a broken scrape counts; every series is gone, then back with the start it had', async () => {
  const series = target()
  const good = '# TYPE c counter\nc{x="1"} 5\n# TYPE g gauge\ng 1\n'
  await scrape(series, good)
  const broken = await scrape(series, '# TYPE c counter\nc{x="1"} 9\nnew{y="1"} 2\nbroken line\n', 1000)
  expect(String(broken.error)).toContain('line 4')
  expect(values(broken.metrics, 'c')).toEqual(['gone'])
  expect(values(broken.metrics, 'g')).toEqual(['gone'])
  expect(values(broken.metrics, 'up')).toEqual([0])
  expect(broken.metrics.new).toBeUndefined()
  expect(series.size).toBe(2)
  const again = await scrape(series, '# TYPE c counter\nc{x="1"} 6\n', 2000)
  expect(again.metrics.c.points).toMatchObject([{ start: 0, time: 2000, asDouble: 6 }])
  expect(again.metrics.g).toBeUndefined()
  expect(values(again.metrics, 'up')).toEqual([1])
})

test('a target that goes declares everything gone, the series on its scrapes too', async () => {
  const series = target()
  expect(await series.vanish(T)).toBeUndefined()
  await scrape(series, 'a 1\n')
  const { metrics } = read(await (await series.vanish(T + 1000))!.write())
  expect(Object.keys(metrics).sort()).toEqual([
    'a',
    'scrape_duration_seconds',
    'scrape_samples_post_metric_relabeling',
    'scrape_samples_scraped',
    'scrape_series_added',
    'up',
  ])
  for (const name of Object.keys(metrics)) expect(values(metrics, name)).toEqual(['gone'])
})

test('order, inserted and moved lines make no difference', async () => {
  const series = target()
  await scrape(series, 'a 1\nb 2\nc 3\nd 4\n')
  const { metrics } = await scrape(series, 'd 5\nx 9\na 6\n\nc 7\nb 8\n', 1000)
  for (const [name, value] of Object.entries({ d: 5, x: 9, a: 6, c: 7, b: 8 })) expect(values(metrics, name)).toEqual([value])
  expect(values(metrics, 'scrape_series_added')).toEqual([1])
})

test('a family whose type changes is gone as what it was and starts anew', async () => {
  const series = target()
  await scrape(series, '# TYPE a gauge\na 1\n')
  const { all } = await scrape(series, '# TYPE a counter\na 2\n', 1000)
  const [first, second] = all.resourceMetrics[0].scopeMetrics[0].metrics.filter((metric: Plain) => metric.name === 'a')
  expect([first, second].map(metric => (metric.sum ? 'sum' : metric.gauge ? 'gauge' : '?')).sort()).toEqual(['gauge', 'sum'])
  const { metrics } = await scrape(series, '# TYPE a counter\na 3\n', 2000)
  expect(metrics.a).toMatchObject({ kind: 'sum', points: [{ start: 1000, time: 2000, asDouble: 3 }] })
})

test('histogram lines that nobody declared are gauges, until somebody does', async () => {
  const series = target()
  const lines = 'h_bucket{le="1"} 1\nh_count 2\nh_sum 3\n'
  const first = await scrape(series, lines)
  expect(first.metrics.h_bucket).toMatchObject({ kind: 'gauge', points: [{ asDouble: 1, attributes: { le: '1', rack: 'r7' } }] })
  const second = await scrape(series, `# TYPE h histogram\n${lines}`, 1000)
  expect(second.metrics.h).toMatchObject({ kind: 'histogram', points: [{ count: '2', bucketCounts: ['1', '1'] }] })
  expect(values(second.metrics, 'h_bucket')).toEqual(['gone'])
})

test('labels that clash with the target’s are renamed, or honoured', async () => {
  const body = 'a{job="own",rack="r1",exported_rack="x"} 1\n'
  expect((await scrape(target(), body)).metrics.a.points[0].attributes).toEqual({
    exported_job: 'own',
    rack: 'r7',
    exported_exported_rack: 'r1',
    exported_rack: 'x',
  })
  const honoured = await scrape(target({ honor_labels: true }), body)
  expect(honoured.metrics.a.points[0].attributes).toEqual({ rack: 'r1', exported_rack: 'x' })
  // Another job is another resource.
  expect(honoured.all.resourceMetrics.map((group: Plain) => attributes(group.resource.attributes)['service.name'])).toEqual(['own', 'gpu'])
})

test('own timestamps are honoured, and then nothing is declared gone; or ignored', async () => {
  const body = `a 1 ${T - 5000}\n`
  const series = target()
  expect((await scrape(series, body)).metrics.a.points).toMatchObject([{ time: -5000 }])
  expect((await scrape(series, 'b 1\n', 1000)).metrics.a).toBeUndefined()
  expect((await scrape(target({ honor_timestamps: false }), body)).metrics.a.points).toMatchObject([{ time: 0 }])
  const tracking = target({ track_timestamps_staleness: true })
  await scrape(tracking, body)
  expect(values((await scrape(tracking, 'b 1\n', 1000)).metrics, 'a')).toEqual(['gone'])
  const ahead = target()
  expect((await scrape(ahead, `a 1 ${T + 3_600_000}\nb 1 0\n`)).metrics.a).toBeUndefined()
  expect(Object.fromEntries(ahead.unfit)).toEqual({ out_of_bounds: 2 })
})

test('NaN is no value, infinities are', async () => {
  const series = target()
  await scrape(series, 'a 1\nb 1\n')
  const { metrics } = await scrape(series, 'a NaN\nb +Inf\n', 1000)
  expect(values(metrics, 'a')).toEqual(['gone'])
  expect(values(metrics, 'b')).toEqual([Number.POSITIVE_INFINITY])
})

test('metric relabelling drops, renames and is asked once a series', async () => {
  const series = target({
    metric_relabel_configs: [
      { source_labels: ['__name__'], regex: 'DCGM_FI_DEV_GPU_UTIL', action: 'drop' },
      { source_labels: ['__name__'], regex: 'DCGM_FI_DEV_(.*)', target_label: '__name__', replacement: 'gpu_$1' },
      { regex: 'pod', action: 'labeldrop' },
      { target_label: '__tmp', replacement: 'x' },
    ].map(rule => relabelOptions.parse(rule)),
  })
  for (const at of [0, 1000]) {
    const { metrics } = await scrape(series, DCGM, at)
    expect(metrics.gpu_TOTAL_ENERGY_CONSUMPTION).toMatchObject({
      kind: 'sum',
      points: [{ attributes: { gpu: '0', UUID: 'GPU-a', rack: 'r7' } }],
    })
    expect(metrics.DCGM_FI_DEV_GPU_UTIL).toBeUndefined()
    expect(values(metrics, 'scrape_samples_scraped')).toEqual([3])
    expect(values(metrics, 'scrape_samples_post_metric_relabeling')).toEqual([1])
  }
})

test('scope labels become the scope', async () => {
  const { all } = await scrape(target(), 'a{otel_scope_name="lib",otel_scope_version="1",otel_scope_x="y",b="c"} 1\n')
  const scope = all.resourceMetrics[0].scopeMetrics.find((each: Plain) => each.scope.name === 'lib')
  expect(scope.scope).toMatchObject({ version: '1', attributes: [{ key: 'x', value: { stringValue: 'y' } }] })
  expect(attributes(scope.metrics[0].gauge.dataPoints[0].attributes)).toEqual({ b: 'c', rack: 'r7' })
})

test('external labels are added where the series has none of that name', async () => {
  const { metrics } = await scrape(
    target({
      external_labels: new Map([
        ['cluster', 'a'],
        ['rack', 'other'],
      ]),
    }),
    'a 1\n',
  )
  expect(metrics.a.points[0].attributes).toEqual({ cluster: 'a', rack: 'r7' })
  expect(metrics.up.points[0].attributes).toEqual({ cluster: 'a', rack: 'r7' })
})

test.each<[string, string, string, Partial<SeriesOptions>]>([
  ['a repeated series', 'a 1\na 2\n', 'duplicate_series', {}],
  ['a series repeated with its labels in another order', 'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', 'duplicate_series', {}],
  [
    'series that relabelling makes equal',
    'a{x="1"} 1\na{x="2"} 2\n',
    'duplicate_series',
    { metric_relabel_configs: [relabelOptions.parse({ regex: 'x', action: 'labeldrop' })] },
  ],
  ['a repeated bucket', '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1.0"} 1\n', 'duplicate_series', {}],
  ['too many samples', 'a 1\nb 2\nc 3\n', 'sample_limit', { sample_limit: 2 }],
  ['too many families', '# TYPE a gauge\n# TYPE b gauge\n# TYPE c gauge\n', 'sample_limit', { sample_limit: 2 }],
  ['too many labels', 'a{b="1",c="2"} 1\n', 'label_limit', { label_limit: 3 }],
  ['a label name too long', 'a{bbbbbbbbb="1"} 1\n', 'label_limit', { label_name_length_limit: 8 }],
  ['a label value too long', 'a{b="éééé"} 1\n', 'label_limit', { label_value_length_limit: 7 }],
  ['a bucket without bound', '# TYPE h histogram\nh_bucket 1\n', 'malformed', {}],
  [
    'a series left without a name',
    'a 1\n',
    'malformed',
    { metric_relabel_configs: [relabelOptions.parse({ target_label: '__name__', replacement: '' })] },
  ],
])('%s fails the scrape', async (_, body, reason, changes) => {
  const series = target(changes)
  const { error, metrics } = await scrape(series, body)
  expect(error).toMatchObject({ reason })
  expect(values(metrics, 'up')).toEqual([0])
  expect(Object.keys(metrics)).toHaveLength(5)
  expect(series.size).toBe(0)
})

test('a body that stops in the middle is no exposition', async () => {
  expect((await scrape(target(), 'a 1\nb 2')).error).toMatchObject({ reason: 'truncated' })
  expect((await scrape(target(), 'a 1\n', 0, 'openmetrics')).error).toMatchObject({ reason: 'truncated' })
})

test('series that come and go leave nothing behind', async () => {
  const series = target()
  for (let round = 0; round < 20; round++) {
    const body = Array.from({ length: 20 }, (_, i) => `m${round}_${i}{pod="p${round}"} ${i}`).join('\n')
    await scrape(series, `${body}\n`, round * 1000)
    // A broken one with as many new series.
    await scrape(series, `${body.replaceAll('m', 'n')}\nbroken\n`, round * 1000 + 500)
  }
  expect(series.size).toBe(20)
})
