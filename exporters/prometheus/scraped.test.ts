/** A real Prometheus scrapes the page: what it stored is read back by PromQL. */
import { Batch } from '../../proto/batch.js'
import { encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import { attributes as pairs } from '../../proto/testing/values.js'
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import { freePort } from '../../test/support/gateway.js'
import { describePrometheus, Prometheus } from '../../test/support/prometheus.js'
import { until } from '../../test/support/until.js'
import exporter from './index.js'

describePrometheus('a page scraped by a real Prometheus', () => {
  test.each([
    ['OpenMetrics', true, 'unknown'],
    ['text', false, 'counter'],
  ])(
    'in %s: names, types, labels and values are those that came',
    async (_, openmetrics, typeWithoutTotal) => {
      const endpoint = `127.0.0.1:${await freePort()}`
      const { context } = harness('prometheus', { clock: new SystemClock() })
      const page = exporter.create(exporter.config.parse({ endpoint, enable_open_metrics: openmetrics }), context)
      await page.start?.()
      const prometheus = await Prometheus.start([endpoint])
      try {
        const at = { timeUnixNano: `${Date.now()}000000` }
        const sum = { aggregationTemporality: 2, isMonotonic: true }
        const metrics: Plain[] = [
          {
            name: 'vllm:num_requests_running',
            gauge: { dataPoints: [{ ...at, asDouble: 3, attributes: pairs({ model_name: 'a "b"\\n' }) }] },
          },
          { name: 'vllm:prompt_tokens_total', sum: { ...sum, dataPoints: [{ ...at, asDouble: 7 }] } },
          {
            name: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
            sum: { ...sum, dataPoints: [{ ...at, asDouble: 12.5, attributes: pairs({ UUID: 'GPU-1' }) }] },
          },
          {
            name: 'vllm:ttft_seconds',
            histogram: {
              aggregationTemporality: 2,
              dataPoints: [{ ...at, count: '6', sum: 4.5, bucketCounts: ['1', '2', '3'], explicitBounds: [0.5, 1] }],
            },
          },
          {
            name: 'gc.pause',
            unit: 's',
            summary: { dataPoints: [{ ...at, count: '4', sum: 2, quantileValues: [{ quantile: 0.5, value: 0.25 }] }] },
          },
        ]
        const resource = { attributes: pairs({ 'service.name': 'vllm', 'service.instance.id': 'node-1:8000' }) }
        const bytes = encode(requestType('metrics'), { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] })
        await page.consume(Batch.of('metrics', [bytes], metrics.length))
        await until('a scrape', async () => (await prometheus.query('gc_pause_seconds_count')).length > 0, 20_000)
        const rows = (await prometheus.query('{job="vllm",instance="node-1:8000"}')).map(({ metric, value }) => {
          const { __name__, __type__, job, instance, ...labels } = metric
          return `${__name__} ${__type__ ?? 'unknown'} ${JSON.stringify(labels)} ${value?.[1]}`
        })
        expect(rows.sort()).toEqual([
          `DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION ${typeWithoutTotal} {"UUID":"GPU-1"} 12.5`,
          'gc_pause_seconds summary {"quantile":"0.5"} 0.25',
          'gc_pause_seconds_count summary {} 4',
          'gc_pause_seconds_sum summary {} 2',
          'vllm:num_requests_running gauge {"model_name":"a \\"b\\"\\\\n"} 3',
          'vllm:prompt_tokens_total counter {} 7',
          'vllm:ttft_seconds_bucket histogram {"le":"+Inf"} 6',
          'vllm:ttft_seconds_bucket histogram {"le":"0.5"} 1',
          'vllm:ttft_seconds_bucket histogram {"le":"1.0"} 3',
          'vllm:ttft_seconds_count histogram {} 6',
          'vllm:ttft_seconds_sum histogram {} 4.5',
        ])
      } finally {
        await page.stop?.(AbortSignal.timeout(1000))
        await prometheus.stop()
      }
    },
    60_000,
  )
})
