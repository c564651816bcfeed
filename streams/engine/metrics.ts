/** A stream's own metrics: `ai_factory_gateway_stream_*`, labelled with the stream's name. */
import type { Counter, Meter } from '../ports.js'

export interface StreamCounters {
  readonly appended: Counter
  readonly passed: Counter
  readonly read: Counter
  readonly replayed: Counter
  readonly duplicates: Counter
  readonly evicted: Counter
  readonly lost: Counter
  readonly failed: Counter
  readonly ticks: Counter
  readonly checkpoints: Counter
  readonly checkpointErrors: Counter
  readonly redeliveries: Counter
  refused(reason: string): Counter
}

const PREFIX = 'ai_factory_gateway_stream_'

export const streamCounters = (meter: Meter, stream: string): StreamCounters => {
  const counter = (name: string, help: string, labels: Record<string, string> = {}) =>
    meter.counter(`${PREFIX}${name}`, help, { stream, ...labels })
  return {
    appended: counter('appended_items_total', 'Items durably on the log.'),
    passed: counter('passed_items_total', 'Items that the log could not take and that went on without it (`on_unavailable: pass`).'),
    read: counter('read_records_total', 'Records taken by the task, ticks included.'),
    replayed: counter('replayed_records_total', 'Records read again after a start to rebuild state.'),
    duplicates: counter('duplicate_items_total', 'Items of copies that were recognised and dropped.'),
    evicted: counter('evicted_items_total', 'Items sent on early because what waits took too much memory.'),
    lost: counter('lost_items_total', 'Items that lay on the log and cannot be read any more.'),
    failed: counter('failed_items_total', 'Items that the handler could not process.'),
    ticks: counter('ticks_total', 'Empty records appended to quiet partitions.'),
    checkpoints: counter('checkpoints_total', 'Checkpoints committed.'),
    checkpointErrors: counter('checkpoint_errors_total', 'Checkpoints that could not be committed; tried again.'),
    redeliveries: counter('redeliveries_total', 'Deliveries that were rejected and handed over again.'),
    refused: reason => counter('refused_items_total', 'Items whose sender was told to try again, or never.', { reason }),
  }
}

export interface StreamState {
  watermarkLagSeconds(): number
  heldBytes(): number
  heldChunks(): number
  stateBytes(): number
  inFlightBytes(): number
  restoring(): number
  reading(): number
  checkpointAgeSeconds(): number
}

export const watchState = (meter: Meter, stream: string, state: StreamState): void => {
  const gauge = (name: string, help: string, read: () => number) => meter.gauge(`${PREFIX}${name}`, help, { stream }, read)
  gauge('watermark_lag_seconds', 'Wall time minus the watermark of the partition that is furthest behind.', () =>
    state.watermarkLagSeconds(),
  )
  gauge('held_bytes', 'Memory of chunks that wait for the watermark.', () => state.heldBytes())
  gauge('held_chunks', 'Chunks that wait for the watermark.', () => state.heldChunks())
  gauge('state_bytes', 'Memory of the join state and of what recognises copies.', () => state.stateBytes())
  gauge('in_flight_bytes', 'Outputs handed on and not yet acknowledged.', () => state.inFlightBytes())
  gauge('restoring', '1 while state is rebuilt from the log after a start.', () => state.restoring())
  gauge('reading', '1 while the log is read; 0 after a bug of the gateway ended that, and after a stop.', () => state.reading())
  gauge('checkpoint_age_seconds', 'Time since the last checkpoint.', () => state.checkpointAgeSeconds())
}
