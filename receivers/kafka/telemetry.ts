/** The receiver's metrics, under the names of the Collector's (receiver/kafkareceiver as documented for 0.155 and later), without its `node_id`. */
import type { TopicPartition } from '../../kafka/index.js'
import type { OtlpSignal } from '../../proto/services.js'
import type { Context } from '../../runtime/component.js'
import { ITEM_NAMES } from '../../runtime/telemetry/names.js'

export class Telemetry {
  constructor(private readonly context: Pick<Context, 'id' | 'meter'>) {}

  started(partition: TopicPartition, current: () => number, lag: () => number): void {
    const { meter, id } = this.context
    const labels = this.labels(partition)
    meter.counter('otelcol_kafka_receiver_partition_start', 'Number of started partitions [Development]', { receiver: id }).add(1)
    meter.gauge('otelcol_kafka_receiver_current_offset', 'Current message offset [Development]', labels, current)
    meter.gauge('otelcol_kafka_receiver_offset_lag', 'Current offset lag [Development]', labels, lag)
  }

  closed(partition: TopicPartition): void {
    const { meter, id } = this.context
    const labels = this.labels(partition)
    meter.counter('otelcol_kafka_receiver_partition_close', 'Number of finished partitions [Development]', { receiver: id }).add(1)
    // Its owner says what is true now.
    meter.gauge('otelcol_kafka_receiver_current_offset', 'Current message offset [Development]', labels, () => Number.NaN)
    meter.gauge('otelcol_kafka_receiver_offset_lag', 'Current offset lag [Development]', labels, () => Number.NaN)
  }

  received(partition: TopicPartition, records: number, bytes: number): void {
    const { meter } = this.context
    const labels = { ...this.labels(partition), outcome: 'success' }
    meter.counter('otelcol_kafka_receiver_records', 'The number of received records. [Development]', labels).add(records)
    meter
      .counter(
        'otelcol_kafka_receiver_bytes_uncompressed',
        'The uncompressed size in bytes of received records seen by the client. [Development]',
        labels,
      )
      .add(bytes)
  }

  /** How many items were in it nobody knows: one a record, as the Collector counts. */
  unreadable(partition: TopicPartition, signal: OtlpSignal): void {
    const what = ITEM_NAMES[signal]
    this.context.meter
      .counter(
        `otelcol_kafka_receiver_unmarshal_failed_${what}`,
        `Number of ${what.replace('_', ' ')} failed to be unmarshaled [Development]`,
        this.labels(partition),
      )
      .add(1)
  }

  /** `outcome`: `dead_letter` or `skipped`. */
  undeliverable({ topic }: TopicPartition, reason: string, outcome: 'dead_letter' | 'skipped', records = 1): void {
    const { meter, id } = this.context
    meter
      .counter(
        'ai_factory_gateway_kafka_undeliverable_records_total',
        'Records that can never be delivered, by reason and by what became of them.',
        {
          receiver: id,
          topic,
          reason,
          outcome,
        },
      )
      .add(records)
  }

  private labels({ topic, partition }: TopicPartition) {
    return { receiver: this.context.id, topic, partition: String(partition) }
  }
}
