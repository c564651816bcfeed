/** The producer, and which partition each record goes to. */
import type { Admin, Headers, KafkaClient, Producer } from '../../kafka/index.js'
import { KafkaError } from '../../kafka/index.js'
import type { Context } from '../../runtime/component.js'
import { kafkaClient, TopicPartitions } from '../../runtime/kafka.js'
import type { Options } from './options.js'
import { partitionOf } from './partitioner.js'
import type { Parcel } from './shipment.js'

/** Timers hold no more. */
const NO_TIMEOUT = 2 ** 31 - 1
/** The producer gives up before the attempt does, so that the attempt ends with the reason. */
const PART_OF_TIMEOUT = 0.9

export class Outgoing {
  private readonly admin: Admin
  private readonly producer: Producer
  private readonly topics: TopicPartitions
  private readonly headers: Headers

  private constructor(
    client: KafkaClient,
    private readonly options: Options,
    private readonly context: Context,
  ) {
    const { producer, timeout, metadata, record_headers } = options
    this.admin = client.admin()
    this.producer = client.producer({
      timeout: timeout === 0 ? NO_TIMEOUT : timeout * PART_OF_TIMEOUT,
      compression: producer.compression,
      maxBatchBytes: producer.max_message_bytes,
    })
    this.topics = new TopicPartitions(this.admin, context.clock, metadata.refresh_interval, producer.allow_auto_topic_creation)
    this.headers = Object.entries(record_headers).map(([name, value]) => [name, Buffer.from(value)] as const)
  }

  /** Connects when the first record is written. */
  static async open(options: Options, context: Context): Promise<Outgoing> {
    return new Outgoing(await kafkaClient(options, context), options, context)
  }

  /** `into`: the producer, or a transaction. Rejects with KafkaError. */
  async write({ topic, key, turn }: Parcel, value: Buffer, into: Pick<Producer, 'send'> = this.producer): Promise<void> {
    const partitions = await this.topics.of(topic)
    const { sticky_key, round_robin } = this.options.record_partitioner
    const partition = key && !round_robin ? partitionOf(sticky_key?.hasher ?? 'sarama_compat', key, partitions) : turn % partitions
    try {
      await into.send([{ topic, partition, key, value, headers: this.headers, timestamp: this.context.clock.now() }])
      this.count(topic, partition, value.length, 'success')
    } catch (error) {
      this.count(topic, partition, value.length, 'failure')
      if (error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') this.topics.forget(topic)
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.producer.close(), this.admin.close()])
  }

  /** The Collector's names (exporter/kafkaexporter 0.155), without its `node_id`: which broker takes a record is the client's affair. */
  private count(topic: string, partition: number, bytes: number, outcome: 'success' | 'failure'): void {
    const { meter, id } = this.context
    const labels = { exporter: id, topic, partition: String(partition), outcome }
    meter.counter('otelcol_kafka_exporter_records', 'The number of exported records. [Development]', labels).add(1)
    meter
      .counter(
        'otelcol_kafka_exporter_bytes_uncompressed',
        'The uncompressed size in bytes of exported messages seen by the client. [Development]',
        labels,
      )
      .add(bytes)
  }
}
