/** The Collector's metric names and help texts, as version 0.155 writes them (test/fixtures/collector-0.155-own-telemetry.txt), so that its boards light up. */
import type { Signal } from '../../proto/batch.js'

/** What one item of a signal is called at the end of a metric name. The Collector has no `events`; the word is ours. */
export const ITEM_NAMES: Readonly<Record<Signal, string>> = {
  traces: 'spans',
  metrics: 'metric_points',
  logs: 'log_records',
  events: 'events',
}

const words = (signal: Signal): string => ITEM_NAMES[signal].replace('_', ' ')

export interface Name {
  readonly name: string
  readonly help: string
}

export const receiverAccepted = (signal: Signal): Name => ({
  name: `otelcol_receiver_accepted_${ITEM_NAMES[signal]}`,
  help: `Number of ${words(signal)} successfully pushed into the pipeline. [Alpha]`,
})
export const receiverRefused = (signal: Signal): Name => ({
  name: `otelcol_receiver_refused_${ITEM_NAMES[signal]}`,
  help: `Number of ${words(signal)} that could not be pushed into the pipeline. [Alpha]`,
})
/** Ours stays 0: whatever stops a batch is a refusal, and the sender hears of it. The Collector's is 0 too unless a feature gate is on. */
export const receiverFailed = (signal: Signal): Name => ({
  name: `otelcol_receiver_failed_${ITEM_NAMES[signal]}`,
  help: `The number of ${words(signal)} that failed to be processed by the receiver due to internal errors. [Alpha]`,
})
export const PROCESSOR_INCOMING: Name = {
  name: 'otelcol_processor_incoming_items',
  help: 'Number of items passed to the processor. [Alpha]',
}
export const PROCESSOR_OUTGOING: Name = {
  name: 'otelcol_processor_outgoing_items',
  help: 'Number of items emitted from the processor. [Alpha]',
}
