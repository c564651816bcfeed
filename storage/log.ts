/**
 * An append-only log in segments. Appends gather while a sync is running and share the next one. One reader follows it and sees only what is
 * durable; what it is handed lies in buffers that are used again, so it keeps nothing beyond its next read.
 * A position is a byte count that only grows: it names a record, and is never used twice, not even after a failed write.
 */
import { BlockPool } from './blocks.js'
import { type Files, isNoSpace } from './files.js'
import type { Frame } from './frame.js'
import { Group, Layout, type LogRecord } from './group.js'
import { openSegments } from './recovery.js'
import { Reserve } from './reserve.js'
import { Segment } from './segment.js'
import { Tail } from './tail.js'

export interface LogOptions {
  /** `group`: durable = synced. `never`: durable = written. */
  readonly fsync: 'group' | 'never'
  readonly segmentBytes: number
  /** Space kept for appends with `own`. */
  readonly reserveBytes: number
  /** No record is given a position below; what a checkpoint knows that the log has forgotten. */
  readonly startAt: number
  /** While records keep coming, groups are written this many milliseconds apart; 0 = as fast as the disk takes them. */
  readonly interval: number
}

/** What happened to the log that somebody should hear about. */
export interface LogEvents {
  /** The last `bytes` bytes of the log held no whole record: a crash in the middle of a write. */
  tornTail(bytes: number): void
  /** Bytes from which no record could be read; how many items is known when the next record is. */
  damaged(path: string, position: number, bytes: number): void
  /** Items that were appended and cannot be read. */
  lost(items: number): void
  /** A write or sync failed; the segment is sealed and what was not durable is forgotten. */
  failed(error: unknown): void
  /** No space (true), or space again (false). */
  full(full: boolean): void
}

/** The records of each extent that was asked for. Their bodies may be looked at until `release`. */
export interface Reread {
  readonly found: readonly (readonly Frame[])[]
  release(): void
}

export interface LogTimer {
  monotonic(): number
  after(ms: number, task: () => void): () => void
}

/** Appended and not yet durable, at most; a disk that is slower than the senders makes them wait, not us grow. */
const MOST_PENDING = 32 * 1024 * 1024
const TAIL_BYTES = 8 * 1024 * 1024
const FULL_RETRY_MS = 1000
/** Of the interval between groups: when no record came for so long a part of it, nobody else is expected. */
const QUIET = 1 / 4
const READ_BYTES = 1024 * 1024
/** Unwanted bytes worth reading to save a call. */
const GAP_BYTES = 16 * 1024

/** Why an append was not even tried. */
export class LogRefusal extends Error {
  override readonly name = 'LogRefusal'
  constructor(
    message: string,
    readonly reason: 'disk_full' | 'disk_slow' | 'closed',
  ) {
    super(message)
  }
}

export class SegmentedLog {
  /** Position behind the last durable record. */
  durable: number
  private readonly pool = new BlockPool()
  private readonly layout = new Layout(this.pool)
  private readonly tail = new Tail(TAIL_BYTES)
  /** What the last read from disk was read into. */
  private lent: Buffer | undefined
  private readonly reserve: Reserve
  private gathering: Group | undefined
  private writing: Promise<void> | undefined
  private inFlight = 0
  /** When the last group was begun to be written. */
  private lastGroup = Number.NEGATIVE_INFINITY
  /** Where the next record goes, and the items before it. */
  private position: number
  private items: number
  private durableItems: number
  private current: Segment | undefined
  private full = false
  private closed = false
  private cancelRetry = (): void => {}
  /** Ends a wait for company. */
  private hurry = (): void => {}
  private readers: (() => void)[] = []

  private constructor(
    private readonly files: Files,
    private readonly directory: string,
    private readonly options: LogOptions,
    private readonly events: LogEvents,
    private readonly timer: LogTimer,
    private segments: Segment[],
    items: number,
  ) {
    const last = segments.at(-1)
    this.durable = Math.max(last?.end ?? 0, options.startAt)
    this.position = this.durable
    this.items = items
    this.durableItems = items
    this.current = last && last.end >= options.startAt && last.size < options.segmentBytes ? last : undefined
    this.reserve = new Reserve(files, directory, options.reserveBytes)
  }

  /** The directory must exist. Reads the last segment, cuts a torn tail off. */
  static async open(files: Files, directory: string, options: LogOptions, events: LogEvents, timer: LogTimer): Promise<SegmentedLog> {
    const { segments, items } = await openSegments(files, directory, events)
    const log = new SegmentedLog(files, directory, options, events, timer, segments, items)
    if (!(await log.reserve.fill())) await log.ranFull()
    return log
  }

  /** Position of the first record there may be. */
  get start(): number {
    return this.segments[0]?.base ?? this.durable
  }

  /** Items before the first record there may be, if known. */
  get itemsBeforeStart(): number | undefined {
    return this.segments[0]?.header.itemsBefore
  }

  /** Bytes on disk, pending ones included, the reserve not. */
  get size(): number {
    let bytes = this.inFlight + (this.gathering?.bytes ?? 0)
    for (const segment of this.segments) bytes += segment.size
    return bytes
  }

  /** Resolves when all records are durable. Rejects with a LogRefusal, or the file system's error. `own` may use the reserve. */
  append(records: readonly LogRecord[], own = false): Promise<void> {
    if (this.closed) return Promise.reject(new LogRefusal('the log is closed', 'closed'))
    if (this.full && !own) return Promise.reject(new LogRefusal(`no space left in ${this.directory}`, 'disk_full'))
    if (this.inFlight + (this.gathering?.bytes ?? 0) > MOST_PENDING && !own)
      return Promise.reject(new LogRefusal(`${this.directory} takes longer to write than records come`, 'disk_slow'))
    const group = (this.gathering ??= this.newGroup())
    group.add(records)
    this.position = group.end
    this.writing ??= this.writeGroups()
    return group.done
  }

  /**
   * Durable records from `position` on, about a MiB of them, and where to go on. Empty with `next` = `durable`: there are no more.
   * Ends what was handed out before: those bodies, and everything before `position`, may be written over.
   */
  async read(position: number): Promise<{ frames: readonly Frame[]; next: number }> {
    this.tail.passed(position)
    if (this.lent) this.pool.give(this.lent)
    this.lent = undefined
    if (position >= this.durable) return { frames: [], next: Math.max(position, this.durable) }
    if (position >= this.tail.start) {
      const frames = this.tail.read(position, READ_BYTES)
      return { frames, next: frames.at(-1)?.end ?? this.durable }
    }
    const segment = this.segments.find(({ end }) => end > position)
    if (!segment) return { frames: [], next: this.durable }
    this.lent = this.pool.take(READ_BYTES)
    const { frames, next, damaged } = await segment.scan(position, this.lent)
    if (damaged > 0) this.events.damaged(segment.path, position, damaged)
    return { frames, next: next >= segment.end ? this.after(segment) : next }
  }

  /** The records in each of the extents [from, to) once more; those that cannot be read are missing. Neighbours are read together. */
  async reread(extents: readonly { readonly from: number; readonly to: number }[]): Promise<Reread> {
    const found: Frame[][] = extents.map(() => [])
    const order = extents.map((_, index) => index).sort((a, b) => extents[a]!.from - extents[b]!.from)
    const pending: Promise<void>[] = []
    const taken: Buffer[] = []
    for (let at = 0; at < order.length; ) {
      const first = extents[order[at]!]!
      let end = first.to
      let until = at + 1
      for (; until < order.length; until++) {
        const next = extents[order[until]!]!
        if (next.from - end > GAP_BYTES || next.to - first.from > READ_BYTES) break
        end = Math.max(end, next.to)
      }
      const wanted = order.slice(at, until)
      pending.push(this.readRange(first.from, end, taken).then(frames => share(frames, wanted, extents, found)))
      at = until
    }
    await Promise.all(pending)
    return {
      found,
      release: () => {
        for (const buffer of taken) this.pool.give(buffer)
      },
    }
  }

  /** Resolves when there may be more to read, or the log is closed. */
  more(): Promise<void> {
    return this.closed ? Promise.resolve() : new Promise(resolve => this.readers.push(resolve))
  }

  /** Lets everybody who waits in `more` look again. */
  wake(): void {
    const { readers } = this
    this.readers = []
    for (const resolve of readers) resolve()
  }

  /** Removes the segments that end at or before `position`; gives the bytes freed. */
  async free(position: number): Promise<number> {
    let bytes = 0
    while (this.segments.length > 0 && this.segments[0] !== this.current && this.segments[0]!.end <= position) {
      const segment = this.segments.shift()!
      bytes += segment.size
      await segment.remove()
    }
    return bytes
  }

  /** Writes what was appended, then closes. Safe to call twice. */
  async close(): Promise<void> {
    this.closed = true
    this.hurry()
    this.cancelRetry()
    await this.writing
    this.wake()
    this.tail.clear()
    this.pool.clear()
    await Promise.all(this.segments.map(segment => segment.close()))
  }

  private after(segment: Segment): number {
    return this.segments[this.segments.indexOf(segment) + 1]?.base ?? this.durable
  }

  private newGroup(): Group {
    if (!this.current || this.position - this.current.base >= this.options.segmentBytes)
      this.current = Segment.create(this.files, this.directory, this.position, this.items)
    return new Group(this.current, this.position, this.items, this.layout)
  }

  private async writeGroups(): Promise<void> {
    while (this.gathering) {
      await this.gather(this.gathering)
      const group = this.gathering
      this.gathering = undefined
      this.items += group.items
      this.inFlight = group.bytes
      try {
        await this.writeGroup(group)
      } catch (error) {
        await this.sealAfter(error, group)
      }
      this.inFlight = 0
    }
    this.writing = undefined
  }

  /** Each write and sync costs as much as many records: under load they wait for each other, a record that comes alone does not. */
  private async gather(group: Group): Promise<void> {
    const { interval } = this.options
    const until = this.lastGroup + interval
    for (let seen = -1; group.end !== seen && !this.closed && this.timer.monotonic() < until; ) {
      seen = group.end
      await new Promise<void>(resolve => {
        const cancel = this.timer.after(interval * QUIET, resolve)
        this.hurry = () => {
          cancel()
          resolve()
        }
      })
    }
    this.lastGroup = this.timer.monotonic()
  }

  private async writeGroup(group: Group): Promise<void> {
    const { segment } = group
    const pieces = group.finish()
    const fresh = this.segments.at(-1) !== segment
    if (fresh) segment.previousEnd = this.durable
    await segment.write(
      pieces.map(({ bytes }) => bytes),
      group.start,
    )
    if (this.options.fsync === 'group') {
      await segment.sync()
      if (fresh) await this.files.syncDirectory(this.directory)
    }
    if (fresh) this.segments.push(segment)
    segment.end = group.end
    this.durable = group.end
    this.durableItems += group.items
    this.tail.push(pieces)
    group.resolve()
    this.wake()
  }

  /** What a failed write or sync left behind is never believed: its segment ends before it, and the next record begins a new one. */
  private async sealAfter(error: unknown, group: Group): Promise<void> {
    const { segment } = group
    const next = this.gathering
    this.gathering = undefined
    this.current = undefined
    this.items = this.durableItems
    this.events.failed(error)
    if (isNoSpace(error)) await this.ranFull().catch(() => {})
    // Only tidying: the next segment's header says where this one ends.
    await (this.segments.at(-1) === segment ? segment.cut(segment.end) : segment.remove()).catch(() => {})
    group.reject(error)
    next?.reject(error)
  }

  private async ranFull(): Promise<void> {
    if (!this.full) this.events.full(true)
    this.full = true
    await this.reserve.release()
    this.retryWhenFull()
  }

  private retryWhenFull(): void {
    this.cancelRetry()
    this.cancelRetry = this.timer.after(FULL_RETRY_MS, () => {
      this.reserve.fill().then(
        filled => {
          if (this.closed) return
          if (!filled) return this.retryWhenFull()
          this.full = false
          this.events.full(false)
        },
        error => {
          this.events.failed(error)
          if (!this.closed) this.retryWhenFull()
        },
      )
    })
  }

  private async readRange(from: number, to: number, taken: Buffer[]): Promise<Frame[]> {
    const frames: Frame[] = []
    for (let at = from; at < to; ) {
      const segment = this.segments.find(({ end }) => end > at)
      if (!segment) break
      const buffer = this.pool.take(to - at)
      taken.push(buffer)
      const scan = await segment.scan(at, buffer.subarray(0, to - at))
      if (scan.damaged > 0) this.events.damaged(segment.path, at, scan.damaged)
      for (const frame of scan.frames) frames.push(frame)
      at = scan.next >= segment.end ? this.after(segment) : scan.next
    }
    return frames
  }
}

const share = (
  frames: readonly Frame[],
  wanted: readonly number[],
  extents: readonly { from: number; to: number }[],
  found: Frame[][],
): void => {
  let at = 0
  for (const index of wanted) {
    const { from, to } = extents[index]!
    while (at < frames.length && frames[at]!.position < from) at++
    for (let each = at; each < frames.length && frames[each]!.end <= to; each++) found[index]!.push(frames[each]!)
  }
}
