/** What is measured, as data. Every yaml is read by the gateway and by the Collector alike. */
import type { Protocol } from './client.js'
import type { FactoryLoadOptions } from './factory-load.js'
import type { FillOptions } from './kafka.js'
import type { LoadOptions } from './load.js'
import type { Peer } from './subject.js'
import { addressesOf, type TargetsOptions } from './targets.js'

export interface Ports {
  receive: number
  send: number
  metrics: number
  /** Of a scenario on Kafka: made for this run alone. */
  topic: string
}

export interface Scenario {
  name: string
  /** What the row says about the product, in a sentence. */
  about: string
  /** The helper process that makes the load, and what it is told. */
  load:
    | { script: 'load.js'; options: Omit<LoadOptions, 'port'> }
    | { script: 'factory-load.js'; options: Omit<FactoryLoadOptions, 'port'> }
    | { script: 'targets.js'; options: Omit<TargetsOptions, 'port'> }
    /** A topic that is full before the measured process starts; measured is how it empties it. */
    | { script: 'kafka.js'; options: Omit<FillOptions, 'topic'> }
  /** The backend is a topic. */
  toKafka?: true
  /** What is counted; absent = spans. */
  item?: 'series'
  /** A backend that takes only so many messages a second. */
  sinkMessagesPerSecond?: number
  yaml: (ports: Ports, peer: Peer) => string
  /** Figures the gateway tells about itself when the load ends: title → series, as `sumOf` reads it. Its yaml serves metrics. */
  own?: Readonly<Record<string, string>>
  /** The gateway tells how long its event loop stood still. */
  watchPauses?: true
  /** How long a pause at the sink means that everything has arrived. */
  settleMillis?: number
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
  (ports: Pick<Ports, 'receive' | 'send'>) =>
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

/** The log stops growing after some 90 s (`history` and what belongs to it, whole segments of it); before that, every page of it is new memory. */
const joined =
  (protocol: Protocol, stream = '{ driver: embedded, directory: $FOLDER/streams }') =>
  ({ receive, send, metrics }: Ports) =>
    `
receivers:
  otlp: { protocols: { ${protocol}: { endpoint: 127.0.0.1:${receive} } } }
processors:
  memory_limiter: { check_interval: 1s, limit_mib: 1500, spike_limit_mib: 300 }
  workload_id: {}
  workload_join: { window: 10s, grace: 5s, max_gap: 15s, history: 50s }
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:${send}
    tls: { insecure: true }
    compression: none
    sending_queue: { batch: { flush_timeout: 100ms, min_size: 2000 } }
streams:
  workloads: ${stream}
service:
  telemetry: { metrics: { address: 127.0.0.1:${metrics} }, logs: { level: warn } }
  pipelines:
    factory: { receivers: [otlp], processors: [memory_limiter, workload_id, workload_join], exporters: [otlp_grpc] }
`

/** Absent = no rows on Kafka. */
const KAFKA = process.env.KAFKA_BROKERS
/** A topic of its own for each run. */
const kafkaStream = (brokers: string): string =>
  `{ driver: kafka, brokers: [${brokers}], topic: bench-${process.pid}-${Date.now()}, retention: 1h }`

const QUEUE = 'sending_queue: { enabled: true, queue_size: 200, block_on_overflow: true }'
const QUIET = (metrics: number, peer: Peer) =>
  `telemetry: { metrics: ${peer === 'gateway' ? `{ address: 127.0.0.1:${metrics} }` : '{ level: none }'}, logs: { level: error } }`

const kafkaToOtlp = ({ send, metrics, topic }: Ports, peer: Peer): string => `
receivers:
  kafka: { brokers: ['${KAFKA}'], group_id: ${topic}-${peer}, initial_offset: earliest, traces: { topics: [${topic}] } }
exporters:
  otlp_grpc: { endpoint: 127.0.0.1:${send}, tls: { insecure: true }, compression: none, ${QUEUE} }
service:
  ${QUIET(metrics, peer)}
  pipelines: { traces: { receivers: [kafka], exporters: [otlp_grpc] } }
`

const otlpToKafka = ({ receive, metrics, topic }: Ports, peer: Peer): string => `
receivers:
  otlp: { protocols: { grpc: { endpoint: 127.0.0.1:${receive}, max_recv_msg_size_mib: 64 } } }
exporters:
  kafka: { brokers: ['${KAFKA}'], traces: { topic: ${topic} }, producer: { required_acks: -1, compression: none, max_message_bytes: 1000000 }, ${QUEUE} }
service:
  ${QUIET(metrics, peer)}
  pipelines: { traces: { receivers: [otlp], exporters: [kafka] } }
`

const TARGETS = 100
const scraped = ({ receive, send, metrics }: Ports) => `
receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: bench
          scrape_interval: 5s
          scrape_timeout: 5s
          static_configs: [{ targets: [${addressesOf(TARGETS, receive)
            .map(address => `'${address}'`)
            .join(', ')}] }]
exporters:
  otlp_grpc: { endpoint: 127.0.0.1:${send}, tls: { insecure: true }, compression: none }
service:
  telemetry: { metrics: { address: 127.0.0.1:${metrics} }, logs: { level: warn } }
  pipelines:
    metrics: { receivers: [prometheus], exporters: [otlp_grpc] }
`

const RESOURCE = {
  processors: ' resource: { attributes: [{ key: deployment.environment.name, value: production, action: upsert }] } ',
  names: 'resource',
}
const MEMORY_LIMIT_MIB = 400
const base: Omit<LoadOptions, 'port'> = { pool: 32, spans: 1000, senders: 4, gzip: false, warmupSeconds: 3, seconds: 8 }

const sending = (options: Omit<LoadOptions, 'port'>) => ({ script: 'load.js', options }) as const

export const scenarios: readonly Scenario[] = [
  { name: 'pass-through', about: 'OTLP in, OTLP out, uncompressed', load: sending(base), yaml: passThrough() },
  {
    name: 'pass-through gzip',
    about: 'gzip on both sides',
    load: sending({ ...base, gzip: true }),
    yaml: passThrough({ compression: 'gzip' }),
  },
  { name: 'one resource attribute', about: 'one attribute written on every resource', load: sending(base), yaml: passThrough(RESOURCE) },
  {
    name: 'one resource attribute gzip',
    about: 'the same with gzip on both sides',
    load: sending({ ...base, gzip: true }),
    yaml: passThrough({ ...RESOURCE, compression: 'gzip' }),
  },
  { name: '100 spans a request', about: 'small requests', load: sending({ ...base, spans: 100, pool: 200 }), yaml: passThrough(RESOURCE) },
  { name: '32 senders', about: 'many senders at once', load: sending({ ...base, senders: 32 }), yaml: passThrough(RESOURCE) },
  {
    name: 'overload',
    about: 'twice as many requests as the backend takes, from more senders than memory has room for',
    load: sending({ ...base, senders: 1024, rate: 200, seconds: 20 }),
    sinkMessagesPerSecond: 100,
    memoryLimitMiB: MEMORY_LIMIT_MIB,
    yaml: passThrough({
      processors: ` memory_limiter: { check_interval: 100ms, limit_mib: ${MEMORY_LIMIT_MIB}, spike_limit_mib: ${MEMORY_LIMIT_MIB / 5} } `,
      names: 'memory_limiter',
    }),
  },
  ...(
    [
      ['http', 125, undefined],
      ['grpc', 125, undefined],
      ['grpc', 10, undefined],
      ...(KAFKA ? ([['http', 125, kafkaStream(KAFKA)]] as const) : []),
    ] as const
  ).map(
    ([protocol, spans, stream]): Scenario => ({
      name: `join${stream ? ' on Kafka' : ''}, chunks of ${spans}, OTLP/${protocol === 'http' ? 'HTTP' : 'gRPC'}`,
      about: `${stream ? 'stream on the Kafka of KAFKA_BROKERS' : 'durable embedded stream'}, 1,000 workloads with 8 GPUs each, longer than \`history\``,
      load: {
        script: 'factory-load.js',
        options: {
          protocol,
          workloads: 1000,
          gpusPerWorkload: 8,
          spans,
          spansPerSecond: spans === 10 ? 15_000 : 40_000,
          sampleSeconds: 10,
          senders: 256,
          warmupSeconds: 120,
          seconds: 30,
        },
      },
      peers: ['gateway'],
      yaml: joined(protocol, stream),
      settleMillis: 8000,
      own: {
        'held chunks': 'ai_factory_gateway_stream_held_chunks',
        matched: 'ai_factory_gateway_join_items_total|outcome="matched"',
        'not matched': 'ai_factory_gateway_join_items_total|outcome="unmatched"',
        late: 'ai_factory_gateway_join_items_total|outcome="late"',
        evicted: 'ai_factory_gateway_join_items_total|outcome="evicted"',
        'log bytes': 'ai_factory_gateway_stream_log_bytes',
        'lag records': 'ai_factory_gateway_stream_lag_records',
        'state bytes': 'ai_factory_gateway_stream_state_bytes',
      },
    }),
  ),
  ...(KAFKA
    ? [100, 1000].map(
        (spans): Scenario => ({
          name: `Kafka to OTLP, ${spans} spans a record`,
          about: 'one partition that is full, read to its end; uncompressed',
          load: { script: 'kafka.js', options: { pool: 32, spans, requests: 1_500_000 / spans } },
          yaml: kafkaToOtlp,
        }),
      )
    : []),
  ...(KAFKA
    ? [100, 1000].map(
        (spans): Scenario => ({
          name: `OTLP to Kafka, ${spans} spans a request`,
          about: 'one partition, acks of all replicas, uncompressed',
          load: sending({ ...base, spans, pool: spans === 100 ? 200 : 32 }),
          toKafka: true,
          yaml: otlpToKafka,
        }),
      )
    : []),
  {
    name: 'scrape',
    about: '100 targets of 1,000 series, every 5 s',
    load: { script: 'targets.js', options: { targets: TARGETS, series: 1000, warmupSeconds: 10, seconds: 30 } },
    item: 'series',
    peers: ['gateway'],
    yaml: scraped,
    watchPauses: true,
    own: {
      'scrapes done': 'ai_factory_gateway_scrapes_succeeded_total',
      failed: 'ai_factory_gateway_scrapes_failed_total',
      skipped: 'ai_factory_gateway_scrapes_skipped_total',
    },
  },
]
