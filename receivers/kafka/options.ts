import { z } from 'zod'
import { kafkaConnection } from '../../config/kafka.js'
import { byteSize, duration } from '../../config/options.js'

const topicName = () =>
  z.string().regex(/^[a-zA-Z0-9._-]{1,249}$/, 'a topic name is 1 to 249 letters, digits, dots, dashes and underscores')

const signal = (topic: string) =>
  z
    .strictObject({
      topics: z.array(topicName()).min(1).default([topic]).describe('Topics to read.'),
      encoding: z.enum(['otlp_proto', 'otlp_json']).default('otlp_proto').describe('What the records hold.'),
    })
    .prefault({})

const backoffOptions = z
  .strictObject({
    initial_interval: duration('500ms').describe('Wait before a record that was refused for now is handed on again.'),
    max_interval: duration('30s').describe('Longest wait, unless whoever refused asks for a longer one.'),
    multiplier: z.number().min(1).default(1.5).describe('Each wait is this many times the one before.'),
    randomization_factor: z.number().min(0).max(1).default(0.5).describe('Each wait is spread by this fraction of itself, both ways.'),
  })
  .refine(it => it.initial_interval > 0 && it.max_interval > 0, { error: 'initial_interval and max_interval must be above 0' })
  .prefault({})
export type BackoffOptions = z.infer<typeof backoffOptions>

export const options = z
  .strictObject({
    ...kafkaConnection,
    protocol_version: z.string().optional().describe('Read and not used: the versions of requests are found out.'),
    traces: signal('otlp_spans').describe('Where spans are read, when a pipeline behind this receiver carries traces.'),
    metrics: signal('otlp_metrics').describe('Where data points are read, when a pipeline behind this receiver carries metrics.'),
    logs: signal('otlp_logs').describe('Where log records are read, when a pipeline behind this receiver carries logs.'),
    group_id: z.string().min(1).default('otel-collector').describe('Consumer group: its members share the partitions.'),
    group_instance_id: z
      .string()
      .default('')
      .describe('Static membership: who comes back under this name within session_timeout keeps its partitions. Empty = none.'),
    rack_id: z.string().default('').describe('Where this gateway stands, for brokers that let the nearest replica answer.'),
    initial_offset: z
      .enum(['latest', 'earliest'])
      .default('latest')
      .describe('Where a partition begins for which the group has committed nothing: behind what is there, or before it.'),
    session_timeout: duration('10s').describe(
      'A gateway that the brokers do not hear of for so long has lost its partitions. Heartbeats go four times as often.',
    ),
    heartbeat_interval: duration('3s').optional().describe('Read and not used: there are four heartbeats a session.'),
    rebalance_timeout: duration('30s').describe('How long the group waits for a member to join again.'),
    min_fetch_size: byteSize('1').optional().describe('Read and not used: a broker answers as soon as there is a record.'),
    max_fetch_size: byteSize('8MiB').describe('Bytes of one fetch.'),
    max_partition_fetch_size: byteSize('1MiB').describe(
      'Bytes of one fetch from one partition; also what may wait of a partition before it is paused.',
    ),
    max_fetch_wait: duration('250ms').describe('Longest wait of a broker for something to answer with.'),
    max_in_flight: z
      .int()
      .min(1)
      .max(10_000)
      .default(16)
      .describe(
        'Records of a partition handed on and not acknowledged; they leave in order. 1 = each is acknowledged before the next leaves.',
      ),
    autocommit: z
      .strictObject({ interval: duration('1s').describe('How often the offsets of what was acknowledged are committed.') })
      .prefault({})
      .describe('Offsets are committed only behind what every branch has acknowledged.'),
    error_backoff: backoffOptions.describe('How a record that was refused for now is handed on again; without end.'),
    dead_letter: z
      .strictObject({
        topic: topicName().describe(
          'Topic that takes what can never be delivered, as it came, with the reason in headers. It must be there.',
        ),
      })
      .optional()
      .describe('Where records go that cannot be read, or were refused for good; absent = they are counted, logged and skipped.'),
  })
  .refine(it => it.autocommit.interval > 0, { error: 'autocommit.interval must be above 0', path: ['autocommit'] })
  .refine(it => it.session_timeout >= 1000, { error: 'session_timeout must be at least 1s', path: ['session_timeout'] })
  .superRefine((it, context) => {
    const all = [...it.traces.topics, ...it.metrics.topics, ...it.logs.topics, ...(it.dead_letter ? [it.dead_letter.topic] : [])]
    const twice = all.find((topic, index) => all.indexOf(topic) !== index)
    if (twice !== undefined) context.addIssue({ code: 'custom', message: `topic "${twice}" stands here twice: a topic carries one signal` })
  })
export type Options = z.infer<typeof options>
