import { Server, ServerCredentials } from '@grpc/grpc-js'
import { Batch } from '../../proto/batch.js'
import { SystemClock } from '../clock.js'
import { RetryableError } from '../errors.js'
import { telemetryOptions } from './options.js'
import { OwnTelemetry } from './own.js'
import { traced } from './traced.js'

const never = () => new AbortController().signal
const open = (telemetry: unknown) => {
  return new OwnTelemetry({ telemetry: telemetryOptions.parse(telemetry), clock: new SystemClock(), version: '1.2.3', write() {} })
}
const metricsAt = (address: string) => ({ metrics: { address } })

describe('own telemetry', () => {
  it('serves its metrics as Prometheus text, even to those that would rather have OpenMetrics, and nothing else', async () => {
    const own = open({ ...metricsAt('localhost:0'), resource: { 'service.instance.id': 'a' } })
    await own.start()
    own.meter.gauge('broken', 'never readable', {}, () => {
      throw new Error('gone')
    })
    try {
      const at = (path: string, init?: RequestInit) => fetch(`http://localhost:${own.port}${path}`, init)
      const page = await at('/metrics?x=1', { headers: { accept: 'application/openmetrics-text;version=1.0.0' } })
      const text = await page.text()
      expect(page.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4; charset=utf-8/)
      expect(text).toContain(`ai_factory_gateway_build_info{node="${process.version}",version="1.2.3"} 1\n`)
      expect(text).toContain('target_info{service_instance_id="a",service_name="ai-factory-gateway",service_version="1.2.3"} 1\n')
      expect(text).toMatch(/# TYPE otelcol_process_uptime counter\notelcol_process_uptime \d/)
      expect(text).toMatch(/otelcol_process_memory_rss [\d.]+e\+0[789]\n/)
      expect(text).toContain('promhttp_metric_handler_errors_total{cause="gathering"} 0\n')
      expect(await (await at('/metrics')).text()).toContain('promhttp_metric_handler_errors_total{cause="gathering"} 1\n')
      expect([(await at('/')).status, (await at('/metrics', { method: 'POST' })).status]).toEqual([404, 405])
      expect(await (await at('/metrics', { method: 'HEAD' })).text()).toBe('')
    } finally {
      await own.stop(never())
    }
    await expect(fetch(`http://localhost:${own.port}/metrics`)).rejects.toThrow()
  })

  it('says which option to change when the port is taken', async () => {
    const [first, second] = [open(metricsAt('localhost:0')), () => open(metricsAt(`localhost:${first.port}`))]
    await first.start()
    try {
      await expect(second().start()).rejects.toThrow(/service\.telemetry\.metrics: .*cannot listen on localhost:\d+.*in use/)
    } finally {
      await first.stop(never())
    }
  })

  it("listens nowhere at level none, and where the Collector's readers say", async () => {
    const off = open({ metrics: { level: 'none' } })
    await off.start()
    expect(off.port).toBeUndefined()
    await off.stop(never())

    const prometheus = { host: '127.0.0.1', port: 0, without_units: true }
    const own = open({ metrics: { address: 'localhost:1', readers: [{ pull: { exporter: { prometheus } } }] } })
    await own.start()
    expect(own.port).toBeGreaterThan(0)
    await own.stop(never())
  })

  it('exports one span for each received batch when traces are on, and has no tracer when they are off', async () => {
    const off = open(metricsAt('localhost:0'))
    await off.start()
    expect(off.tracer).toBeUndefined()
    await off.stop(never())

    const received: Buffer[] = []
    const tokens: unknown[] = []
    const backend = new Server()
    const same = (bytes: Buffer) => bytes
    const method = { path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export', requestStream: false, responseStream: false }
    const identity = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same }
    backend.addService(
      { Export: { ...method, ...identity } },
      {
        Export(call: { request: Buffer; metadata: { get(name: string): unknown[] } }, answer: (error: null, body: Buffer) => void) {
          received.push(call.request)
          tokens.push(call.metadata.get('x-token')[0])
          answer(null, Buffer.alloc(0))
        },
      },
    )
    const port = await new Promise<number>((resolve, reject) =>
      backend.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    )
    const own = open({ ...metricsAt('localhost:0'), traces: { endpoint: `http://127.0.0.1:${port}`, headers: { 'x-token': 't' } } })
    try {
      await own.start()
      const batch = Batch.of('traces', [], 7, { transport: 'grpc' })
      await traced(own.tracer!, 'otlp', async () => {})(batch)
      const busy = async () => {
        throw new RetryableError('busy', 'queue_full')
      }
      await expect(traced(own.tracer!, 'otlp', busy)(batch)).rejects.toThrow('busy')
      await own.stop(never())
    } finally {
      backend.forceShutdown()
    }
    const text = Buffer.concat(received).toString('latin1')
    expect(text.match(/receiver\/otlp\/TraceDataReceived/g)).toHaveLength(2)
    for (const part of ['accepted_spans', 'refused_spans', 'transport', 'grpc', 'queue_full', 'service.version', '1.2.3'])
      expect(text).toContain(part)
    expect(tokens[0]).toBe('t')
  })

  it('stops at the deadline although its spans cannot be exported', async () => {
    const own = open({ ...metricsAt('localhost:0'), traces: { endpoint: 'http://127.0.0.1:1' } })
    await own.start()
    await traced(own.tracer!, 'otlp', async () => {})(Batch.of('logs', [], 1))
    const before = performance.now()
    await own.stop(AbortSignal.timeout(100))
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})
