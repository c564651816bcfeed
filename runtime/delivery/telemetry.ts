/** What an exporter says about its deliveries: the Collector's metric names, every loss with its reason. */
import type { Batch, Signal } from '../../proto/batch.js'
import type { Context, Counter } from '../component.js'
import { PermanentError, reasonOf } from '../errors.js'
import { droppedItems } from '../telemetry/ledger.js'
import type { Outcome } from './timeout.js'

/** [name, plural in HELP texts] of the Collector's item metrics; `events` is ours. */
const ITEMS: Readonly<Record<Signal, readonly [prefix: string, item: string, words: string]>> = {
  traces: ['otelcol_exporter', 'spans', 'spans'],
  metrics: ['otelcol_exporter', 'metric_points', 'metric points'],
  logs: ['otelcol_exporter', 'log_records', 'log records'],
  events: ['ai_factory_gateway_exporter', 'events', 'correlated events'],
}

/** Most different reasons a backend's answers may add to our own metrics; the rest is counted as `other`. */
const MOST_REASONS = 16
const LONGEST_REASON = 80
/** One signal's deliveries through one exporter. */
export class DeliveryTelemetry {
  private readonly sent: Counter
  private readonly failed: Counter
  private readonly enqueueFailed: Counter
  private readonly reasons = new Map<string, Counter>()

  constructor(
    private readonly signal: Signal,
    private readonly context: Context,
  ) {
    const { id, meter } = context
    const [prefix, item, words] = ITEMS[signal]
    const labels = { exporter: id }
    this.sent = meter.counter(
      `${prefix}_sent_${item}`,
      `Number of ${signal === 'logs' ? 'log record' : words} successfully sent to destination. [Alpha]`,
      labels,
    )
    this.failed = meter.counter(
      `${prefix}_send_failed_${item}`,
      `Number of ${words} in failed attempts to send to destination. At detailed telemetry level, includes attributes: error.type (semantic convention), error.permanent. [Alpha]`,
      labels,
    )
    this.enqueueFailed = meter.counter(
      `${prefix}_enqueue_failed_${item}`,
      `Number of ${words} failed to be added to the sending queue. [Alpha]`,
      labels,
    )
  }

  readonly delivered = (batch: Batch, partial: Outcome | undefined): void => {
    let sent = batch.items
    for (const [reason, items] of partial?.withheld ?? []) {
      sent -= items
      this.drop(items, reason)
    }
    const rejected = Math.min(partial?.rejected ?? 0, sent)
    this.sent.add(sent - rejected)
    if (!partial || (rejected === 0 && partial.message === '')) return
    if (rejected > 0) {
      this.failed.add(rejected)
      this.drop(rejected, partial.message || 'partial_success')
    }
    this.warn(rejected > 0 ? 'the backend rejected part of a request' : 'the backend took a request with a warning', {
      rejected,
      reason: partial.message,
    })
  }

  /** The end of a request that was not delivered: its caller is told whether to send it again or never. */
  readonly undelivered = (batch: Batch, error: unknown): void => {
    this.failed.add(batch.items)
    const permanent = error instanceof PermanentError
    const message = permanent
      ? 'the backend refused a request for good; its sender is told'
      : 'a request could not be delivered; it is given back to its sender'
    this.warn(message, { items: batch.items, reason: reasonOf(error), error: messageOf(error) })
  }

  readonly full = (batch: Batch): void => {
    this.enqueueFailed.add(batch.items)
    this.drop(batch.items, 'queue_full')
    this.warn('the sending queue is full; requests are dropped', { items: batch.items })
  }

  /** Never held: given back to its caller because the gateway shuts down. */
  readonly refused = (batch: Batch): void => {
    this.enqueueFailed.add(batch.items)
  }

  readonly retrying = (error: unknown, delay: number): void => {
    this.warn('sending failed; it will be tried again', {
      after_ms: Math.round(delay),
      reason: reasonOf(error),
      error: messageOf(error),
    })
  }

  queue(capacity: number, size: () => number): void {
    const labels = { exporter: this.context.id, data_type: this.signal }
    this.context.meter.gauge(
      'otelcol_exporter_queue_capacity',
      'Fixed capacity of the retry queue (in batches). [Alpha]',
      labels,
      () => capacity,
    )
    this.context.meter.gauge('otelcol_exporter_queue_size', 'Current size of the retry queue (in batches). [Alpha]', labels, size)
  }

  inFlight(read: () => number): void {
    this.context.meter.gauge(
      'otelcol_exporter_in_flight_requests',
      'Number of export requests currently in-flight (including retry backoff). [Development]',
      { exporter: this.context.id, data_type: this.signal },
      read,
    )
  }

  /** Numbers in a backend's words differ from answer to answer; they are read as one reason. */
  private drop(items: number, words: string): void {
    const wanted = words.replace(/\d+/g, '#').slice(0, LONGEST_REASON)
    const reason = this.reasons.has(wanted) || this.reasons.size < MOST_REASONS ? wanted : 'other'
    let counter = this.reasons.get(reason)
    if (!counter) {
      counter = droppedItems(this.context.meter, 'exporter', this.context.id, this.signal, reason)
      this.reasons.set(reason, counter)
    }
    counter.add(items)
  }

  private warn(message: string, fields: Record<string, unknown>): void {
    this.context.log.warn(message, { signal: this.signal, ...fields })
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
