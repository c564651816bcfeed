/** What the Kafka receiver and exporter share: the client behind its options, and how many partitions a topic has. */
import { type KafkaConnection, readKafkaConnection } from '../config/kafka.js'
import { type Admin, connect, type KafkaClient, KafkaError } from '../kafka/index.js'
import type { Clock, Context } from './component.js'

/** The files that the options name are read; nothing is opened. Rejects when one cannot be read or the options cannot be right. */
export const kafkaClient = async (options: KafkaConnection, context: Pick<Context, 'clock' | 'log'>, rack?: string): Promise<KafkaClient> =>
  connect({ ...(await readKafkaConnection(options)), ...(rack ? { rack } : {}) }, context)

/** Topics known at once; beyond it everything is asked anew. Names may come from attributes, that is, from anybody. */
const MOST_TOPICS = 10_000

/** How many partitions topics have, asked once an interval: topics grow, and a key then goes elsewhere, as with every client. */
export class TopicPartitions {
  private readonly known = new Map<string, { readonly count: Promise<number>; readonly asked: number }>()

  constructor(
    private readonly admin: Admin,
    private readonly clock: Clock,
    private readonly refreshInterval: number,
    /** Makes a topic that is not there, with the cluster's defaults. */
    private readonly create: boolean,
  ) {}

  /** Rejects with KafkaError; the next call asks again. */
  of(topic: string): Promise<number> {
    const now = this.clock.monotonic()
    const found = this.known.get(topic)
    if (found && now - found.asked < this.refreshInterval) return found.count
    if (this.known.size >= MOST_TOPICS) this.known.clear()
    const count = this.ask(topic)
    this.known.set(topic, { count, asked: now })
    count.catch(() => this.forget(topic))
    return count
  }

  /** For who was told that a topic is not as it was. */
  forget(topic: string): void {
    this.known.delete(topic)
  }

  private async ask(topic: string): Promise<number> {
    const found = await this.admin.describeTopic(topic)
    if (found) return found.partitions
    const missing = new KafkaError(
      `there is no topic "${topic}"; create it, or check its name and that this user may Describe it`,
      'retryable',
      'UNKNOWN_TOPIC_OR_PARTITION',
    )
    if (!this.create) throw missing
    await this.make(topic)
    const made = await this.admin.describeTopic(topic)
    if (!made) throw missing
    return made.partitions
  }

  private async make(topic: string): Promise<void> {
    try {
      await this.admin.ensureTopic({ topic, partitions: CLUSTER_DEFAULT })
    } catch (error) {
      // Somebody else made it meanwhile, with partitions of their choice.
      if (!(error instanceof KafkaError && error.code === 'TOPIC_MISMATCH')) throw error
    }
  }
}

const CLUSTER_DEFAULT = -1
