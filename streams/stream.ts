/** What a processor sees of a stream: it appends entries, and runs one task over what lies on the log. Times are milliseconds. */
import type { OutgoingRecord } from '../kafka/client.js'
import type { Entry, Handler, Windowing } from './handler.js'

/**
 * Why entries were not taken. Retryable: the sender repeats all of them after a while. Otherwise (TooLarge) the same entries are never taken.
 * `reason` is a counter's label: `disk_full`, `disk_slow`, `stream_full`, `unwritable`, `unreachable`, `stopped`, `not_read`, `too_large`.
 */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  constructor(
    message: string,
    readonly reason: string,
    readonly retryable: boolean,
    /** Milliseconds after which it is worth trying again. */
    readonly after?: number,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The entries that are larger than a stream takes; the others are held, and nothing is to be repeated. */
export class TooLarge extends Refusal {
  constructor(
    message: string,
    readonly entries: readonly Entry[],
  ) {
    super(message, 'too_large', false)
  }
}

/** `held`: durably on the log. `pass`: not on the log, and the stream says `on_unavailable: pass`: send it straight on as `unjoined`. */
export type Appended = 'held' | 'pass'

/** Where records of outputs go that are to leave exactly once: they become visible with the checkpoint behind them. */
export interface Output {
  /** Resolves when they are written and wait for the commit; after a rejection none of them will be visible. */
  send(records: readonly OutgoingRecord[]): Promise<void>
}

/** The one consumer of a stream. */
export interface Task<Out> {
  readonly windowing: Windowing
  /** Bytes of memory for what waits, all partitions together; above it the oldest is sent on as `evicted`. */
  readonly maxHeld: number
  /** A partition's handler, made when the partition is taken over. `windowing` may be an older one, until `change` is called. */
  handler(partition: number, windowing: Windowing): Handler<Out>
  /** Bytes of an output, for slicing and for the bound of what is in flight. */
  size(out: Out): number
  /**
   * Outputs in order, about 256 KiB at a time. Resolved: delivered, or given up and counted by whoever gave up. Rejected: handed over again later, without end.
   * Several deliveries are in flight at once. With `exactlyOnce` they are written there or rejected, and a rejection is no invitation to hand the same
   * outputs over again: they are made anew from the last checkpoint. `epoch` names the life of the task that made them; a new one begins at each start or takeover.
   */
  deliver(outs: readonly Out[], epoch: string, exactlyOnce?: Output): Promise<void>
  /** A copy was recognised and goes nowhere: for the processor's own counters. Not called for what is read again after a restart. */
  duplicate?(kind: number, items: number): void
  /** Reading has ended for good: nothing more is handed out, and appends are refused as `not_read`, until the task is run anew. Logged already. */
  broken?(): void
}

export interface Running {
  /** Reads nothing more, closes no window, settles what is in flight or gives up at `deadline`, and commits a last checkpoint. Safe to call twice. */
  stop(deadline: AbortSignal): Promise<void>
}

export interface Stream {
  readonly name: string
  /**
   * Resolves when every entry is durable, in the given order per key. Rejects with a Refusal; then none, some or all of them may lie on the log,
   * and repeating all is harmless where entries carry fingerprints; with TooLarge, exactly the entries that it does not name.
   */
  append(entries: readonly Entry[]): Promise<Appended>
  /** Whether this gateway owns the key's partition now; false while the stream is not running. */
  owns(key: string): boolean
  /** Opens the stream and runs the task. Rejects with a message for a person when it cannot (directory in use, partitions changed, options that do not fit). */
  run<Out>(task: Task<Out>): Promise<Running>
}

export interface Streams {
  /**
   * Whether work that each of several gateways could do is this one's, `key` being its name: true where no stream is shared by gateways, else for the
   * owner of the key's partition of the first stream that is. During a hand-over it is nobody's.
   */
  mine(key: string): boolean
  /** Throws, naming the streams there are, when `name` is none of them. */
  get(name: string): Stream
}
