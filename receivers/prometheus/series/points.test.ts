/** What becomes of samples: points, their kinds, times, labels. */
import type { Plain } from '../../../proto/testing/oracle.js'
import { relabelOptions } from '../relabel/options.js'
import { attributes, scrape, T, target, values } from '../testing/one_target.js'

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

test('exemplars of buckets stand on their histogram, those of other scrapes are gone, ids of a foreign width stay attributes', async () => {
  const series = target()
  const ids = { trace_id: '0af7651916cd43dd8448eb211c80319c', span_id: 'b7ad6b7169203331' }
  const body = (first: string, last: string) =>
    `# TYPE h histogram\nh_bucket{le="1"} 2${first}\nh_bucket{le="+Inf"} 3${last}\nh_count 3\nh_sum 2\n# EOF\n`
  const exemplars = async (first: string, last: string, at: number) =>
    (await scrape(series, body(first, last), at, 'openmetrics')).metrics.h.points[0].exemplars
  const both = await exemplars(
    ` # {trace_id="${ids.trace_id}",span_id="${ids.span_id}"} 0.5 1700000000.25`,
    ' # {trace_id="abc",user="x"} 7',
    0,
  )
  expect(both).toEqual([
    {
      timeUnixNano: '1700000000250000000',
      asDouble: 0.5,
      traceId: Buffer.from(ids.trace_id, 'hex'),
      spanId: Buffer.from(ids.span_id, 'hex'),
    },
    {
      timeUnixNano: `${T}000000`,
      asDouble: 7,
      filteredAttributes: [
        { key: 'trace_id', value: { stringValue: 'abc' } },
        { key: 'user', value: { stringValue: 'x' } },
      ],
    },
  ])
  expect(await exemplars('', ' # {} 8', 1000)).toEqual([{ timeUnixNano: `${T + 1000}000000`, asDouble: 8 }])
  expect(await exemplars('', '', 2000)).toBeUndefined()
})

test('an exemplar of an impossible time is left out and counted; its point stays', async () => {
  const series = target()
  const body = (time: string) => `# TYPE c counter\nc_total 4 # {a="b"} 1 ${time}\n# EOF\n`
  for (const [index, time] of ['-5', '1e300', '0'].entries()) {
    const { metrics } = await scrape(series, body(time), index * 1000, 'openmetrics')
    expect(metrics.c_total.points).toMatchObject([{ asDouble: 4 }])
    expect(metrics.c_total.points[0].exemplars).toBeUndefined()
    expect(series.unfitExemplars).toBe(1)
  }
  await scrape(series, body('1700000000'), 5000, 'openmetrics')
  expect(series.unfitExemplars).toBe(0)
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
