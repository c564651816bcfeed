/** Everything the gateway says about itself, put together: log, metrics with their page, traces. */
import { randomUUID } from 'node:crypto'
import type { Tracer } from '@opentelemetry/api'
import type { Clock, Counter, Lifecycle } from '../component.js'
import { createLog, type RootLog } from '../log.js'
import { PageServer } from '../page-server.js'
import { CONTENT_TYPE, render } from './exposition.js'
import { metricsEndpoint, type TelemetryOptions } from './options.js'
import { processMetrics } from './process-metrics.js'
import { Registry } from './registry.js'
import type { Tracing } from './tracing.js'

export interface OwnTelemetryOptions {
  readonly telemetry: TelemetryOptions
  readonly clock: Clock
  /** Version of the gateway. */
  readonly version: string
  /** Where log lines go; stderr when absent. */
  readonly write?: (line: string) => void
}

export class OwnTelemetry implements Lifecycle {
  readonly log: RootLog
  readonly meter = new Registry()
  private readonly resource: Readonly<Record<string, string>>
  private readonly server: PageServer | undefined
  private tracing: Tracing | undefined

  constructor(private readonly options: OwnTelemetryOptions) {
    const { telemetry, clock, version, write } = options
    this.log = createLog({ ...telemetry.logs, clock, ...(write && { write }) })
    this.resource = {
      'service.name': 'ai-factory-gateway',
      'service.version': version,
      'service.instance.id': randomUUID(),
      ...telemetry.resource,
    }
    this.describeItself()
    const endpoint = metricsEndpoint(telemetry)
    if (endpoint !== undefined) this.server = this.metricsPage(endpoint)
  }

  /** Present between start and stop when traces are switched on. */
  get tracer(): Tracer | undefined {
    return this.tracing?.tracer
  }

  /** Port of the metrics page; undefined when there is none. */
  get port(): number | undefined {
    return this.server?.port
  }

  /** Rejects when the port of the metrics page cannot be had. */
  async start(): Promise<void> {
    await this.server?.start().catch((error: Error) => {
      throw new Error(`service.telemetry.metrics: ${error.message}`, { cause: error })
    })
    const { endpoint, sampling_ratio: ratio, headers } = this.options.telemetry.traces
    if (endpoint === undefined) return
    const { openTracing } = await import('./tracing.js')
    this.tracing = openTracing({ endpoint, ratio, headers, resource: this.resource, log: this.log.with({ component: 'telemetry' }) })
  }

  /** Spans still held are sent until `deadline`. */
  async stop(deadline: AbortSignal): Promise<void> {
    const { tracing } = this
    this.tracing = undefined
    await Promise.all([tracing?.stop(deadline), this.server?.stop(deadline)])
    this.log.flush()
  }

  private metricsPage(endpoint: string): PageServer {
    const unread = this.handlerErrors('gathering')
    this.handlerErrors('encoding')
    const page = () => {
      const families = this.meter.collect()
      unread.add(families.reduce((sum, { series }) => sum + series.filter(({ value }) => value === undefined).length, 0))
      return { status: 200, type: CONTENT_TYPE, body: render(families) }
    }
    return new PageServer({
      endpoint,
      page: path => (path === '/metrics' ? page() : undefined),
      clock: this.options.clock,
      log: this.log.with({ component: 'telemetry' }),
    })
  }

  private handlerErrors(cause: string): Counter {
    const help = 'Total number of internal errors encountered by the promhttp metric handler.'
    return this.meter.counter('promhttp_metric_handler_errors_total', help, { cause })
  }

  private describeItself(): void {
    processMetrics(this.meter, this.options.clock)
    const target = Object.fromEntries(Object.entries(this.resource).map(([name, value]) => [name.replace(/[^a-zA-Z0-9_]/g, '_'), value]))
    this.meter.gauge('target_info', 'Target metadata', target, () => 1)
    const build = { version: this.options.version, node: process.version }
    this.meter.gauge('ai_factory_gateway_build_info', 'The running gateway and its Node.js; always 1.', build, () => 1)
  }
}
