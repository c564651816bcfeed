/**
 * A program instrumented with the OpenTelemetry SDK: `node sdk-sender.mjs TRANSPORT PORT…` exports the same spans, metrics and log records,
 * in this order, to each port by the SDK's own exporters. Exits with 1 when an exporter reports a failure.
 */
import { OTLPLogExporter as GrpcLogs } from '@opentelemetry/exporter-logs-otlp-grpc'
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http'
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto'
import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc'
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http'
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http'
import { OTLPTraceExporter as ProtoTraces } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'

const EXPORTERS = {
  grpc: { traces: GrpcTraces, metrics: GrpcMetrics, logs: GrpcLogs },
  'http/protobuf': { traces: ProtoTraces, metrics: ProtoMetrics, logs: ProtoLogs },
  'http/json': { traces: JsonTraces, metrics: JsonMetrics, logs: JsonLogs },
}
const resource = resourceFromAttributes({ 'service.name': 'sdk', answer: 42 })

const spans = async () => {
  const memory = new InMemorySpanExporter()
  const provider = new NodeTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(memory)] })
  const tracer = provider.getTracer('scope', '1.0')
  const root = tracer.startSpan('chat', { attributes: { 'gen_ai.usage.input_tokens': 100, list: ['a', 'b'], ratio: 0.5, on: true } })
  root.addEvent('token', { index: 1 })
  tracer.startSpan('engine', { links: [{ context: root.spanContext() }] }).end()
  root.setStatus({ code: 2, message: 'failed' }).end()
  await provider.forceFlush()
  return memory.getFinishedSpans()
}

const metrics = async () => {
  const memory = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: memory, exportIntervalMillis: 3_600_000 })
  const provider = new MeterProvider({ resource, readers: [reader] })
  const meter = provider.getMeter('scope')
  meter.createCounter('requests').add(3, { route: '/chat' })
  meter.createHistogram('latency', { unit: 's' }).record(0.25)
  meter.createGauge('power', { unit: 'W' }).record(412.5)
  await provider.forceFlush()
  return memory.getMetrics()[0]
}

const logs = async () => {
  const memory = new InMemoryLogRecordExporter()
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: memory })] })
  provider.getLogger('scope').emit({ severityNumber: 13, body: { nested: ['x', 1] }, attributes: { a: 'b' } })
  await provider.forceFlush()
  return memory.getFinishedLogRecords()
}

const [transport, ...ports] = process.argv.slice(2)
const items = { traces: await spans(), metrics: await metrics(), logs: await logs() }
for (const port of ports)
  for (const [signal, Exporter] of Object.entries(EXPORTERS[transport])) {
    const url = transport === 'grpc' ? `http://127.0.0.1:${port}` : `http://127.0.0.1:${port}/v1/${signal}`
    const exporter = new Exporter({ url })
    const result = await new Promise(resolve => exporter.export(items[signal], resolve))
    await exporter.shutdown()
    if (result.code !== 0) {
      console.error(transport, signal, result.error)
      process.exitCode = 1
    }
  }
process.exit()
