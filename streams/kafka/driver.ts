/**
 * The driver over Kafka: a topic whose partitions are the stream's, and a consumer group in which each partition has one owner (docs/stream.md).
 * Nobody but the broker stamps append times. State stays with a partition through a rebalance when it comes back with the checkpoint that was
 * committed here last; otherwise it is given up and restored by whoever owns the partition now.
 */
import {
  type AssignedPartition,
  type FetchedBatch,
  type Gap,
  type GroupMember,
  type KafkaClient,
  KafkaError,
  type MemberListener,
  type Producer,
} from '../../kafka/index.js'
import type { Checkpoint, Driver, Extent, Outgoing, Polled, Raw, Reread } from '../driver.js'
import type { Ports } from '../ports.js'
import { Refusal } from '../stream.js'
import { fromCommit, toCommit } from './checkpoint.js'
import { type KafkaEvents, kafkaEvents } from './events.js'
import { News } from './news.js'
import { fromKafka, pack, type Received, toKafka } from './record.js'
import { Shelf } from './shelf.js'

export interface KafkaStreamOptions {
  readonly stream: string
  readonly topic: string
  readonly partitions: number
  /** Left out: the cluster's default. */
  readonly replication?: number | undefined
  /** Configuration that the topic is made with, and must have. */
  readonly topicConfig: Readonly<Record<string, string>>
  readonly group: string
  readonly instanceId?: string | undefined
  readonly sessionTimeout: number
  readonly produceTimeout: number
  /** Bytes of one fetch. */
  readonly fetchBytes: number
}

const RETRY_AFTER_MS = 1000
/** Tells the records of one life of a driver from all others. */
const MOST_SENDERS = 2 ** 48

/** A partition that is ours. */
interface Place {
  /** The offset behind what was handed to the engine. */
  handed: number
  /** What stands for the partition at the broker, as far as is known: committed, or on its way when the answer was lost. */
  committed: string | undefined
  attempted: string | undefined
}

export class KafkaDriver implements Driver {
  readonly partitions: number
  private readonly events: KafkaEvents
  private readonly sender = Math.floor(Math.random() * MOST_SENDERS)
  private readonly places = new Map<number, Place>()
  private readonly news = new News()
  private readonly shelf = new Shelf()
  private producer: Producer | undefined
  private member: GroupMember | undefined
  private generation: number | undefined
  /** Read before the engine had heard of its partitions. */
  private early: readonly FetchedBatch[] = []
  private waiting: (() => void)[] = []

  constructor(
    private readonly client: KafkaClient,
    private readonly options: KafkaStreamOptions,
    private readonly ports: Ports,
  ) {
    const { stream, partitions } = options
    this.partitions = partitions
    this.events = kafkaEvents(stream, ports)
    ports.meter.gauge(
      'ai_factory_gateway_stream_owned_partitions',
      'Partitions whose owner is this gateway.',
      { stream },
      () => this.places.size,
    )
    ports.meter.gauge(
      'ai_factory_gateway_stream_lag_records',
      'Records on the topic, in partitions owned here, that were not read yet.',
      { stream },
      () => this.lag(),
    )
  }

  async open(): Promise<void> {
    const { topic, partitions, replication, topicConfig, produceTimeout, group, instanceId, sessionTimeout, fetchBytes } = this.options
    const admin = this.client.admin()
    try {
      await admin.ensureTopic({ topic, partitions, config: topicConfig, ...(replication === undefined ? {} : { replication }) })
    } catch (error) {
      throw new Error(`stream ${this.options.stream}: ${(error as Error).message}`, { cause: error })
    } finally {
      await admin.close()
    }
    this.producer = this.client.producer({ timeout: produceTimeout })
    this.member = this.client.member(
      {
        group,
        topics: [topic],
        sessionTimeout,
        maxBytes: fetchBytes,
        maxPartitionBytes: fetchBytes,
        ...(instanceId === undefined ? {} : { instanceId }),
      },
      this.listener(),
    )
  }

  async append(records: readonly Outgoing[]): Promise<void> {
    const { producer, sender } = this
    const { stream, topic } = this.options
    if (!producer) throw new Refusal(`stream ${stream} is not running`, 'stopped', true, RETRY_AFTER_MS)
    const now = Math.floor(this.ports.clock.now())
    try {
      await producer.send(records.map(record => toKafka(record, topic, sender, now)))
    } catch (error) {
      const reason = error instanceof KafkaError && error.kind === 'permanent' ? 'unwritable' : 'unreachable'
      throw new Refusal(`stream ${stream}: ${(error as Error).message}`, reason, true, RETRY_AFTER_MS, { cause: error })
    }
  }

  async poll(): Promise<Polled> {
    const { member } = this
    if (!member) throw new Error('the stream is closed')
    if (!this.news.any && this.early.length === 0) this.early = await member.poll()
    if (this.news.any) return { ...this.news.take(), records: [] }
    const batches = this.early
    this.early = []
    return { assigned: [], revoked: [], records: this.records(batches) }
  }

  wake(): void {
    this.member?.wake()
  }

  /** Not while the group decides anew, and not when the coordinator may have given us up without our knowledge. */
  owns(partition: number): boolean {
    const { member, generation, options, ports } = this
    if (!member || generation === undefined || !this.places.has(partition)) return false
    return ports.clock.monotonic() - member.lastHeartbeat < options.sessionTimeout
  }

  caughtUp(partition: number): boolean {
    const { topic } = this.options
    return this.news.heard(partition) && this.early.length === 0 && (this.member?.atEnd({ topic, partition }) ?? false)
  }

  keep(record: Raw): number {
    if (record.parts === 1 && 'packed' in record) return this.shelf.put(record, (record as Received).packed)
    // An item that came in parts is one value now.
    const plain = Buffer.from(record.value)
    const bytes = pack(plain)
    return this.shelf.put(record, { bytes, compressed: bytes !== plain })
  }

  forget(partition: number, offset: number): void {
    this.shelf.remove(partition, offset)
  }

  async reread(extents: readonly Extent[]): Promise<Reread> {
    const records = extents.map(({ partition, offset }) => {
      const raw = this.shelf.get(partition, offset)
      return raw ? [raw] : []
    })
    return { records, release() {} }
  }

  /** Fenced by generation. Through a rebalance it waits: what is still ours afterwards is committed then, the rest is not ours to speak of. */
  async commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void> {
    for (;;) {
      const { member, generation } = this
      if (!member) throw new Error('the stream is closed')
      const ours = [...checkpoints].filter(([partition]) => this.news.heard(partition))
      if (ours.length === 0) return
      if (generation === undefined) {
        await this.nextGeneration()
        continue
      }
      const offsets = ours.map(([partition, checkpoint]) => ({ topic: this.options.topic, partition, ...toCommit(checkpoint) }))
      for (const { partition, offset, metadata } of offsets) this.place(partition).attempted = identity(offset, metadata)
      try {
        await member.commit(generation, offsets)
      } catch (error) {
        if (error instanceof KafkaError && error.kind === 'fenced') {
          if (this.generation === generation) this.generation = undefined
          continue
        }
        throw error
      }
      for (const { partition, offset, metadata } of offsets) {
        const place = this.places.get(partition)
        if (place) place.committed = identity(offset, metadata)
      }
      return
    }
  }

  async close(): Promise<void> {
    const { member, producer } = this
    this.member = undefined
    this.producer = undefined
    this.generation = undefined
    this.wakeWaiting()
    await member?.close()
    await producer?.close()
  }

  private listener(): MemberListener {
    const { events } = this
    return {
      assigned: (generation, partitions) => this.assigned(generation, partitions),
      revoked: () => {
        // State is kept until it is known who comes next; meanwhile nothing is read, ticked or committed.
        this.generation = undefined
        this.early = []
      },
      gap: gap => this.gap(gap),
      unreadable: unreadable => {
        events.unreadable(unreadable)
        return 'skip'
      },
      failing: error => events.failing(error),
      recovered: () => events.recovered(),
    }
  }

  private assigned(generation: number, partitions: readonly AssignedPartition[]): void {
    const now = new Set(partitions.map(({ partition }) => partition))
    for (const partition of [...this.places.keys()]) if (!now.has(partition)) this.giveUp(partition)
    let kept = 0
    for (const partition of partitions) {
      if (this.goesOn(partition)) kept++
      else this.takeOver(partition)
    }
    this.generation = generation
    this.events.joined(generation, kept, partitions.length - kept)
    this.wakeWaiting()
    this.wake()
  }

  /** Nobody has committed in between: the state here is that of the partition, and reading goes on where it stood. */
  private goesOn(assigned: AssignedPartition): boolean {
    const { partition, committed, logStart, logEnd } = assigned
    const place = this.places.get(partition)
    const found = committed && identity(committed.offset, committed.metadata)
    if (!place || (found !== place.committed && found !== place.attempted)) return false
    if (place.handed < logStart || place.handed > logEnd) return false
    place.committed = found
    this.member?.seek(assigned, place.handed)
    return true
  }

  private takeOver(assigned: AssignedPartition): void {
    const { partition, committed, logEnd, position } = assigned
    this.giveUp(partition)
    let checkpoint = committed && fromCommit(committed)
    if (committed && !checkpoint) this.events.strange(assigned, committed.offset)
    // A log that ends before what was read of it: what it still has is known, what comes will be new.
    if (checkpoint && checkpoint.next > logEnd)
      checkpoint = checkpoint.oldest > logEnd ? undefined : { ...checkpoint, next: logEnd, needed: Math.min(checkpoint.needed, logEnd) }
    this.places.set(partition, {
      handed: position,
      committed: committed && identity(committed.offset, committed.metadata),
      attempted: undefined,
    })
    this.news.assign({ partition, checkpoint, start: position })
  }

  private giveUp(partition: number): void {
    this.places.delete(partition)
    this.news.revoke(partition)
  }

  /** Where a log that is being read is suddenly shorter, its offsets mean other records from here on. */
  private gap(gap: Gap): void {
    this.events.gap(gap)
    const { partition, reason, logStart } = gap
    const place = this.places.get(partition)
    if (reason !== 'log_truncated' || !place || place.handed <= gap.logEnd) return
    this.giveUp(partition)
    this.places.set(partition, { ...place, handed: logStart })
    this.news.assign({ partition, checkpoint: undefined, start: logStart })
    this.wake()
  }

  private records(batches: readonly FetchedBatch[]): Raw[] {
    const records: Raw[] = []
    let foreign = 0
    for (const { generation, partition, records: fetched, next } of batches) {
      const place = this.places.get(partition)
      if (generation !== this.generation || !place) continue
      place.handed = next
      for (const each of fetched) {
        const received = fromKafka(partition, each)
        if (received) records.push(received)
        else foreign++
      }
    }
    if (foreign > 0) this.events.foreign(foreign)
    return records
  }

  private place(partition: number): Place {
    const place = this.places.get(partition)
    if (!place) throw new Error(`partition ${partition} is not owned`)
    return place
  }

  private lag(): number {
    let records = 0
    for (const partition of this.places.keys()) records += this.member?.lag({ topic: this.options.topic, partition }) ?? 0
    return records
  }

  /** Resolves when the group has decided anew, or nothing is to be waited for; rejects when that takes longer than a session. */
  private nextGeneration(): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.ports.clock.after(this.options.sessionTimeout, () => reject(new Error('the consumer group has not settled')))
      this.waiting.push(() => {
        cancel()
        resolve()
      })
    })
  }

  private wakeWaiting(): void {
    const { waiting } = this
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}

const identity = (offset: number, metadata: string): string => `${offset} ${metadata}`
