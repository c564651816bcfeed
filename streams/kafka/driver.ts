/**
 * The driver over Kafka: a topic whose partitions are the stream's, and a consumer group in which each partition has one owner (docs/stream.md).
 * Nobody but the broker stamps append times. State stays with a partition through a rebalance when it comes back with the checkpoint that was
 * committed here last; otherwise it is given up and restored by whoever owns the partition now.
 */
import {
  type AssignedPartition,
  type Gap,
  type GroupMember,
  type KafkaClient,
  KafkaError,
  type MemberListener,
  type Producer,
} from '../../kafka/index.js'
import { BlockPool } from '../../storage/index.js'
import {
  type Checkpoint,
  type Driver,
  type Extent,
  type Outgoing,
  type OutputTransaction,
  type Polled,
  type Raw,
  ReadingEnded,
  type Reread,
  type Transactions,
} from '../driver.js'
import type { Ports } from '../ports.js'
import { Refusal } from '../stream.js'
import { Arrivals, type Position } from './arrivals.js'
import { fromCommit, toCommit } from './checkpoint.js'
import { type KafkaEvents, kafkaEvents } from './events.js'
import { News } from './news.js'
import { PartitionProducers } from './partition_producers.js'
import { Plain } from './plain.js'
import { pack, type Received, toKafka } from './record.js'
import { Shelf } from './shelf.js'
import { pause, persistentTopic } from './topic.js'

export interface KafkaStreamOptions {
  readonly stream: string
  readonly topic: string
  readonly partitions: number
  /** Left out: the cluster's default. */
  readonly replication?: number | undefined
  /** Configuration that the topic is made with, and must have; of what is in `topicLeast`, so much at least. */
  readonly topicConfig: Readonly<Record<string, string>>
  readonly topicLeast?: Readonly<Record<string, number>>
  /** Milliseconds that the topic keeps a record. */
  readonly retention?: number
  readonly group: string
  readonly instanceId?: string | undefined
  readonly sessionTimeout: number
  readonly produceTimeout: number
  /** Bytes of one fetch. */
  readonly fetchBytes: number
  /** Milliseconds that requests are apart while more keeps coming, appends and fetches alike. */
  readonly syncInterval?: number
  /** Outputs leave in transactions. */
  readonly exactlyOnce?: boolean
}

const RETRY_AFTER_MS = 1000
const NOTHING: Polled = { assigned: [], revoked: [], records: [] }
/** Tells the records of one life of a driver from all others. */
const MOST_SENDERS = 2 ** 48

/** A partition that is ours. */
interface Place extends Position {
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
  /** Memory that values are decompressed into. */
  private readonly blocks = new BlockPool()
  private readonly arrivals = new Arrivals(new Plain(this.blocks))
  private readonly waiting = new Set<() => void>()
  /** Why nothing is read any more. */
  private ended: ReadingEnded | undefined
  private readonly closing = new AbortController()
  private woken = false
  private notify = (): void => {}

  readonly retention?: number
  readonly transactions?: Transactions
  private readonly producers: PartitionProducers | undefined

  constructor(
    private readonly client: KafkaClient,
    private readonly options: KafkaStreamOptions,
    private readonly ports: Ports,
  ) {
    const { stream, partitions, retention } = options
    this.partitions = partitions
    if (retention !== undefined) this.retention = retention
    if (options.exactlyOnce) {
      this.producers = new PartitionProducers(client, { topic: options.topic, group: options.group, timeout: options.produceTimeout })
      this.transactions = { begin: partition => this.beginTransaction(partition), restart: partition => void this.restart(partition) }
    }
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

  /** A cluster that is away is waited for in the background: senders are told to retry until it is there. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let opened = false
      const away = (): void => {
        opened = true
        resolve()
      }
      this.begin(away).then(resolve, error => (opened ? this.end(error) : reject(error)))
    })
  }

  async append(records: readonly Outgoing[]): Promise<void> {
    const { producer, sender } = this
    const { stream, topic } = this.options
    if (this.closing.signal.aborted) throw new Refusal(`stream ${stream} is not running`, 'stopped', true, RETRY_AFTER_MS)
    if (!producer) throw new Refusal(`stream ${stream}: Kafka cannot be reached yet`, 'unreachable', true, RETRY_AFTER_MS)
    const now = Math.floor(this.ports.clock.now())
    try {
      await producer.send(records.map(record => toKafka(record, topic, sender, now)))
    } catch (error) {
      const reason = error instanceof KafkaError && error.kind === 'permanent' ? 'unwritable' : 'unreachable'
      throw new Refusal(`stream ${stream}: ${(error as Error).message}`, reason, true, RETRY_AFTER_MS, { cause: error })
    }
  }

  async poll(): Promise<Polled> {
    while (!this.member && !this.ended && !this.closing.signal.aborted && !this.woken)
      await new Promise<void>(resolve => (this.notify = resolve))
    this.woken = false
    this.arrivals.release()
    const { member } = this
    if (this.ended) throw this.ended
    if (this.closing.signal.aborted) throw new Error('the stream is closed')
    if (!member) return NOTHING
    if (!this.news.any && this.arrivals.empty) this.arrivals.add(await member.poll())
    if (this.ended) throw this.ended
    if (this.news.any) return { ...this.news.take(), records: [] }
    return { assigned: [], revoked: [], records: this.records() }
  }

  wake(): void {
    this.woken = true
    this.notify()
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
    return this.news.heard(partition) && this.arrivals.empty && (this.member?.atEnd({ topic, partition }) ?? false)
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
    const plain = new Plain(this.blocks)
    const records = extents.map(({ partition, offset }) => {
      const raw = this.shelf.get(partition, offset, plain.place)
      return raw ? [raw] : []
    })
    return { records, release: () => plain.release() }
  }

  /**
   * Fenced by generation. Through a rebalance it waits: what stayed here is committed then. What left is not ours to speak of, not even when it came back:
   * the checkpoint is older than the one it was restored from.
   */
  async commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void> {
    const spoken = [...checkpoints].flatMap(([partition, checkpoint]) => {
      const place = this.news.heard(partition) ? this.places.get(partition) : undefined
      return place ? [{ partition, checkpoint, place }] : []
    })
    for (;;) {
      const { member, generation, ended } = this
      if (!member || ended) throw ended ?? new Error('the stream is closed')
      const ours = spoken.filter(({ partition, place }) => this.places.get(partition) === place)
      if (ours.length === 0) return
      if (generation === undefined) {
        await this.nextGeneration()
        continue
      }
      const offsets = ours.map(({ partition, checkpoint, place }) => {
        const { offset, metadata } = toCommit(checkpoint)
        place.attempted = identity(offset, metadata)
        return { topic: this.options.topic, partition, offset, metadata }
      })
      try {
        await member.commit(generation, offsets)
      } catch (error) {
        if (error instanceof KafkaError && error.kind === 'fenced') {
          if (this.generation === generation) this.generation = undefined
          continue
        }
        throw error
      }
      for (const { place } of ours) place.committed = place.attempted
      return
    }
  }

  async close(): Promise<void> {
    const { member, producer } = this
    this.closing.abort()
    this.wake()
    this.member = undefined
    this.producer = undefined
    this.generation = undefined
    this.wakeWaiting()
    this.producers?.closeAll()
    await member?.close()
    await producer?.close()
  }

  private async begin(away: () => void): Promise<void> {
    const { client, options, events, ports, closing } = this
    const {
      stream,
      topic,
      partitions,
      replication,
      topicConfig,
      topicLeast = {},
      group,
      instanceId,
      sessionTimeout,
      fetchBytes,
      syncInterval = 0,
    } = options
    let late = false
    const failing = (error: Error): void => {
      late = true
      events.failing(error)
      away()
    }
    const spec = { topic, partitions, config: topicConfig, least: topicLeast, ...(replication === undefined ? {} : { replication }) }
    try {
      if (!(await persistentTopic(client, spec, ports.clock, failing, closing.signal))) return
    } catch (error) {
      throw new Error(`stream ${stream}: ${(error as Error).message}`, { cause: error })
    }
    if (late) events.recovered()
    this.producer = client.producer({ timeout: options.produceTimeout, linger: syncInterval })
    const asked = {
      group,
      topics: [topic],
      sessionTimeout,
      maxBytes: fetchBytes,
      maxPartitionBytes: fetchBytes,
      fetchInterval: syncInterval,
    }
    this.member = client.member({ ...asked, ...(instanceId === undefined ? {} : { instanceId }) }, this.listener())
    this.notify()
  }

  /** Nothing is read any more, and the engine hears why. */
  private end(error: Error): void {
    this.ended = new ReadingEnded(error.message, { cause: error })
    this.wakeWaiting()
    this.wake()
  }

  private listener(): MemberListener {
    const { events } = this
    return {
      assigned: (generation, partitions) => this.assigned(generation, partitions),
      revoked: () => {
        // State is kept until it is known who comes next; meanwhile nothing is read, ticked or committed.
        this.generation = undefined
        this.arrivals.clear()
      },
      gap: gap => this.gap(gap),
      unreadable: unreadable => {
        events.unreadable(unreadable)
        return 'skip'
      },
      failing: error => events.failing(error),
      recovered: () => events.recovered(),
      replaced: error => this.end(error),
    }
  }

  /** Rejects when the producers of new partitions cannot be had: the group is joined again. */
  private async assigned(generation: number, partitions: readonly AssignedPartition[]): Promise<void> {
    const now = new Set(partitions.map(({ partition }) => partition))
    for (const partition of [...this.places.keys()]) if (!now.has(partition)) this.giveUp(partition)
    const taken = partitions.filter(partition => !this.goesOn(partition))
    for (const { partition } of taken) this.giveUp(partition)
    for (const each of this.producers ? await this.producers.open(taken) : taken) this.takeOver(each)
    this.generation = generation
    this.events.joined(generation, partitions.length - taken.length, taken.length)
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
    if (this.producers) this.member?.seek(assigned, position)
  }

  private giveUp(partition: number): void {
    this.places.delete(partition)
    this.news.revoke(partition)
    this.producers?.close(partition)
  }

  private beginTransaction(partition: number): OutputTransaction {
    const place = this.news.heard(partition) ? this.places.get(partition) : undefined
    if (!this.producers || !place) throw new Error(`partition ${partition} is not owned`)
    const { group, topic } = this.options
    const transaction = this.producers.begin(partition)
    return {
      send: records => transaction.send(records),
      commit: async checkpoint => {
        if (this.places.get(partition) !== place) throw new Error(`partition ${partition} was elsewhere meanwhile`)
        const { offset, metadata } = toCommit(checkpoint)
        place.attempted = identity(offset, metadata)
        await transaction.sendOffsets(group, [{ topic, partition, offset, metadata }])
        await transaction.commit()
        place.committed = place.attempted
      },
    }
  }

  /** Tried until it succeeds, or the group decides anew. */
  private async restart(partition: number): Promise<void> {
    const { generation, ports, closing, producers } = this
    const { topic } = this.options
    if (!producers || !this.places.has(partition)) return
    this.giveUp(partition)
    this.wake()
    while (generation !== undefined && this.generation === generation && !closing.signal.aborted) {
      try {
        const [found] = await producers.open([{ topic, partition, committed: undefined, logStart: 0, logEnd: 0, position: 0 }])
        if (this.generation !== generation || !found) return
        this.takeOver(found)
        this.wake()
        return
      } catch (error) {
        ports.log.warn('a partition cannot begin again yet; it is tried again', {
          stream: this.options.stream,
          partition,
          error: String(error),
        })
        await pause(ports.clock, RETRY_AFTER_MS, closing.signal)
      }
    }
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

  /** No more at a time than one fetch may bring. */
  private records(): Raw[] {
    const { records, foreign } = this.arrivals.take(
      this.options.fetchBytes,
      ({ generation, partition }) => (generation === this.generation ? this.places.get(partition) : undefined),
      (partition, { handed }) => this.member?.seek(partition, handed),
    )
    if (foreign > 0) this.events.foreign(foreign)
    return records
  }

  private lag(): number {
    let records = 0
    for (const partition of this.places.keys()) records += this.member?.lag({ topic: this.options.topic, partition }) ?? 0
    return records
  }

  /** Resolves when the group has decided anew, or nothing is to be waited for; rejects when that takes longer than a session. */
  private nextGeneration(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel()
        resolve()
      }
      const cancel = this.ports.clock.after(this.options.sessionTimeout, () => {
        this.waiting.delete(settle)
        reject(new Error('the consumer group has not settled'))
      })
      this.waiting.add(settle)
    })
  }

  private wakeWaiting(): void {
    const waiting = [...this.waiting]
    this.waiting.clear()
    for (const settle of waiting) settle()
  }
}

const identity = (offset: number, metadata: string): string => `${offset} ${metadata}`
