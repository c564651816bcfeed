import { z } from 'zod'
import { duration, headers } from '../../config/options.js'
import { deliveryOptions } from '../../runtime/delivery/index.js'
import { parseTarget } from '../../runtime/net/grpc-target.js'
import { clientTlsOptions } from '../../runtime/net/tls.js'
import { temporality } from '../../runtime/temporality.js'

export const options = z.strictObject({
  endpoint: z
    .string()
    .refine(text => parseTarget(text, false), { error: 'expected host:port, or http://host:port (plain text) or https://host:port (TLS)' })
    .describe(
      'The backend: `host:port`, spoken to with TLS unless `tls.insecure`; `http://` and `https://` in front decide for themselves.',
    ),
  headers: headers().default({}).describe('Sent with every call as metadata: API keys, tenants.'),
  temporality: temporality(),
  compression: z.enum(['gzip', 'none']).default('gzip').describe('How request messages are compressed.'),
  compression_params: z
    .strictObject({
      level: z.int().min(1).max(9).optional().describe('gzip level; absent = the one where a byte saved costs least.'),
    })
    .prefault({})
    .describe('Fine tuning of the compression.'),
  tls: clientTlsOptions.prefault({}).describe('How the backend is trusted, and how it may know this gateway.'),
  keepalive: z
    .strictObject({
      time: duration('15s').describe('Silence, while calls wait, after which the backend is asked for a sign of life; 0 = never.'),
      timeout: duration('10s').describe('A connection without any sign of life for this long after that is given up.'),
      permit_without_stream: z.boolean().default(false).describe('Ask also while no call is made. Many servers close connections that do.'),
    })
    .prefault({})
    .describe('How a backend that vanished without a word is noticed.'),
  ...deliveryOptions('5s'),
})
export type Options = z.infer<typeof options>
