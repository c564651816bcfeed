/** What can never be delivered goes to a topic of its own as it came, with where it lay and why in headers. */
import type { Admin, Headers, IncomingRecord, KafkaClient, Producer, TopicPartition } from '../../kafka/index.js'
import { KafkaError } from '../../kafka/index.js'
import type { Clock } from '../../runtime/component.js'
import { PermanentError } from '../../runtime/errors.js'
import { TopicPartitions } from '../../runtime/kafka.js'

const TIMEOUT_MS = 10_000
const REFRESH_MS = 600_000
/** Of the reason in words. */
const LONGEST = 1000
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const PREFIX = 'ai_factory.dead_letter.'

export class DeadLetters {
  private readonly admin: Admin
  private readonly producer: Producer
  private readonly topics: TopicPartitions

  constructor(
    client: KafkaClient,
    private readonly topic: string,
    private readonly receiver: string,
    clock: Clock,
  ) {
    this.admin = client.admin()
    this.producer = client.producer({ timeout: TIMEOUT_MS })
    this.topics = new TopicPartitions(this.admin, clock, REFRESH_MS, false)
  }

  /** Resolves when Kafka has it. Rejects with KafkaError; with PermanentError when the topic takes no record so large. */
  async put(from: TopicPartition, record: IncomingRecord, reason: string, message: string): Promise<void> {
    const partitions = await this.topics.of(this.topic)
    const facts = {
      receiver: this.receiver,
      topic: from.topic,
      partition: from.partition,
      offset: record.offset,
      reason,
      message: message.slice(0, LONGEST),
    }
    const headers: Headers = [
      ...record.headers,
      ...Object.entries(facts).map(([name, value]) => [PREFIX + name, Buffer.from(String(value))] as const),
    ]
    const { key, value, timestamp } = record
    try {
      await this.producer.send([{ topic: this.topic, partition: from.partition % partitions, key, value, headers, timestamp }])
    } catch (error) {
      if (error instanceof KafkaError && TOO_LARGE.has(error.code)) throw new PermanentError(error.message, 'too_large', { cause: error })
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.producer.close(), this.admin.close()])
  }
}
