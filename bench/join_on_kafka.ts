/** A gateway whose join runs on Kafka, as several benches start it: pinned like every subject, its spans sent to a sink of our own. */
import { freePort } from '../simulator/gateway.js'
import { Subject } from './subject.js'

export interface JoinOnKafka {
  readonly brokers: string
  readonly topic: string
  readonly group: string
  /** Port of the sink. */
  readonly send: number
  /** What leaves the gateway: `windows`, to a topic as Kafka Streams writes them, or every span with the state of its GPUs too, to the sink. */
  readonly leaving: 'windows' | 'spans'
}

export const PARTITIONS = 4

export const startJoin = async ({ brokers, topic, group, send, leaving }: JoinOnKafka) => {
  const ports = { receive: await freePort(), metrics: await freePort() }
  const yaml = `
receivers: { otlp: { protocols: { http: { endpoint: 127.0.0.1:${ports.receive} } } } }
processors: { workload_id: {}, workload_join: { window: 10s, grace: 5s, max_gap: 15s, history: 50s } }
exporters:
  otlp_grpc: { endpoint: 127.0.0.1:${send}, tls: { insecure: true }, compression: none, sending_queue: { batch: { flush_timeout: 100ms, min_size: 2000 } } }
  kafka: { brokers: [${brokers}], signals: [events], events: { topic: ${group}-windows } }
streams: { workloads: { driver: kafka, brokers: [${brokers}], topic: ${topic}, group_id: ${group}, partitions: ${PARTITIONS}, retention: 1h } }
service:
  telemetry: { metrics: { address: 127.0.0.1:${ports.metrics} }, logs: { level: warn } }
  pipelines: { factory: { receivers: [otlp], processors: [workload_id, workload_join], exporters: [${leaving === 'windows' ? 'kafka' : 'otlp_grpc'}] } }
`
  return { ports, subject: await Subject.start('gateway', yaml, ports.metrics) }
}
