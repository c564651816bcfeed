import { z } from 'zod'
import { byteSize, duration, headers, url } from '../../config/options.js'
import { STRATEGIES } from '../../proto/prometheus/names.js'
import { WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import { deliveryOptions } from '../../runtime/delivery/index.js'
import { clientTlsOptions } from '../../runtime/net/tls.js'

const enabled = (preset: boolean, what: string) => z.strictObject({ enabled: z.boolean().default(preset).describe(what) }).prefault({})

export const options = z
  .strictObject({
    endpoint: url().describe('Whole URL that is written to, such as `http://prometheus:9090/api/v1/write`.'),
    headers: headers().default({}).describe('Sent with every request: tenants, credentials.'),
    protocol: z
      .union([z.literal(1), z.literal(2)])
      .default(1)
      .describe(
        'Version of remote write. 2 carries types, units and start times with every series, and takes half the bytes; where a backend does not speak it, 1 is used instead.',
      ),
    tls: clientTlsOptions.prefault({}).describe('How the backend is trusted, and how it may know this gateway. Used with https endpoints.'),
    max_conns_per_host: z.int().min(1).default(64).describe('Most connections to the backend at the same time.'),
    idle_conn_timeout: duration('90s').describe('A connection without a request is closed after this time.'),
    namespace: z
      .string()
      .regex(/^([a-zA-Z_][a-zA-Z0-9_]*)?$/, { error: 'letters, digits and underscores' })
      .default('')
      .describe('Goes before names that are not Prometheus names already.'),
    external_labels: z.record(z.string(), z.string()).default({}).describe('Labels for every series that has none of that name.'),
    resource_labels: z
      .array(z.string().min(1))
      .default([WORKLOAD_ID])
      .describe('Attributes of the resource that become labels, beside `job` and `instance`.'),
    resource_to_telemetry_conversion: enabled(false, 'All attributes of the resource become labels.').describe('As the Collector has it.'),
    target_info: enabled(true, 'Write one series `target_info` for each resource, with its attributes as labels.').describe(
      'What resources say, for joins in queries.',
    ),
    translation_strategy: z
      .enum(STRATEGIES)
      .default('UnderscoreEscapingWithSuffixes')
      .describe('How names of OpenTelemetry become names of Prometheus; names that came from Prometheus are kept in any case.'),
    add_metric_suffixes: z
      .boolean()
      .optional()
      .describe('The Collector’s older spelling: false = `translation_strategy: UnderscoreEscapingWithoutSuffixes`.'),
    send_metadata: z.boolean().default(true).describe('Write type, unit and help of each metric. In version 2 they are always there.'),
    send_exemplars: z.boolean().default(true).describe('Write exemplars with their trace ids.'),
    max_batch_size_bytes: byteSize('3000000').describe(
      'A request that reaches this size, before compression, is closed with the series that reached it, and another one follows.',
    ),
    allow_out_of_order: z
      .boolean()
      .default(false)
      .describe(
        'Also write points that are older than what their series has: for backends with a window for them. They are dropped and counted otherwise.',
      ),
    metric_expiration: duration('5m').describe('A series that was not told for so long is forgotten.'),
    cardinality_limit: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Series of one metric; points of further ones are dropped and counted (`cardinality_limit`).'),
    max_series: z.int().min(1).default(500_000).describe('Series in all; points of further ones are dropped and counted (`max_series`).'),
    ...deliveryOptions('5s', { consumers: 1 }),
  })
  .refine(it => it.add_metric_suffixes !== false || it.translation_strategy === 'UnderscoreEscapingWithSuffixes', {
    error: 'add_metric_suffixes and translation_strategy say the same thing twice: keep one',
    path: ['add_metric_suffixes'],
  })
export type Options = z.infer<typeof options>
