/** Against a real Prometheus: what was written is read back by PromQL. */
import { Batch } from '../../proto/batch.js'
import { encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import { attributes as pairs } from '../../proto/testing/values.js'
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import { describePrometheus, Prometheus } from '../../test/support/prometheus.js'
import exporter from './index.js'

const nanos = (millis: number) => `${millis}000000`
const scraped = (type: string): Plain[] => pairs({ 'prometheus.type': type })

const RESOURCE = { 'service.name': 'vllm', 'service.namespace': 'prod', 'service.instance.id': 'node-1:8000', 'host.name': 'node-1' }
const TRACE = '0102030405060708090a0b0c0d0e0f10'

/** Everything that OTLP can say, at `time`. */
const metrics = (time: number): Plain[] => {
  const at = { timeUnixNano: nanos(time), startTimeUnixNano: nanos(time - 60_000) }
  const exemplar = {
    timeUnixNano: nanos(time - 500),
    asDouble: 0.7,
    traceId: Buffer.from(TRACE, 'hex'),
    spanId: Buffer.from('0102030405060708', 'hex'),
  }
  return [
    {
      name: 'vllm:num_requests_running',
      gauge: { dataPoints: [{ ...at, asDouble: 3, attributes: pairs({ model_name: 'llama' }) }] },
      metadata: scraped('gauge'),
    },
    {
      name: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
      unit: 'mJ',
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [{ ...at, asDouble: 123_456, attributes: pairs({ UUID: 'GPU-1', gpu: '0' }) }],
      },
      metadata: scraped('counter'),
    },
    {
      name: 'ai_factory.gpu.energy',
      unit: 'J',
      description: 'Energy.',
      sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [{ ...at, asInt: '77', exemplars: [exemplar] }] },
    },
    {
      name: 'vllm:time_to_first_token_seconds',
      unit: 's',
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ ...at, count: '6', sum: 4.5, bucketCounts: ['1', '2', '3'], explicitBounds: [0.5, 1], exemplars: [exemplar] }],
      },
      metadata: scraped('histogram'),
    },
    {
      name: 'rpc.duration',
      unit: 's',
      exponentialHistogram: {
        aggregationTemporality: 2,
        dataPoints: [
          {
            ...at,
            count: '10',
            sum: 20,
            scale: 0,
            zeroCount: '1',
            positive: { offset: 0, bucketCounts: ['2', '0', '0', '0', '0', '3'] },
            negative: { offset: 1, bucketCounts: ['4'] },
          },
        ],
      },
    },
    {
      name: 'gc.pause',
      unit: 's',
      summary: { dataPoints: [{ ...at, count: '4', sum: 2, quantileValues: [{ quantile: 0.5, value: 0.25 }] }] },
    },
  ]
}
const batchOf = (list: readonly Plain[]): Batch => {
  const bytes = encode(requestType('metrics'), {
    resourceMetrics: [{ resource: { attributes: pairs(RESOURCE) }, scopeMetrics: [{ metrics: [...list] }] }],
  })
  return Batch.of('metrics', [bytes], list.length)
}

describePrometheus('remote write to a real Prometheus', () => {
  let prometheus: Prometheus
  beforeAll(async () => {
    prometheus = await Prometheus.start()
  }, 30_000)
  afterAll(() => prometheus?.stop())

  const writer = async (written: object) => {
    const clock = new SystemClock()
    const { context, meter, log } = harness('prometheus_remote_write', { clock })
    const instance = exporter.create(
      exporter.config.parse({ endpoint: `${prometheus.url}/api/v1/write`, retry_on_failure: { enabled: false }, ...written }),
      context,
    )
    await instance.start?.()
    return { write: instance.consume, stop: () => instance.stop?.(AbortSignal.timeout(1000)), meter, log }
  }

  describe.each([1, 2] as const)('by version %i', protocol => {
    const cluster = `v${protocol}`
    const time = Date.now() - 5_000
    /** Labels without the one that keeps the versions apart, and the value. */
    const read = async (name: string, at = time + 1_000) =>
      (await prometheus.query(`{__name__="${name}",cluster="${cluster}"}`, at)).map(({ metric, value }) => {
        const { __name__, cluster, job, instance, ...rest } = metric
        expect([job, instance]).toEqual(['prod/vllm', 'node-1:8000'])
        return [rest, value?.[1]]
      })
    /** What version 2 says of a metric beside its labels; Prometheus keeps it as labels when told to. */
    const said = (type: string, unit = '') => (protocol === 2 ? { __type__: type, ...(unit && { __unit__: unit }) } : {})

    test('every kind of metric arrives under the right name, with type, labels and values, and nothing is refused', async () => {
      const { write, stop, meter } = await writer({ protocol, external_labels: { cluster } })
      await write(batchOf(metrics(time)))
      await stop()
      expect(meter.sum('otelcol_exporter_sent_metric_points')).toBe(6)
      expect(meter.sum('ai_factory_gateway_dropped_items')).toBe(0)

      expect(await read('vllm:num_requests_running')).toEqual([[{ model_name: 'llama', ...said('gauge') }, '3']])
      expect(await read('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION')).toEqual([
        [{ UUID: 'GPU-1', gpu: '0', ...said('counter', 'mJ') }, '123456'],
      ])
      expect(await read('ai_factory_gpu_energy_joules_total')).toEqual([[said('counter', 'joules'), '77']])
      const histogram = said('histogram', 'seconds')
      expect(await read('vllm:time_to_first_token_seconds_bucket')).toEqual([
        [{ le: '0.5', ...histogram }, '1'],
        [{ le: '1.0', ...histogram }, '3'],
        [{ le: '+Inf', ...histogram }, '6'],
      ])
      expect(await read('vllm:time_to_first_token_seconds_count')).toEqual([[histogram, '6']])
      expect(await read('vllm:time_to_first_token_seconds_sum')).toEqual([[histogram, '4.5']])
      const summary = said('summary', 'seconds')
      expect(await read('gc_pause_seconds')).toEqual([[{ quantile: '0.5', ...summary }, '0.25']])
      expect(await read('gc_pause_seconds_count')).toEqual([[summary, '4']])
      expect(await read('gc_pause_seconds_sum')).toEqual([[summary, '2']])
      expect(await read('target_info')).toEqual([[{ host_name: 'node-1', ...said('info') }, '1']])
    })

    test('an exponential histogram is a native one, bucket by bucket', async () => {
      const [result] = await prometheus.query(`rpc_duration_seconds{cluster="${cluster}"}`, time + 1_000)
      const { count, sum, buckets } = result!.histogram![1]
      expect([count, sum]).toEqual(['10', '20'])
      // [how the ends belong to it, lower end, upper end, observations]
      expect(buckets).toEqual([
        [1, '-4', '-2', '4'],
        [3, '-1e-128', '1e-128', '1'],
        [0, '1', '2', '2'],
        [0, '32', '64', '3'],
      ])
    })

    test('exemplars keep their trace', async () => {
      const found = await prometheus.exemplars(`{cluster="${cluster}"}`)
      const rows = found.map(({ seriesLabels, exemplars }) => [
        seriesLabels.__name__,
        seriesLabels.le,
        exemplars.map(({ labels, value }) => [labels.trace_id, value]),
      ])
      expect(rows.sort()).toEqual([
        ['ai_factory_gpu_energy_joules_total', undefined, [[TRACE, '0.7']]],
        ['vllm:time_to_first_token_seconds_bucket', '1.0', [[TRACE, '0.7']]],
      ])
    })

    test('a marker of missing data ends series at once, of every kind', async () => {
      const { write, stop } = await writer({ protocol, external_labels: { cluster: `${cluster}-gone` } })
      const gone = metrics(time + 2_000).map(metric => {
        const kind = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'].find(each => each in metric)!
        const { attributes, timeUnixNano } = metric[kind].dataPoints[0]
        return { ...metric, [kind]: { ...metric[kind], dataPoints: [{ attributes, timeUnixNano, flags: 1 }] } }
      })
      const count = (at: number) => prometheus.query(`count({cluster="${cluster}-gone",__name__!="target_info"})`, at)
      await write(batchOf(metrics(time)))
      expect((await count(time + 1_000))[0]?.value?.[1]).toBe('12')
      await write(batchOf(gone))
      expect(await count(time + 3_000)).toEqual([])
      await stop()
    })

    test('deltas arrive as totals, once, also when a sender repeats them', async () => {
      const { write, stop, meter } = await writer({ protocol, external_labels: { cluster: `${cluster}-deltas` } })
      const delta = (end: number, value: number) =>
        batchOf([
          {
            name: 'tokens',
            sum: {
              aggregationTemporality: 1,
              isMonotonic: true,
              dataPoints: [{ startTimeUnixNano: nanos(end - 1000), timeUnixNano: nanos(end), asInt: `${value}` }],
            },
          },
        ])
      for (const [end, value] of [
        [time, 5],
        [time + 1000, 7],
        [time + 1000, 7],
        [time + 500, 9],
      ] as const)
        await write(delta(end, value))
      await stop()
      expect((await prometheus.query(`tokens{cluster="${cluster}-deltas"}`, time + 2_000))[0]?.value?.[1]).toBe('12')
      expect([
        meter.sum('ai_factory_gateway_dropped_items', { reason: 'late_delta' }),
        meter.sum('ai_factory_gateway_dropped_items', { reason: 'duplicate' }),
      ]).toEqual([1, 1])
    })

    test('points out of order are left out with a count, and do not take the others with them', async () => {
      const { write, stop, meter } = await writer({ protocol, external_labels: { cluster: `${cluster}-order` } })
      const point = (millis: number, value: number, name: string) => ({
        timeUnixNano: nanos(millis),
        asDouble: value,
        attributes: pairs({ name }),
      })
      const gauge = (...dataPoints: Plain[]) =>
        Batch.of('metrics', batchOf([{ name: 'g', gauge: { dataPoints } }]).slices, dataPoints.length)
      // Mixed up within one request: sorted. Twice the same time: once.
      await write(gauge(point(time + 200, 2, 'a'), point(time + 100, 1, 'a'), point(time + 200, 9, 'a')))
      await write(gauge(point(time + 150, 5, 'a'), point(time + 150, 6, 'b')))
      await stop()
      const values = await prometheus.query(`g{cluster="${cluster}-order"}`, time + 1_000)
      expect(values.map(({ metric, value }) => [metric.name, value?.[1]])).toEqual([
        ['a', '2'],
        ['b', '6'],
      ])
      expect(['duplicate', 'out_of_order'].map(reason => meter.sum('ai_factory_gateway_dropped_items', { reason }))).toEqual([1, 1])
      expect(meter.sum('otelcol_exporter_sent_metric_points')).toBe(3)
    })

    test('what Prometheus refuses is counted with its words, and not sent again', async () => {
      const { write, stop, meter } = await writer({ protocol, external_labels: { cluster: `${cluster}-old` } })
      await write(batchOf(metrics(time)))
      const old = writer({ protocol, external_labels: { cluster: `${cluster}-old` }, target_info: { enabled: false } })
      const other = await old
      await expect(
        other.write(batchOf([{ name: 'gc', gauge: { dataPoints: [{ timeUnixNano: nanos(time - 48 * 3600_000), asDouble: 1 }] } }])),
      ).rejects.toMatchObject({
        name: 'PermanentError',
        reason: 'bad_data',
        message: expect.stringContaining('out of bounds'),
      })
      await other.stop()
      await stop()
      expect(meter.sum('otelcol_exporter_sent_metric_points')).toBe(6)
    })
  })
})
