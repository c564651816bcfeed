/** Exports the gateway's own spans by the OpenTelemetry SDK. Loaded only when traces are switched on. */

import { Metadata } from '@grpc/grpc-js'
import type { Attributes, Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base'
import type { Log } from '../component.js'

type Exported = Parameters<SpanExporter['export']>[1]

/** The SDK keeps its failures to itself; operators want to know why there are no spans. */
class TellingExporter implements SpanExporter {
  constructor(
    private readonly inner: SpanExporter,
    private readonly log: Log,
  ) {}

  export(spans: ReadableSpan[], done: Exported): void {
    this.inner.export(spans, result => {
      if (result.error) this.log.warn("the gateway's own spans could not be exported", { spans: spans.length, error: result.error })
      done(result)
    })
  }

  forceFlush(): Promise<void> {
    return this.inner.forceFlush?.() ?? Promise.resolve()
  }

  shutdown(): Promise<void> {
    return this.inner.shutdown()
  }
}

export interface TracingOptions {
  readonly endpoint: string
  readonly ratio: number
  readonly headers: Readonly<Record<string, string>>
  readonly resource: Attributes
  readonly log: Log
}

export interface Tracing {
  readonly tracer: Tracer
  /** Sends what is still held, or gives it up at `deadline`. Never rejects. */
  stop(deadline: AbortSignal): Promise<void>
}

export const openTracing = ({ endpoint, ratio, headers, resource, log }: TracingOptions): Tracing => {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const exporter = new TellingExporter(new OTLPTraceExporter({ url: endpoint, metadata }), log)
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes(resource),
    sampler: new TraceIdRatioBasedSampler(ratio),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  return {
    tracer: provider.getTracer('ai-factory-gateway'),
    async stop(deadline) {
      const givenUp = new Promise<void>(resolve => {
        if (deadline.aborted) resolve()
        else deadline.addEventListener('abort', () => resolve(), { once: true })
      })
      const failed = (error: unknown) => log.warn("the gateway's last spans could not be exported", { error })
      await Promise.race([provider.shutdown().catch(failed), givenUp])
    },
  }
}
