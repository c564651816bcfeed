/** The `streams:` section of pipeline.yaml. */
import { z } from 'zod'
import { kafkaConnection } from '../config/kafka.js'
import { byteSize, duration } from '../config/options.js'
import type { Windowing } from './handler.js'

/** What every driver has. */
const common = {
  partitions: z.int().min(1).max(1024).default(16).describe('Parts that keep state of their own. Cannot be changed while records wait.'),
  tick: duration('1s').describe('A partition that has been quiet this long gets an empty record, so that time goes on and windows close.'),
  commit_interval: duration('500ms').describe(
    'At most this often a checkpoint is written. What was emitted since the last one is sent again after a crash.',
  ),
  max_in_flight_bytes: byteSize('64MiB').describe('Outputs handed on and not yet acknowledged; at this bound reading pauses.'),
  max_record_bytes: byteSize('900KiB').describe('A larger item is laid on the log in several parts.'),
  on_unavailable: z
    .enum(['refuse', 'pass'])
    .default('refuse')
    .describe(
      'When the log cannot take records: `refuse` tells senders to retry, `pass` sends batches straight on, not joined, perhaps twice.',
    ),
}

const embedded = z.strictObject({
  driver: z
    .literal('embedded')
    .default('embedded')
    .describe('Where records lie: `embedded` keeps them in a directory of this machine, `kafka` on a topic that many gateways share.'),
  directory: z
    .string()
    .min(1)
    .default('./data/streams')
    .describe('Directory of the log; each stream has a subdirectory of its name. One gateway per directory.'),
  fsync: z
    .enum(['group', 'never'])
    .default('group')
    .describe(
      '`group`: acknowledged only when synced to disk, many requests per sync. `never`: when written; a power cut may lose the last seconds.',
    ),
  sync_interval: duration('20ms').describe(
    'While requests keep coming, they are written and synced together this far apart: senders wait so much longer, and it costs a fraction of the CPU. One that comes alone is written at once. `0s`: as fast as the disk takes them.',
  ),
  max_size: byteSize('10GiB').describe(
    'Disk space of the log. Above it the part kept only for restarts is freed, then senders are told to retry.',
  ),
  ...common,
})

/** Keys of the other driver may stay where they are when only `driver` and its own keys are set: `--set streams.workloads='{driver: kafka, …}'`. */
const unused = () => z.unknown().optional().describe('Of driver `embedded`; not used here.')

const kafka = z.strictObject({
  driver: z.literal('kafka'),
  ...kafkaConnection,
  topic: z
    .string()
    .regex(/^[\w.-]{1,249}$/, 'a topic name has letters, digits, dots, dashes and underscores')
    .optional()
    .describe(
      'Topic of the stream; `ai_factory_` and the stream’s name when left out. Made when it is not there, else it must have `partitions` and `retention` as asked.',
    ),
  replication_factor: z
    .int()
    .min(1)
    .optional()
    .describe('Copies of the topic when it is made; the cluster’s default when left out. 3 for a log that survives a broker.'),
  retention: duration('24h').describe(
    'How long the topic keeps records. At least three times `history` + `window` + `grace` of the join and the longest outage of all gateways that is to lose nothing.',
  ),
  group_id: z.string().min(1).optional().describe('Consumer group of the gateways that share the stream; the topic’s name when left out.'),
  group_instance_id: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Name of this gateway in the group, if it has one of its own (a pod of a StatefulSet): restarted within `session_timeout`, it gets its partitions back without a rebalance.',
    ),
  session_timeout: duration('10s').describe(
    'A gateway that is silent this long loses its partitions to the others. Within the brokers’ group.min.session.timeout.ms and its maximum.',
  ),
  produce_timeout: duration('10s').describe('Senders are told to retry when the brokers have not taken their records within this time.'),
  exactly_once: z
    .boolean()
    .default(false)
    .describe(
      'Outputs and checkpoint in one transaction: who reads `read_committed` sees each output once, `commit_interval` later. Needs exporter `kafka`, on the same cluster, as the only exporter behind the join.',
    ),
  sync_interval: duration('10ms').describe(
    'While requests keep coming, they are written, and read, together this far apart: senders wait so much longer, and it costs a fraction of the CPU. One that comes alone is written at once.',
  ),
  max_fetch_size: byteSize('4MiB').describe('Bytes asked of the brokers at once; as much again may lie ready.'),
  ...common,
  directory: unused(),
  fsync: unused(),
  max_size: unused(),
})

/** Options of one stream. */
export const streamOptions = z
  .discriminatedUnion('driver', [embedded, kafka])
  .describe('A keyed, durable, event-time stream on which everything that concerns one workload meets.')
export type StreamOptions = z.infer<typeof streamOptions>

/** Stream name → options. */
export const streamsSection = z
  .record(z.string().regex(/^[a-z][a-z0-9_-]*$/), streamOptions)
  .prefault({ workloads: {} })
  .describe('Streams by name; `workload_join` uses `workloads` unless told otherwise.')
export type StreamsSection = z.infer<typeof streamsSection>

/** Undefined when the settings hang together, else what to change. */
export const windowingProblem = ({ window, grace, maxGap, history }: Windowing): string | undefined => {
  if (!(window >= 1 && Number.isInteger(window))) return `window must be whole milliseconds and at least 1ms, not ${window}ms`
  const least = 2 * maxGap + grace + window
  return history < least
    ? `history must be at least 2 x max_gap + grace + window = ${least / 1000}s, not ${history / 1000}s: raise history or lower max_gap`
    : undefined
}

/** Undefined when a log that keeps records for `retention` milliseconds has what a restart reads again, three times over (docs/scaling.md). */
export const retentionProblem = ({ window, grace, history }: Windowing, retention: number): string | undefined => {
  const least = 3 * (history + window + grace)
  return retention < least
    ? `retention must be at least 3 x (history + window + grace) = ${least / 1000}s, not ${retention / 1000}s: raise it on the stream and its topic, or lower history`
    : undefined
}
