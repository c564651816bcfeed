import { z } from 'zod'
import { duration, headers, url } from '../../config/options.js'
import { deliveryOptions } from '../../runtime/delivery/index.js'
import { clientTlsOptions } from '../../runtime/net/tls.js'
import { temporality } from '../../runtime/temporality.js'

export const options = z
  .strictObject({
    endpoint: url().optional().describe('Base URL of the backend: `v1/traces`, `v1/metrics` and `v1/logs` are appended.'),
    traces_endpoint: url().optional().describe('Whole URL for traces, used exactly as given.'),
    metrics_endpoint: url().optional().describe('Whole URL for metrics, used exactly as given.'),
    logs_endpoint: url().optional().describe('Whole URL for logs, used exactly as given.'),
    headers: headers().default({}).describe('Sent with every request: API keys, tenants.'),
    encoding: z.enum(['proto', 'json']).default('proto').describe('`proto` passes protobuf on as it is; `json` costs many times the CPU.'),
    temporality: temporality(),
    compression: z.enum(['gzip', 'none']).default('gzip').describe('How request bodies are compressed.'),
    compression_params: z
      .strictObject({
        level: z.int().min(1).max(9).optional().describe('gzip level; absent = the one where a byte saved costs least.'),
      })
      .prefault({})
      .describe('Fine tuning of the compression.'),
    tls: clientTlsOptions.prefault({}).describe('How the backend is trusted, and how it may know this gateway. Used with https endpoints.'),
    max_conns_per_host: z.int().min(1).default(64).describe('Most connections to the backend at the same time.'),
    idle_conn_timeout: duration('90s').describe('A connection without a request is closed after this time.'),
    ...deliveryOptions('30s'),
  })
  .refine(it => it.endpoint ?? it.traces_endpoint ?? it.metrics_endpoint ?? it.logs_endpoint, {
    error: 'where to? set endpoint (or traces_endpoint, metrics_endpoint, logs_endpoint)',
    path: ['endpoint'],
  })
export type Options = z.infer<typeof options>
