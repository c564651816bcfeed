/** The `streams:` section of pipeline.yaml. */
import { z } from 'zod'
import { byteSize, duration } from '../config/options.js'
import type { Windowing } from './handler.js'

const embedded = z
  .strictObject({
    driver: z.literal('embedded').default('embedded').describe('Where records lie: `embedded` keeps them in a directory of this machine.'),
    directory: z
      .string()
      .min(1)
      .default('./data/streams')
      .describe('Directory of the log; each stream has a subdirectory of its name. One gateway per directory.'),
    partitions: z.int().min(1).max(1024).default(16).describe('Parts that keep state of their own. Cannot be changed while records wait.'),
    fsync: z
      .enum(['group', 'never'])
      .default('group')
      .describe(
        '`group`: acknowledged only when synced to disk, many requests per sync. `never`: when written; a power cut may lose the last seconds.',
      ),
    sync_interval: duration('20ms').describe(
      'While requests keep coming, they are written and synced together this far apart: senders wait so much longer, and it costs a fraction of the CPU. One that comes alone is written at once. `0s`: as fast as the disk takes them.',
    ),
    tick: duration('1s').describe(
      'A partition that has been quiet this long gets an empty record, so that time goes on and windows close.',
    ),
    commit_interval: duration('500ms').describe(
      'At most this often a checkpoint is written. What was emitted since the last one is sent again after a crash.',
    ),
    max_size: byteSize('10GiB').describe(
      'Disk space of the log. Above it the part kept only for restarts is freed, then senders are told to retry.',
    ),
    max_in_flight_bytes: byteSize('64MiB').describe('Outputs handed on and not yet acknowledged; at this bound reading pauses.'),
    max_record_bytes: byteSize('900KiB').describe('A larger item is laid on the log in several parts.'),
    on_unavailable: z
      .enum(['refuse', 'pass'])
      .default('refuse')
      .describe(
        'When the log cannot take records: `refuse` tells senders to retry, `pass` sends batches straight on, not joined, perhaps twice.',
      ),
  })
  .describe('A keyed, durable, event-time stream on which everything that concerns one workload meets.')

/** Options of one stream. */
export const streamOptions = embedded
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
