/** `service.telemetry` of pipeline.yaml: what the gateway says about itself, in the Collector's words where it has them. */
import { z } from 'zod'
import { endpoint, headers, url } from '../../config/options.js'

const logs = z
  .strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least severe log line that is written.'),
    encoding: z.enum(['console', 'json']).default('console').describe('Form of a log line: tab-separated for people, or one JSON object.'),
  })
  .prefault({})
  .describe('The log on stderr.')

const kept = z.literal(true).optional().describe('Always true here: names are those that boards for the Collector ask for.')

/** As the Collector's configuration spells it out; several readers would say the same thing twice. */
const readers = z
  .array(
    z.strictObject({
      pull: z.strictObject({
        exporter: z.strictObject({
          prometheus: z.strictObject({
            host: z.string().default('localhost').describe('Address to listen on.'),
            port: z.int().min(0).max(65_535).default(8888).describe('Port to listen on.'),
            without_scope_info: kept,
            without_units: kept,
            without_type_suffix: kept,
          }),
        }),
      }),
    }),
  )
  .min(1)
  .max(1)
  .optional()
  .describe("The Collector's longer way to say the address; it wins over `address`.")

const metrics = z
  .strictObject({
    level: z
      .enum(['none', 'basic', 'normal', 'detailed'])
      .default('normal')
      .describe('`none` serves no metrics; the other levels of the Collector are accepted and all mean the same.'),
    address: endpoint('localhost:8888').describe("Where the gateway's own metrics are served, at `/metrics`, as Prometheus text."),
    readers,
  })
  .prefault({})
  .describe("The gateway's own metrics.")

const traces = z
  .strictObject({
    endpoint: url()
      .optional()
      .describe('OTLP/gRPC endpoint for the spans of the gateway itself, such as `http://localhost:4317`. Without it there are none.'),
    sampling_ratio: z.number().min(0).max(1).default(1).describe('Share of received batches that are traced.'),
    headers: headers().default({}).describe('Metadata sent with each export, such as credentials.'),
  })
  .prefault({})
  .describe("The gateway's own traces: one span for each batch that a receiver hands over.")

export const telemetryOptions = z
  .strictObject({
    logs,
    metrics,
    traces,
    resource: z
      .record(z.string(), z.string())
      .default({})
      .describe('Attributes that name this gateway in its own metrics and traces, such as `service.instance.id`.'),
  })
  .prefault({})
  .describe('What the gateway says about itself.')

export type TelemetryOptions = z.infer<typeof telemetryOptions>

/** Where own metrics are served; undefined when they are off. */
export const metricsEndpoint = ({ metrics: { level, address, readers } }: TelemetryOptions): string | undefined => {
  if (level === 'none') return undefined
  const reader = readers?.[0]?.pull.exporter.prometheus
  if (!reader) return address
  const bare = reader.host.replace(/^\[(.*)\]$/, '$1')
  return `${bare.includes(':') ? `[${bare}]` : bare}:${reader.port}`
}
