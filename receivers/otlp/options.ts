/** Options of the `otlp` receiver: the Collector's keys, with limits on by default. */
import { z } from 'zod'
import { byteSize, duration, endpoint } from '../../config/options.js'
import { HTTP_PATHS, type OtlpSignal } from '../../proto/services.js'
import { serverTlsOptions } from '../../runtime/net/tls.js'

const tls = serverTlsOptions.optional().describe('Certificate and key to serve with; absent = plain text.')
const maxConnections = z.int().positive().default(10_000).describe('Connections held open at once; further ones are closed at once.')

const serverParameters = z.strictObject({
  max_connection_idle: duration('10m').describe('A connection without calls for so long is asked to close; 0 = never.'),
  max_connection_age: duration('0').describe(
    'A connection older than this (±10 %) is asked to close, so that senders spread anew; 0 = never.',
  ),
  max_connection_age_grace: duration('30s').describe('How long calls may go on after their connection was asked to close.'),
  time: duration('20s').describe('A connection silent for so long is asked for a sign of life.'),
  timeout: duration('10s').describe('Without an answer after so long the connection is closed.'),
})
const enforcementPolicy = z.strictObject({
  min_time: duration('5s').describe(
    'Senders whose keepalive pings come faster than this, three times without a call between, are disconnected.',
  ),
})

export const grpcOptions = z.strictObject({
  endpoint: endpoint('localhost:4317').describe('Where to listen.'),
  max_recv_msg_size_mib: z.int().positive().max(1024).default(64).describe('Largest request, in MiB, counted after decompression.'),
  max_concurrent_streams: z.int().positive().default(256).describe('Calls in flight on one connection; senders queue what is beyond.'),
  max_connections: maxConnections,
  read_timeout: duration('30s').describe('A request must be complete this long after its headers.'),
  keepalive: z
    .strictObject({
      server_parameters: serverParameters.prefault({}).describe('Signs of life, age and idleness of connections.'),
      enforcement_policy: enforcementPolicy.prefault({}).describe('What is taken from senders’ own keepalive.'),
    })
    .prefault({})
    .describe('Keepalive of connections.'),
  tls,
})
export type GrpcOptions = z.infer<typeof grpcOptions>

const path = (signal: OtlpSignal) => z.string().startsWith('/').default(HTTP_PATHS[signal]).describe(`Path that takes ${signal}.`)

export const httpOptions = z.strictObject({
  endpoint: endpoint('localhost:4318').describe('Where to listen.'),
  max_request_body_size: byteSize('64MiB').describe('Largest request, counted on the wire and again after decompression.'),
  max_connections: maxConnections,
  traces_url_path: path('traces'),
  metrics_url_path: path('metrics'),
  logs_url_path: path('logs'),
  read_header_timeout: duration('10s').describe('The headers of a request must be complete after so long.'),
  read_timeout: duration('30s').describe('The body of a request must be complete this long after its headers.'),
  write_timeout: duration('30s').describe('A sender must have taken its answer after so long.'),
  idle_timeout: duration('1m').describe('A connection without requests for so long is closed.'),
  tls,
})
export type HttpOptions = z.infer<typeof httpOptions>

export const options = z.strictObject({
  protocols: z
    .strictObject({
      grpc: grpcOptions.nullish().describe('OTLP/gRPC; absent = not served, empty = served with defaults.'),
      http: httpOptions.nullish().describe('OTLP/HTTP, protobuf and JSON; absent = not served, empty = served with defaults.'),
    })
    .refine(protocols => protocols.grpc !== undefined || protocols.http !== undefined, {
      error: 'name at least one protocol: grpc, http or both',
    })
    .describe('Which transports are served.'),
})
