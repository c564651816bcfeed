/**
 * A transactional producer for each partition that is ours (rule 22). Its id is the group and the partition: opening it ends what an older owner left
 * open and fences it for good, whatever generation it believes in. So what is committed is read only afterwards.
 */
import type { AssignedPartition, KafkaClient, Transaction, TransactionalProducer } from '../../kafka/index.js'
import { KafkaError } from '../../kafka/index.js'

export interface PartitionProducersOptions {
  readonly topic: string
  readonly group: string
  readonly timeout: number
}

/** Of a transaction that nobody ends: readers of what is committed wait so long for it when its owner is gone and has no successor. */
const TRANSACTION_TIMEOUT_MS = 30_000

export class PartitionProducers {
  private readonly producers = new Map<number, TransactionalProducer>()

  constructor(
    private readonly client: KafkaClient,
    private readonly options: PartitionProducersOptions,
  ) {}

  /** Fences older owners; then the same partitions as they stand now. Rejects with KafkaError when one cannot be had. */
  async open(partitions: readonly AssignedPartition[]): Promise<readonly AssignedPartition[]> {
    if (partitions.length === 0) return []
    await Promise.all(partitions.map(({ partition }) => this.openOne(partition)))
    const { topic, group } = this.options
    const admin = this.client.admin()
    try {
      const [committed, offsets] = await Promise.all([admin.committed(group, topic), admin.offsets(topic)])
      return partitions.map(({ partition, position }) => {
        const found = committed.get(partition)
        const { start: logStart, end: logEnd } = offsets.get(partition) ?? { start: 0, end: 0 }
        const wanted = found?.offset ?? position
        return { topic, partition, committed: found, logStart, logEnd, position: wanted > logEnd ? logStart : Math.max(wanted, logStart) }
      })
    } finally {
      await admin.close()
    }
  }

  /** Throws when the partition has none, or its last transaction has not ended. */
  begin(partition: number): Transaction {
    const producer = this.producers.get(partition)
    if (!producer) throw new KafkaError(`partition ${partition} has no transactional producer`, 'fenced', 'PRODUCER_FENCED')
    return producer.begin()
  }

  /** What is open is left to the next owner, or to its timeout. */
  close(partition: number): void {
    const producer = this.producers.get(partition)
    this.producers.delete(partition)
    void producer?.close()
  }

  closeAll(): void {
    for (const partition of [...this.producers.keys()]) this.close(partition)
  }

  private async openOne(partition: number): Promise<void> {
    this.close(partition)
    const { group, timeout } = this.options
    const transactionalId = `${group}-${partition}`
    const producer = await this.client.transactional({ transactionalId, timeout, transactionTimeout: TRANSACTION_TIMEOUT_MS })
    // Two openings may overlap when a partition comes and goes: the later one stands.
    this.close(partition)
    this.producers.set(partition, producer)
  }
}
