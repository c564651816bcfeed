/** The port between the engine and where records lie. Embedded, Kafka and test drivers satisfy it and pass one conformance suite (testing/conformance.ts). */
import type { Windowing } from './handler.js'
import type { Output } from './stream.js'

/** The stream's own kinds; a processor's begin at 16. */
export const TICK = 1
export const SETTINGS = 2
export const FIRST_PROCESSOR_KIND = 16
/** Largest value of one entry, whatever its number of parts. */
export const MAX_ENTRY_BYTES = 16 * 1024 * 1024

/** A record about to be appended. The driver stamps append time and offset. */
export interface Outgoing {
  readonly partition: number
  readonly key: Uint8Array
  readonly kind: number
  readonly firstTime: number
  readonly lastTime: number
  readonly items: number
  readonly fingerprint: Uint8Array | undefined
  readonly value: readonly Uint8Array[]
  /** An item above `max_record_bytes` lies in `parts` consecutive records of its partition, numbered from 0 (rule 2). */
  readonly part: number
  readonly parts: number
}

/** A record as read. Offsets grow along a partition, are never reused, and need not be dense. */
export interface Raw {
  readonly partition: number
  readonly offset: number
  /** The least offset the next record of the partition can have. */
  readonly end: number
  readonly appendTime: number
  readonly key: string
  readonly kind: number
  readonly firstTime: number
  readonly lastTime: number
  readonly items: number
  readonly fingerprint: Uint8Array | undefined
  readonly value: Uint8Array
  readonly part: number
  readonly parts: number
  /** Who appended it: parts of an item are consecutive among the records of their sender. */
  readonly sender: number
}

/** A moment between two records of a partition (rule 18). Small: on Kafka it is the offset commit and its metadata. */
export interface Checkpoint {
  /** The watermark there is this minus `grace`. */
  readonly streamTime: number
  /** The first offset whose outputs are not yet acknowledged. */
  readonly next: number
  /** Where reading begins after a restart, the stream time there (0: nothing was read before), and the settings in force there. */
  readonly oldest: number
  readonly oldestStreamTime: number
  readonly windowing: Windowing
  /** The first offset whose bytes may still be emitted. What lies below, down to `oldest`, only serves to rebuild state. */
  readonly needed: number
  /** What was held below this offset left as `evicted`. */
  readonly evictedBelow: number
}

export interface Assignment {
  readonly partition: number
  readonly checkpoint: Checkpoint | undefined
  /** The first offset that will be read: `checkpoint.oldest`, or later when the log begins later. */
  readonly start: number
}

export interface Polled {
  /** Partitions this process owns from now on; their records follow in later polls. */
  readonly assigned: readonly Assignment[]
  /** Partitions it no longer owns: nothing of them may be emitted or committed any more. */
  readonly revoked: readonly number[]
  /** In log order per partition. */
  readonly records: readonly Raw[]
}

/** Thrown by `poll` when this process will read the log no more, whatever is tried: the message says why and what to do. */
export class ReadingEnded extends Error {
  override readonly name = 'ReadingEnded'
}

/** Records [offset, end) of a partition. */
export interface Extent {
  readonly partition: number
  readonly offset: number
  readonly end: number
}

/** The records of each extent that was asked for, empty where they can no longer be read. */
export interface Reread {
  readonly records: readonly (readonly Raw[])[]
  /** Nobody looks at their values any more. */
  release(): void
}

/** Outputs of one partition on their way, visible together with a checkpoint or not at all. */
export interface OutputTransaction extends Output {
  /** Everything sent in it is acknowledged before. After any rejection the transaction is over. */
  commit(checkpoint: Checkpoint): Promise<void>
}

/** Exactly once (rule 22): fenced by a transactional id per partition. */
export interface Transactions {
  /** One at a time and partition. Throws when the partition is no longer ours. */
  begin(partition: number): OutputTransaction
  /** Outputs of the partition were given up: it is revoked and assigned anew at its last checkpoint. */
  restart(partition: number): void
}

/**
 * Keys, fingerprints and values of records handed out may lie in buffers that are used again: those of `poll` are good until the next `poll`, those
 * of `reread` until its `release`. Who keeps them copies them.
 */
export interface Driver {
  readonly partitions: number
  /** There when outputs are to leave exactly once. */
  readonly transactions?: Transactions
  /** Milliseconds that a record stays on the log; left out where it stays as long as it is needed. */
  readonly retention?: number
  /** Rejects with a message for a person. */
  open(): Promise<void>
  /** Resolves when all are durable; parts of one item lie together. Rejects with a Refusal. `own`: ticks and settings, which use the reserve (rule 24). */
  append(records: readonly Outgoing[], own: boolean): Promise<void>
  /** Waits for something to report; an empty answer after `wake`. Not calling it is how reading pauses. Only durable records are reported. */
  poll(): Promise<Polled>
  wake(): void
  /** Whether the partition is surely this process's own, this very moment. */
  owns(partition: number): boolean
  /** Nothing lies on the log of a partition behind what `poll` has handed out, as far as is known. */
  caughtUp(partition: number): boolean
  /** The record waits (rule 15): it is asked for once more by `reread`, or `forget` follows. Gives the bytes of memory it takes until then; 0 where the log has it. */
  keep(record: Raw): number
  forget(partition: number, offset: number): void
  /** The records of each extent that was kept. */
  reread(extents: readonly Extent[]): Promise<Reread>
  /** Atomic per partition, and never ahead of the log it speaks of. */
  commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void>
  close(): Promise<void>
}
