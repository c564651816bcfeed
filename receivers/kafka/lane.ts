/** One partition of one generation: records leave in order, a bounded number at a time; what may be committed ends before the first that is not over with. */
import type { FetchedBatch, IncomingRecord, TopicPartition } from '../../kafka/index.js'

/** True when the record is over with: acknowledged, put aside or skipped. False when the lane ended before. */
export type Handle = (record: IncomingRecord, lane: Lane) => Promise<boolean>

interface Entry {
  readonly record: IncomingRecord
  readonly bytes: number
  /** Last of its batch: where the partition goes on behind it. */
  next: number
  readonly release: (() => void) | undefined
  over: boolean
}

export interface LaneOptions {
  readonly inFlight: number
  /** Bytes that wait before the partition is paused; it goes on at half of it. */
  readonly maxBytes: number
}

/** Entries that are over with stay in the list until so many can be cut off at once. */
const CUT = 1024

export class Lane {
  private entries: Entry[] = []
  /** First entry that is not over with, and first that was not begun. */
  private head = 0
  private begun = 0
  private held = 0
  private underway = 0
  private waits = 0
  private paused = false
  /** Held by somebody else's word. */
  private stopped = false
  private finish = new AbortController()
  private idle: () => void = () => {}

  constructor(
    readonly partition: TopicPartition,
    readonly generation: number,
    /** Offset that may be committed. */
    public position: number,
    private readonly options: LaneOptions,
    private readonly handle: Handle,
    private readonly flow: { pause(): void; resume(): void },
  ) {}

  get ended(): boolean {
    return this.finish.signal.aborted
  }

  /** Aborts when the lane ends. */
  get signal(): AbortSignal {
    return this.finish.signal
  }

  /** `release` is called when all of the batch is over with, or the lane has ended. */
  offer(batch: FetchedBatch, release: () => void): void {
    const { records, next } = batch
    const last = records.length - 1
    if (last < 0) {
      release()
      if (this.head === this.entries.length) this.position = Math.max(this.position, next)
      else this.entries[this.entries.length - 1]!.next = next
      return
    }
    for (const [index, record] of records.entries()) {
      const bytes = (record.value?.length ?? 0) + (record.key?.length ?? 0)
      this.held += bytes
      this.entries.push({
        record,
        bytes,
        next: index === last ? next : records[index + 1]!.offset,
        release: index === last ? release : undefined,
        over: false,
      })
    }
    this.flowOn()
    this.pump()
  }

  /** Held: what comes meanwhile is to be fetched again. */
  get onHold(): boolean {
    return this.stopped
  }

  /** Nothing more is fetched until `letGo`. */
  hold(): void {
    this.stopped = true
    this.flowOn()
  }

  letGo(): void {
    this.stopped = false
    this.flowOn()
  }

  /** While something waits before it is handed on again, nothing else leaves. */
  async waiting<T>(wait: () => Promise<T>): Promise<T> {
    this.waits++
    try {
      return await wait()
    } finally {
      this.waits--
    }
  }

  /** Nothing leaves any more; resolves when nothing is under way. */
  async end(): Promise<void> {
    if (!this.ended) {
      this.finish.abort()
      for (const { release, over } of this.entries.slice(this.head)) if (!over) release?.()
    }
    if (this.underway > 0) await new Promise<void>(resolve => (this.idle = resolve))
  }

  private pump(): void {
    while (!this.ended && this.waits === 0 && this.underway < this.options.inFlight && this.begun < this.entries.length)
      void this.run(this.entries[this.begun++]!)
  }

  private async run(entry: Entry): Promise<void> {
    this.underway++
    const over = await this.handle(entry.record, this)
    this.underway--
    if (over) this.settle(entry)
    if (this.underway === 0) this.idle()
    this.pump()
  }

  private settle(entry: Entry): void {
    entry.over = true
    this.held -= entry.bytes
    while (this.head < this.begun && this.entries[this.head]!.over) {
      const { next, release } = this.entries[this.head++]!
      this.position = next
      release?.()
    }
    if (this.head === this.entries.length || this.head >= CUT) {
      this.entries.splice(0, this.head)
      this.begun -= this.head
      this.head = 0
    }
    this.flowOn()
  }

  private flowOn(): void {
    const { maxBytes } = this.options
    if (this.ended) return
    if (!this.paused && (this.stopped || this.held >= maxBytes)) {
      this.paused = true
      this.flow.pause()
    } else if (this.paused && !this.stopped && this.held <= maxBytes / 2) {
      this.paused = false
      this.flow.resume()
    }
  }
}
