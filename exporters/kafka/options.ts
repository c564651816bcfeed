import { z } from 'zod'
import { kafkaConnection } from '../../config/kafka.js'
import { duration, headers } from '../../config/options.js'
import { WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import { deliveryOptions } from '../../runtime/delivery/index.js'
import { temporality } from '../../runtime/temporality.js'
import { eventOptions } from './events/options.js'
import { TOPIC } from './topic.js'

const signal = (topic: string) =>
  z
    .strictObject({
      topic: z
        .string()
        .regex(TOPIC, 'a topic name is 1 to 249 letters, digits, dots, dashes and underscores')
        .default(topic)
        .describe('Topic to write to.'),
      encoding: z
        .enum(['otlp_proto', 'otlp_json'])
        .default('otlp_proto')
        .describe('`otlp_proto` passes protobuf on as it is; `otlp_json` costs many times the CPU.'),
    })
    .prefault({})

const producer = z
  .strictObject({
    max_message_bytes: z
      .int()
      .min(1024)
      .max(64 * 2 ** 20)
      .default(1_000_000)
      .describe('Largest record (key, value and headers, before compression); larger requests are cut between their items.'),
    required_acks: z
      .union([z.literal(-1), z.literal('all'), z.literal(1), z.literal(0)])
      .default(-1)
      .describe(
        'Read, and always taken as `all` in-sync replicas: anything less acknowledges what a broker’s end can still lose, and cannot be idempotent.',
      ),
    compression: z.enum(['none', 'gzip', 'snappy', 'lz4', 'zstd']).default('none').describe('How record batches are compressed.'),
    allow_auto_topic_creation: z
      .boolean()
      .default(true)
      .describe('Make a topic that is not there, with the cluster’s default partitions and replicas; false = wait until somebody made it.'),
  })
  .prefault({})

const partitioner = z
  .strictObject({
    sticky_key: z
      .strictObject({
        hasher: z
          .enum(['sarama_compat', 'murmur2'])
          .default('sarama_compat')
          .describe('`sarama_compat` chooses as the Collector does (FNV-1a), `murmur2` as Java’s clients do.'),
      })
      .optional()
      .describe(
        'Records with the same key go to the same partition; those without a key to one partition a request, in turn. The default.',
      ),
    round_robin: z.strictObject({}).optional().describe('Every record goes to the next partition, whatever its key.'),
  })
  .refine(({ sticky_key, round_robin }) => !sticky_key || !round_robin, {
    error: 'choose one: sticky_key or round_robin',
    path: ['round_robin'],
  })
  .prefault({})

export const options = z
  .strictObject({
    ...kafkaConnection,
    protocol_version: z.string().optional().describe('Read and not used: the versions of requests are found out.'),
    traces: signal('otlp_spans').describe('Where spans go.'),
    metrics: signal('otlp_metrics').describe('Where data points go.'),
    logs: signal('otlp_logs').describe('Where log records go.'),
    signals: z
      .array(z.enum(['traces', 'metrics', 'logs', 'events']))
      .min(1)
      .default(['traces', 'metrics', 'logs', 'events'])
      .describe('What is written; the rest is not taken. Correlated events need `events` to be written as such.'),
    events: eventOptions
      .optional()
      .describe(
        'Correlated events go to a topic of their own, each as one record. Absent = as data points and log records, like everywhere.',
      ),
    topic_from_attribute: z
      .string()
      .default('')
      .describe('Resource attribute that names the topic of its resource, where it is there and can be a topic’s name; empty = none.'),
    key_from_attribute: z
      .string()
      .default(WORKLOAD_ID)
      .describe('Resource attribute whose value is the key of its resource’s records; without it they have none. Empty = no keys.'),
    partition_traces_by_id: z.boolean().default(false).describe('The key of spans is their trace id, in hex.'),
    partition_logs_by_trace_id: z
      .boolean()
      .default(false)
      .describe('The key of log records is their trace id, in hex; without one they have no key.'),
    partition_metrics_by_resource_attributes: z
      .boolean()
      .default(false)
      .describe('The key of data points is a hash of their resource’s attributes.'),
    partition_logs_by_resource_attributes: z
      .boolean()
      .default(false)
      .describe('The key of log records is a hash of their resource’s attributes.'),
    record_partitioner: partitioner.describe('Which partition a record goes to.'),
    record_headers: headers().default({}).describe('Written to every record.'),
    producer: producer.describe('How records are written.'),
    metadata: z
      .strictObject({
        refresh_interval: duration('10m').describe('How often it is asked how many partitions a topic has.'),
      })
      .prefault({})
      .describe('What is known of the cluster.'),
    temporality: temporality(),
    ...deliveryOptions('5s'),
  })
  .refine(it => !(it.partition_logs_by_trace_id && it.partition_logs_by_resource_attributes), {
    error: 'choose one: partition_logs_by_trace_id or partition_logs_by_resource_attributes',
    path: ['partition_logs_by_resource_attributes'],
  })
export type Options = z.infer<typeof options>
