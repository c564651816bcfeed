import { z } from 'zod'
import { duration, endpoint } from '../../config/options.js'
import { WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import { serverTlsOptions } from '../../runtime/net/tls.js'

export const options = z.strictObject({
  endpoint: endpoint('localhost:8889').describe('Where Prometheus scrapes; `0.0.0.0:8889` lets it in from other machines.'),
  path: z.string().regex(/^\//, { error: 'a path begins with "/"' }).default('/metrics').describe('Path of the page.'),
  tls: serverTlsOptions.optional().describe('Serve HTTPS with this certificate.'),
  namespace: z
    .string()
    .regex(/^([a-zA-Z_][a-zA-Z0-9_]*)?$/, { error: 'letters, digits and underscores' })
    .default('')
    .describe('Goes before names that are not Prometheus names already.'),
  const_labels: z.record(z.string(), z.string()).default({}).describe('Labels for every series.'),
  resource_labels: z
    .array(z.string().min(1))
    .default([WORKLOAD_ID])
    .describe('Attributes of the resource that become labels, beside `job` and `instance`.'),
  resource_to_telemetry_conversion: z
    .strictObject({ enabled: z.boolean().default(false).describe('All attributes of the resource become labels.') })
    .prefault({})
    .describe('As the Collector has it.'),
  send_timestamps: z.boolean().default(false).describe('Samples carry the time at which they were measured.'),
  metric_expiration: duration('5m').describe('A series that was not told for so long is forgotten.'),
  enable_open_metrics: z
    .boolean()
    .default(false)
    .describe(
      'A scraper that asks for OpenMetrics gets it. Prometheus always asks, and then counters whose names have no `_total` are of type unknown to it.',
    ),
  cardinality_limit: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Series of one metric; points of further ones are dropped and counted (`cardinality_limit`).'),
  max_series: z.int().min(1).default(1_000_000).describe('Series in all; points of further ones are dropped and counted (`max_series`).'),
})
export type Options = z.infer<typeof options>
