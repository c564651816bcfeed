/** What is measured, as data. Every yaml is read by the gateway and by the Collector alike. */
import type { LoadOptions } from './load.js'

export interface Scenario {
  name: string
  /** What the row says about the product, in a sentence. */
  about: string
  load: Omit<LoadOptions, 'port'>
  /** A backend that takes only so many messages a second. */
  sinkMessagesPerSecond?: number
  yaml: (ports: { receive: number; send: number }) => string
  /** What its memory_limiter is told; the row compares the peak with it. */
  memoryLimitMiB?: number
  /** Absent = both. */
  peers?: readonly ('gateway' | 'collector')[]
}

interface Shape {
  processors?: string
  names?: string
  compression?: 'none' | 'gzip'
}

const passThrough =
  ({ processors = '', names = '', compression = 'none' }: Shape = {}) =>
  (ports: { receive: number; send: number }) =>
    `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: 127.0.0.1:${ports.receive}, max_recv_msg_size_mib: 64 }
processors: {${processors}}
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:${ports.send}
    tls: { insecure: true }
    compression: ${compression}
    sending_queue: { enabled: true, queue_size: 200, block_on_overflow: true }
service:
  telemetry: { metrics: { level: none }, logs: { level: error } }
  pipelines:
    traces: { receivers: [otlp], processors: [${names}], exporters: [otlp_grpc] }
`

const RESOURCE = {
  processors: ' resource: { attributes: [{ key: deployment.environment.name, value: production, action: upsert }] } ',
  names: 'resource',
}
const MEMORY_LIMIT_MIB = 400
const base = { pool: 32, spans: 1000, senders: 4, gzip: false, warmupSeconds: 3, seconds: 8 }

export const scenarios: readonly Scenario[] = [
  { name: 'pass-through', about: 'OTLP in, OTLP out, uncompressed', load: base, yaml: passThrough() },
  { name: 'pass-through gzip', about: 'gzip on both sides', load: { ...base, gzip: true }, yaml: passThrough({ compression: 'gzip' }) },
  { name: 'one resource attribute', about: 'one attribute written on every resource', load: base, yaml: passThrough(RESOURCE) },
  {
    name: 'one resource attribute gzip',
    about: 'the same with gzip on both sides',
    load: { ...base, gzip: true },
    yaml: passThrough({ ...RESOURCE, compression: 'gzip' }),
  },
  { name: '100 spans a request', about: 'small requests', load: { ...base, spans: 100, pool: 200 }, yaml: passThrough(RESOURCE) },
  { name: '32 senders', about: 'many senders at once', load: { ...base, senders: 32 }, yaml: passThrough(RESOURCE) },
  {
    name: 'overload',
    about: 'twice as many requests as the backend takes, from more senders than memory has room for',
    load: { ...base, senders: 1024, rate: 200, seconds: 20 },
    sinkMessagesPerSecond: 100,
    memoryLimitMiB: MEMORY_LIMIT_MIB,
    yaml: passThrough({
      processors: ` memory_limiter: { check_interval: 100ms, limit_mib: ${MEMORY_LIMIT_MIB}, spike_limit_mib: ${MEMORY_LIMIT_MIB / 5} } `,
      names: 'memory_limiter',
    }),
  },
]
