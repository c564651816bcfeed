/** The seam between streams (keys, times, bytes) and what a processor makes of them. Times are milliseconds since the epoch. */

/** What a producer appends: one workload's part of one request. */
export interface Entry {
  /** Workload id; records of one key meet on one partition, in the order they were appended. */
  readonly key: string
  /** The processor's own kinds, 16 to 255; below 16 are the stream's (tick, settings). */
  readonly kind: number
  /** Earliest and latest event time in the value; 0 = unknown, read as the append time. At most one window apart. */
  readonly firstTime: number
  readonly lastTime: number
  readonly items: number
  /** 16 bytes that copies of this entry share; undefined where a copy cannot be told from a new fact. */
  readonly fingerprint: Uint8Array | undefined
  /** Laid end to end, the record's value. */
  readonly value: readonly Uint8Array[]
}

/** What lies on the log. */
export interface StreamRecord {
  readonly partition: number
  readonly offset: number
  readonly key: string
  readonly kind: number
  readonly items: number
  readonly appendTime: number
  /** As appended, but zero, reversed and too-far-ahead times already read as the append time (rule 6); then `flagged`. */
  readonly firstTime: number
  readonly lastTime: number
  readonly flagged: boolean
  readonly value: Uint8Array
}

/** Why a record's bytes leave now. `due`: the watermark passed `lastTime`, or nothing had to be waited for. */
export type Release = 'due' | 'late' | 'evicted' | 'too_late'

/** How event time is cut, in milliseconds; written in the log, so that a replay judges as the first run did. */
export interface Windowing {
  readonly window: number
  readonly grace: number
  readonly maxGap: number
  readonly history: number
}

/** Where the log's clock stood at a record: all lateness is judged by these, so every replay judges alike. */
export interface Moment {
  readonly streamTime: number
  readonly watermark: number
}

/**
 * A processor's side of one partition: a deterministic function of records and moments. It reads no clock and does no I/O.
 * Calls come one at a time, in log order: time moves (`release`, `close`), then the record is folded.
 */
export interface Handler<Out> {
  /**
   * Takes a record into the state. True = its bytes wait until the watermark passes `lastTime`; false = they are released at once.
   * Late records are folded too (their amounts belong to the open window, rule 10); `too_late` ones are never handed here.
   * `record.value` is a view into a buffer that is used again: what the state keeps of it is copied out.
   */
  fold(record: StreamRecord, at: Moment): boolean
  /**
   * The record's bytes on their way out, copied: `record.value` is good until this returns. `folded` is the moment at which the record was folded.
   * Undefined: nothing leaves (a record that only feeds the join). Never called while outputs are muted.
   */
  release(record: StreamRecord, why: Release, folded: Moment, now: Moment): Out | undefined
  /**
   * The watermark has passed `end`: what lies in [start, end) is final. Called once for every window of the grid, in order, from the first
   * record on, whether or not anything lies in it; windows that begin more than `grace + history` after the last record are left out.
   * `muted`: the outputs were emitted before the restart; the state must change all the same. `cut`: closed early, because `change` follows (rule 21).
   */
  close(start: number, end: number, at: Moment, muted: boolean, cut: boolean): Out | undefined
  /**
   * The settings changed (rule 21). Every window that could hold anything was just closed as `cut`. The next window begins at `from`, which may lie
   * inside the new grid (then it is a short one); nothing is booked to a window that begins before. What is held stays held.
   */
  change(windowing: Windowing, from: number): void
  /** Bytes of memory the state takes, roughly. */
  stateBytes(): number
}
