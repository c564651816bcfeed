/**
 * One partition: time, lateness, copies, what waits, windows. A pure function of the records it is given, so a replay repeats it exactly.
 * It does no I/O: where the bytes of a waiting chunk are needed, it stops and asks (`advance`, `overflow`), and goes on after `release`.
 */
import { type Checkpoint, type Driver, FIRST_PROCESSOR_KIND, type Raw, SETTINGS, TICK } from '../driver.js'
import type { Handler, Moment, Release, StreamRecord, Windowing } from '../handler.js'
import { BYTES_PER_CHUNK, type Chunk, Hold } from './hold.js'
import { Once } from './once.js'
import { onceHorizon, Timeline } from './timeline.js'

/** Where a partition's news goes. All items are counted by whoever listens. */
export interface Outlet<Out> {
  emit(out: Out): void
  duplicate(kind: number, items: number): void
  evicted(items: number): void
  /** The handler threw: a bug, contained to this record or window. */
  failed(error: unknown, items: number): void
}

/** Memory of what waits, shared by all partitions of a stream. */
export interface Budget {
  /** Bytes of `chunks` entries and of the records kept with them. */
  used: number
  chunks: number
  readonly max: number
}

/** Where the bytes of what waits are. */
export type Keeper = Pick<Driver, 'keep' | 'forget'>

/** Rule 6: zero, reversed, or more than `grace` ahead of the append time is read as the append time, and flagged. */
export const toRecord = (raw: Raw, grace: number): StreamRecord => {
  const { partition, offset, key, kind, items, appendTime, firstTime, lastTime, value } = raw
  const sound = firstTime > 0 && lastTime >= firstTime && lastTime <= appendTime + grace
  return {
    partition,
    offset,
    key,
    kind,
    items,
    appendTime,
    firstTime: sound ? firstTime : appendTime,
    lastTime: sound ? lastTime : appendTime,
    flagged: !sound,
    value,
  }
}

/** A window was closed. */
export const CLOSED = 'closed'
export type Step = Chunk | typeof CLOSED | undefined

const NO_RECORD = 0

export const sameWindowing = (a: Windowing, b: Windowing): boolean =>
  a.window === b.window && a.grace === b.grace && a.maxGap === b.maxGap && a.history === b.history

export const writeWindowing = ({ window, grace, maxGap, history }: Windowing): Uint8Array =>
  Buffer.from(JSON.stringify({ window, grace, maxGap, history }))

const readWindowing = (value: Uint8Array): Windowing | undefined => {
  try {
    const { window, grace, maxGap, history } = JSON.parse(Buffer.from(value).toString()) as Windowing
    return [window, grace, maxGap, history].every(Number.isFinite) && window > 0 ? { window, grace, maxGap, history } : undefined
  } catch {
    return undefined
  }
}

export class Partition<Out> {
  readonly id: number
  /** Highest append time read; 0 before the first record. */
  streamTime = NO_RECORD
  windowing: Windowing
  /** The first offset not yet taken. */
  next: number
  private readonly handler: Handler<Out>
  private readonly hold = new Hold()
  private readonly timeline: Timeline
  private readonly once: Once
  /** Start of the earliest open window; meaningful once there is a record. */
  private windowStart = 0
  /** Windows that begin later hold nothing: after a pause of days there may be a million of them. */
  private filled = Infinity
  /** Outputs of records below this offset were acknowledged before the restart. */
  private readonly muteBelow: number
  /** Stream time at the checkpoint. */
  private readonly restoredTime: number
  private evictedBelow: number
  private muted: boolean

  constructor(
    start: { partition: number; offset: number; checkpoint: Checkpoint | undefined; windowing: Windowing },
    makeHandler: (partition: number, windowing: Windowing) => Handler<Out>,
    private readonly outlet: Outlet<Out>,
    private readonly budget: Budget,
    private readonly keeper: Keeper,
  ) {
    const { partition, offset, checkpoint } = start
    this.id = partition
    this.next = offset
    this.windowing = checkpoint?.windowing ?? start.windowing
    this.muteBelow = checkpoint?.next ?? offset
    this.evictedBelow = checkpoint?.evictedBelow ?? 0
    this.muted = offset < this.muteBelow
    this.restoredTime = checkpoint?.streamTime ?? NO_RECORD
    this.handler = makeHandler(partition, this.windowing)
    this.once = new Once(onceHorizon(this.windowing))
    if (checkpoint && checkpoint.oldestStreamTime > NO_RECORD) this.begin(checkpoint.oldestStreamTime)
    this.timeline = new Timeline({ offset, streamTime: this.streamTime, windowing: this.windowing })
  }

  get watermark(): number {
    return this.streamTime - this.windowing.grace
  }

  /** Reading again what was emitted before the restart. */
  get restoring(): boolean {
    return this.muted
  }

  get heldChunks(): number {
    return this.hold.count
  }

  /** Bytes of state: the handler's and what recognises copies. */
  get stateBytes(): number {
    return this.handler.stateBytes() + this.once.bytes
  }

  checkpoint(): Checkpoint {
    const { offset, streamTime, windowing } = this.timeline.oldest(this.streamTime, this.windowing)
    const needed = Math.min(this.hold.oldestOffset(), this.next)
    return {
      streamTime: this.streamTime,
      next: this.next,
      oldest: offset,
      oldestStreamTime: streamTime,
      windowing,
      needed,
      evictedBelow: this.evictedBelow,
    }
  }

  /** The chunks that come due when time reaches a record appended at `appendTime`, soonest first; about `limit` bytes of them. */
  dueBy(appendTime: number, limit: number): Chunk[] {
    return this.muted ? [] : this.hold.dueBy(Math.max(this.streamTime, appendTime) - this.windowing.grace, limit)
  }

  /**
   * Moves time to the record: chunks come due and windows close, in the order of event time. Stops at a chunk whose bytes are needed and returns it:
   * `release` it and call again. Stops after each window, so that others get a turn: call again. Undefined: time has arrived, and `take` follows.
   */
  advance(raw: Raw): Step {
    if (this.muted && raw.offset >= this.muteBelow) {
      // Where records were lost, time stands before the checkpoint: what was due by then has left already.
      if (this.restoredTime > this.streamTime) this.moveTo(this.restoredTime, raw.offset)
      if (this.step() !== undefined) return CLOSED
      this.muted = false
    }
    this.moveTo(raw.appendTime, raw.offset)
    return this.step()
  }

  /** The bytes of a chunk that `advance` or `overflow` asked for. */
  release(raw: Raw, chunk: Chunk, why: Release): void {
    const folded = this.momentAt(chunk.folded)
    this.emitRecord(toRecord(raw, this.windowing.grace), why, folded, this.moment())
    this.left(chunk)
  }

  /** The bytes of a chunk that was asked for are gone. */
  lose(chunk: Chunk): void {
    this.left(chunk)
  }

  /** Takes the record into the state, after `advance`. */
  take(raw: Raw): void {
    this.next = raw.end
    if (raw.kind >= FIRST_PROCESSOR_KIND) this.takeFact(raw)
    else if (raw.kind === SETTINGS) this.takeSettings(raw)
    else if (raw.kind !== TICK)
      this.outlet.failed(new Error(`record of unknown kind ${raw.kind} at offset ${raw.offset}: written by a newer version?`), raw.items)
  }

  /** The oldest chunk, when what waits takes more memory than it may; then `release` it as evicted and call again. */
  overflow(): Chunk | undefined {
    if (this.budget.used <= this.budget.max || this.muted || this.hold.count === 0) return undefined
    const chunk = this.hold.evict()
    this.uncount(chunk)
    this.evictedBelow = chunk.offset + 1
    this.outlet.evicted(chunk.items)
    return chunk
  }

  /** Gives back the memory it was counted for. */
  dispose(): void {
    for (; this.hold.nextDue() < Infinity; ) {
      const chunk = this.hold.pop()
      this.uncount(chunk)
      this.left(chunk)
    }
  }

  private moveTo(time: number, offset: number): void {
    const before = this.streamTime
    if (before === NO_RECORD) this.begin(time)
    else if (time > before) {
      this.timeline.note(offset, before, this.windowing)
      this.filled = before + this.windowing.grace + this.windowing.history
      this.streamTime = time
    }
  }

  /** Up to the next window closed or chunk whose bytes are needed; chunks that left before the restart are dropped. */
  private step(): Step {
    const { watermark } = this
    for (;;) {
      const due = this.hold.nextDue()
      const end = this.windowEnd()
      if (Math.min(due, end) > watermark) return undefined
      if (end < due) {
        if (this.windowStart <= this.filled) {
          this.close(end, false)
          return CLOSED
        }
        this.windowStart = this.gridStart(watermark)
      } else {
        const chunk = this.hold.pop()
        this.uncount(chunk)
        if (!this.muted) return chunk
        this.left(chunk)
      }
    }
  }

  private begin(streamTime: number): void {
    this.streamTime = streamTime
    this.windowStart = this.gridStart(this.watermark)
  }

  private gridStart(time: number): number {
    const { window } = this.windowing
    return Math.floor(time / window) * window
  }

  private takeFact(raw: Raw): void {
    const record = toRecord(raw, this.windowing.grace)
    const at = this.moment()
    if (raw.fingerprint && this.once.seen(raw.fingerprint, this.streamTime)) {
      if (!this.muted) this.outlet.duplicate(raw.kind, raw.items)
      return
    }
    if (record.lastTime <= at.watermark - this.windowing.history) {
      this.emitRecord(record, 'too_late', at, at)
      return
    }
    const late = record.lastTime <= at.watermark
    let waits = false
    try {
      waits = this.handler.fold(record, at)
    } catch (error) {
      // Not folded, but passed on: the state lacks it, the user does not.
      this.outlet.failed(error, 0)
    }
    if (!waits || late) this.emitRecord(record, late ? 'late' : 'due', at, at)
    else if (raw.offset >= this.evictedBelow) {
      const kept = this.keeper.keep(raw)
      this.hold.push({ offset: raw.offset, end: raw.end, items: raw.items, folded: at.streamTime, kept }, record.lastTime)
      this.budget.used += BYTES_PER_CHUNK + kept
      this.budget.chunks++
    }
  }

  private uncount({ kept }: Chunk): void {
    this.budget.used -= BYTES_PER_CHUNK + kept
    this.budget.chunks--
  }

  private left({ offset }: Chunk): void {
    this.keeper.forget(this.id, offset)
  }

  /** Rule 21: open windows close early, and the windows of the new settings begin where the last of them ended. */
  private takeSettings(raw: Raw): void {
    const windowing = readWindowing(raw.value)
    if (!windowing) {
      this.outlet.failed(new Error(`settings record at offset ${raw.offset} cannot be read: written by a newer version?`), 0)
      return
    }
    if (sameWindowing(windowing, this.windowing)) return
    const reach = this.streamTime + this.windowing.grace
    while (this.windowStart <= reach) this.close(this.windowEnd(), true)
    this.windowing = windowing
    this.once.horizon = onceHorizon(windowing)
    this.guard(0, () => this.handler.change(windowing, this.windowStart))
  }

  private windowEnd(): number {
    return this.gridStart(this.windowStart) + this.windowing.window
  }

  private close(end: number, cut: boolean): void {
    const start = this.windowStart
    this.windowStart = end
    this.guard(0, () => {
      const out = this.handler.close(start, end, this.moment(), this.muted, cut)
      if (out !== undefined && !this.muted) this.outlet.emit(out)
    })
  }

  private emitRecord(record: StreamRecord, why: Release, folded: Moment, now: Moment): void {
    if (this.muted) return
    this.guard(record.items, () => {
      const out = this.handler.release(record, why, folded, now)
      if (out !== undefined) this.outlet.emit(out)
    })
  }

  /** A handler that throws harms this call and no other. */
  private guard(items: number, call: () => void): void {
    try {
      call()
    } catch (error) {
      this.outlet.failed(error, items)
    }
  }

  private moment(): Moment {
    return this.momentAt(this.streamTime)
  }

  private momentAt(streamTime: number): Moment {
    return { streamTime, watermark: streamTime - this.windowing.grace }
  }
}
