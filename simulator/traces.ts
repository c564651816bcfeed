/**
 * Inference traces by the real OpenTelemetry SDK: the client's span as an instrumented caller writes it (semantic conventions v1.41.1), the
 * engine's as vLLM writes it (`llm_request`, its own attribute names), one trace.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import type { Running } from './engine.js'
import type { Deployment } from './plan.js'

const NETWORK_MS = 1.5

/** Everything one process exports: its provider, and a tracer of it. */
export class Emitter {
  private readonly provider: NodeTracerProvider
  readonly tracer: Tracer

  constructor(endpoint: string, attributes: Record<string, string>, speed: number) {
    this.provider = new NodeTracerProvider({
      resource: resourceFromAttributes(attributes),
      spanProcessors: [
        new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }), {
          maxQueueSize: 200_000,
          maxExportBatchSize: 512,
          scheduledDelayMillis: Math.max(200, 1000 / speed),
        }),
      ],
    })
    this.tracer = this.provider.getTracer('ai-factory-simulator')
  }

  close(): Promise<void> {
    return this.provider.shutdown()
  }
}

/** The client's and the engine's span of one finished request. */
export const emitRequest = (client: Tracer, engine: Tracer, deployment: Deployment, request: Running): void => {
  const aborted = request.finish === 'abort'
  const span = client.startSpan(
    `chat ${deployment.model}`,
    {
      kind: SpanKind.CLIENT,
      startTime: new Date(request.arrivedAt - NETWORK_MS),
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': deployment.model,
        'gen_ai.response.model': deployment.model,
        'gen_ai.response.id': `chatcmpl-${request.id}`,
        'gen_ai.response.finish_reasons': [request.finish],
        'gen_ai.usage.input_tokens': request.promptTokens,
        'gen_ai.usage.cache_read.input_tokens': request.cachedTokens,
        'gen_ai.usage.output_tokens': request.generated,
        'gen_ai.request.stream': true,
        'tenant.id': request.tenant,
        'gen_ai.response.time_to_first_chunk': (request.firstTokenAt - request.arrivedAt) / 1000,
        'server.address': `${deployment.name}.${deployment.namespace}.svc.cluster.local`,
        'server.port': 8000,
      },
    },
    ROOT_CONTEXT,
  )
  const context = trace.setSpan(ROOT_CONTEXT, span)
  const seconds = (from: number, to: number) => (to - from) / 1000
  engine
    .startSpan(
      'llm_request',
      {
        kind: SpanKind.SERVER,
        startTime: new Date(request.arrivedAt),
        attributes: {
          'gen_ai.request.id': `chatcmpl-${request.id}`,
          'gen_ai.request.max_tokens': 1024,
          'gen_ai.usage.prompt_tokens': request.promptTokens,
          'gen_ai.usage.completion_tokens': request.generated,
          'gen_ai.latency.time_in_queue': seconds(request.arrivedAt, request.scheduledAt),
          'gen_ai.latency.time_to_first_token': seconds(request.arrivedAt, request.firstTokenAt),
          'gen_ai.latency.time_in_model_prefill': seconds(request.scheduledAt, request.firstTokenAt),
          'gen_ai.latency.time_in_model_decode': seconds(request.firstTokenAt, request.finishedAt),
          'gen_ai.latency.time_in_model_inference': seconds(request.scheduledAt, request.finishedAt),
          'gen_ai.latency.e2e': seconds(request.arrivedAt, request.finishedAt),
        },
      },
      context,
    )
    .end(new Date(request.finishedAt))
  if (aborted) span.setAttribute('error.type', 'client_disconnect').setStatus({ code: SpanStatusCode.ERROR, message: 'client went away' })
  span.end(new Date(request.finishedAt + NETWORK_MS))
}
