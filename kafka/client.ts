/**
 * What the rest of the gateway sees of Kafka. Nothing here is of one client library: another one would implement these interfaces and no more.
 * Offsets are numbers (exact to 2^53), times milliseconds. Every rejection is a KafkaError (errors.ts).
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Name and value, in order; names may repeat. */
export type Headers = readonly (readonly [name: string, value: Uint8Array | null])[]

/** The partition is always named: nobody may choose another one when a request is repeated. */
export interface OutgoingRecord extends TopicPartition {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: Headers
  /** Ignored by a topic whose broker stamps (LogAppendTime); now, when left out. */
  readonly timestamp?: number
}

/** Bytes are views of the answer they came in: who keeps one copies it. */
export interface IncomingRecord {
  readonly offset: number
  /** Append time on a topic with LogAppendTime, else the producer's. */
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[]
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  /** Left out: the cluster's default. */
  readonly replication?: number
  /** Topic configuration, such as `retention.ms` or `message.timestamp.type`. */
  readonly config?: Readonly<Record<string, string>>
  /** Configuration that must be so large at least; a topic is made with just this. */
  readonly least?: Readonly<Record<string, number>>
}

export interface TopicState {
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

export interface Admin {
  /** Undefined when there is no such topic. */
  describeTopic(topic: string, config?: readonly string[]): Promise<TopicState | undefined>
  /** Creates the topic, or verifies that what is there has these partitions and this configuration; rejects saying what differs and how to mend it. */
  ensureTopic(spec: TopicSpec): Promise<'created' | 'verified'>
  /** The least offset there is and the one the next record gets, by partition. */
  offsets(topic: string): Promise<ReadonlyMap<number, { readonly start: number; readonly end: number }>>
  /** What a group has committed, by partition; absent where it has not. */
  committed(group: string, topic: string): Promise<ReadonlyMap<number, Committed>>
  close(): Promise<void>
}

export interface Committed {
  readonly offset: number
  readonly metadata: string
}

export interface CommitOffset extends TopicPartition, Committed {}

export interface ProducerOptions {
  /** Milliseconds until a send that is not acknowledged rejects as retryable; whether its records lie on the log is then unknown. */
  readonly timeout: number
  readonly compression?: Compression
  /** Milliseconds between two requests while more keeps coming: fewer and larger ones. */
  readonly linger?: number
  /** Bytes of one record batch: at most the topic's max.message.bytes. */
  readonly maxBatchBytes?: number
  /** Bytes of records waiting; above it a send rejects as retryable. */
  readonly maxPendingBytes?: number
}

/** Idempotent, acks=all: a repeated request makes no copies, and records of one partition keep the order of their sends. */
export interface Producer {
  /** Resolves when all in-sync replicas have all records. */
  send(records: readonly OutgoingRecord[]): Promise<void>
  /** Rejects what is not acknowledged yet. */
  close(): Promise<void>
}

export interface TransactionalOptions extends ProducerOptions {
  /** One per unit of work, such as group and input partition: opening it fences whoever had it before and settles what they left open. */
  readonly transactionalId: string
  /** Milliseconds after which the broker aborts a transaction that nobody ends. */
  readonly transactionTimeout?: number
}

/** One transaction at a time. After any rejection it is good for nothing but `close`: open a new one and begin again from the checkpoint. */
export interface TransactionalProducer {
  begin(): Transaction
  close(): Promise<void>
}

export interface Transaction {
  /** Records of one partition keep the order of their sends; what is sent while a request is under way goes together with the next. */
  send(records: readonly OutgoingRecord[]): Promise<void>
  sendOffsets(group: string, offsets: readonly CommitOffset[]): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
}

export interface MemberOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** A member that is silent this long is out of the group. */
  readonly sessionTimeout?: number
  /** How long the group waits for a member to join again. */
  readonly rebalanceTimeout?: number
  /** Static membership: a member that comes back under this name within the session timeout gets its partitions back without a rebalance. */
  readonly instanceId?: string
  readonly isolation?: 'read_committed' | 'read_uncommitted'
  /** Where a partition without a committed offset begins. */
  readonly initialOffset?: 'earliest' | 'latest'
  /** Bytes of one fetch over all partitions; as much again may lie ready. */
  readonly maxBytes?: number
  readonly maxPartitionBytes?: number
  /** Longest wait of the broker for something to answer with. */
  readonly maxWait?: number
  /** Milliseconds between two fetches that bring little: fewer and larger ones. */
  readonly fetchInterval?: number
  /** Bytes of one record batch when decompressed. */
  readonly maxDecompressedBytes?: number
}

export interface AssignedPartition extends TopicPartition {
  readonly committed: Committed | undefined
  /** Least offset there is. */
  readonly logStart: number
  readonly logEnd: number
  /** Where reading begins unless the listener says otherwise: the committed offset, moved to the log start when that lies behind it. */
  readonly position: number
}

/** Records that can no longer be read: `log_start_moved` by retention, `log_truncated` when the log is shorter than it was (a topic made anew). */
export interface Gap extends TopicPartition {
  readonly reason: 'log_start_moved' | 'log_truncated'
  readonly wanted: number
  readonly logStart: number
  readonly logEnd: number
}

/** A record batch that cannot be read: an unknown codec, damaged, or too large when decompressed. `end`: the first offset behind it. */
export interface Unreadable extends TopicPartition {
  readonly offset: number
  readonly end: number
  readonly error: Error
}

export interface MemberListener {
  /** Partitions of a new generation; reading begins when the promise resolves; after a rejection, or half the rebalance timeout, the group is joined again. */
  assigned(generation: number, partitions: readonly AssignedPartition[]): Promise<void> | void
  /** All partitions of a generation are given up; a last commit is possible until the promise resolves (at most half the session or rebalance timeout, the shorter of them), unless `lost`: then they may be somebody else's. */
  revoked(generation: number, lost: boolean): Promise<void> | void
  gap(gap: Gap): void
  /** `skip`: go on behind it. `wait`: the partition stands there, and is tried again from time to time; other partitions go on. */
  unreadable(unreadable: Unreadable): 'skip' | 'wait'
  /** Something does not work and is tried again: told once until it works, after 2 s unless it will not pass by itself. */
  failing(error: Error): void
  recovered(): void
  /** Another process has joined under the same `instanceId`: this member is out for good, and `poll` only ends by `wake` and `close`. */
  replaced(error: Error): void
}

export interface FetchedBatch extends TopicPartition {
  readonly generation: number
  /** Where reading stood: nothing between here and `next` is missing. */
  readonly from: number
  readonly records: readonly IncomingRecord[]
  /** The least offset the next record of the partition can have. */
  readonly next: number
  /** The offset that the next record appended gets, when this was fetched (read_committed: the end of what is decided). */
  readonly highWatermark: number
  /** Nobody reads the records any more: their memory is used again. Never called, it is the collector's. */
  release(): void
}

export interface GroupMember {
  /** Generation in force; undefined while joining. */
  readonly generation: number | undefined
  /** What the coordinator calls us; empty before the first join. */
  readonly memberId: string
  /** Monotonic time of the last answered heartbeat or join. Older than the session timeout: assume that others own the partitions. */
  readonly lastHeartbeat: number
  /** Every assigned partition that is not paused has been read up to what the broker last said is its end. */
  readonly caughtUp: boolean
  /** Of this partition: `poll` has handed out everything up to what the broker last said is its end. */
  atEnd(partition: TopicPartition): boolean
  /** Records behind the end, as the broker last said. */
  lag(partition: TopicPartition): number
  /** Waits for records; an empty answer after `wake` or close. Not calling it is how reading pauses: heartbeats go on. */
  poll(): Promise<readonly FetchedBatch[]>
  wake(): void
  /** While partitions are being assigned: where reading is to begin. */
  seek(partition: TopicPartition, offset: number): void
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** Fenced by generation: rejects as `fenced` when it is no longer ours. */
  commit(generation: number, offsets: readonly CommitOffset[]): Promise<void>
  /** Leaves the group, so that others take over at once. */
  close(): Promise<void>
}

export interface KafkaClient {
  admin(): Admin
  producer(options: ProducerOptions): Producer
  /** Resolves when older owners of the transactional id are fenced. */
  transactional(options: TransactionalOptions): Promise<TransactionalProducer>
  /** Joins in the background and stays until closed. */
  member(options: MemberOptions, listener: MemberListener): GroupMember
}
