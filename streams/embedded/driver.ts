/**
 * The embedded driver: all partitions of a stream on one log of this machine, so that one sync serves them all. An offset is a position on the
 * log: it finds a record without an index. Checkpoints of all partitions are one small value, replaced atomically.
 */
import { resolve } from 'node:path'
import {
  Cell,
  type Files,
  type Frame,
  LOCK_NAME,
  type Lock,
  LogReader,
  type LogRecord,
  LogRefusal,
  RESERVE_NAME,
  SEGMENT_NAME,
  SegmentedLog,
} from '../../storage/index.js'
import type { Assignment, Checkpoint, Driver, Extent, Outgoing, Polled, Raw, Reread } from '../driver.js'
import type { Ports } from '../ports.js'
import { Refusal } from '../stream.js'
import { AppendClock } from './append_clock.js'
import { readDocument, writeDocument } from './document.js'
import { type DiskEvents, diskEvents } from './events.js'
import { readRecord, writeHead } from './record.js'

export interface EmbeddedOptions {
  readonly stream: string
  readonly directory: string
  readonly partitions: number
  readonly fsync: 'group' | 'never'
  readonly maxSize: number
  readonly syncInterval: number
}

const CELL_NAME = 'checkpoint'
const RESERVE_BYTES = 16 * 1024 * 1024
const MiB = 1024 * 1024
const RETRY_AFTER_MS = 1000

export class EmbeddedDriver implements Driver {
  readonly partitions: number
  private readonly directory: string
  private readonly events: DiskEvents
  private readonly clock: AppendClock
  private lock: Lock | undefined
  private cell: Cell | undefined
  private opened: SegmentedLog | undefined
  private reader: LogReader | undefined
  private checkpoints = new Map<number, Checkpoint>()
  private assigned = false
  private woken = false

  constructor(
    private readonly files: Files,
    private readonly options: EmbeddedOptions,
    private readonly ports: Ports,
  ) {
    this.partitions = options.partitions
    this.directory = resolve(options.directory)
    this.events = diskEvents(options.stream, this.directory, ports, full => full && void this.freeHistory())
    this.clock = new AppendClock(ports.clock, ms => this.events.clockStepped(ms))
    ports.meter.gauge(
      'ai_factory_gateway_stream_log_bytes',
      'Disk space of the log.',
      { stream: options.stream },
      () => this.opened?.size ?? 0,
    )
  }

  async open(): Promise<void> {
    try {
      await this.files.makeDirectory(this.directory)
      await this.refuseForeign()
      this.lock = await this.files.lock(this.directory)
      this.cell = await Cell.open(this.files, this.directory, CELL_NAME, Math.max(64 * 1024, 1024 * this.partitions))
      await this.readCheckpoints(this.cell)
      this.opened = await this.openLog()
      this.reader = new LogReader(this.opened, 0, this.events)
    } catch (error) {
      await this.close()
      throw new Error(`stream ${this.options.stream}: directory ${this.directory} cannot be used: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  async append(records: readonly Outgoing[], own: boolean): Promise<void> {
    const { log } = this
    if (!own && log.size > this.options.maxSize) {
      await this.freeHistory()
      if (log.size > this.options.maxSize)
        throw new Refusal(`stream ${this.options.stream}: the log has reached max_size`, 'stream_full', true, RETRY_AFTER_MS)
    }
    const appendTime = this.clock.stamp()
    const written: LogRecord[] = records.map(record => ({ items: record.items, slices: [writeHead(record, appendTime), ...record.value] }))
    try {
      await log.append(written, own)
    } catch (error) {
      const reason = error instanceof LogRefusal ? (error.reason === 'closed' ? 'stopped' : error.reason) : 'unwritable'
      throw new Refusal(`stream ${this.options.stream}: ${(error as Error).message}`, reason, true, RETRY_AFTER_MS, { cause: error })
    }
  }

  async poll(): Promise<Polled> {
    const { log, reader } = this
    if (!reader) throw new Error('the stream is closed')
    if (!this.assigned) return this.assignAll(log, reader)
    for (;;) {
      const frames = await reader.read()
      if (frames.length > 0) return { assigned: [], revoked: [], records: this.records(frames) }
      if (this.woken) break
      if (reader.caughtUp) await log.more()
    }
    this.woken = false
    return { assigned: [], revoked: [], records: [] }
  }

  wake(): void {
    this.woken = true
    this.opened?.wake()
  }

  owns(): boolean {
    return this.assigned
  }

  caughtUp(): boolean {
    return this.reader?.caughtUp ?? false
  }

  /** The log has it, and is not freed below what the last checkpoint needs. */
  keep(): number {
    return 0
  }

  forget(): void {}

  async reread(extents: readonly Extent[]): Promise<Reread> {
    const { found, release } = await this.log.reread(extents.map(({ offset, end }) => ({ from: offset, to: end })))
    return {
      records: found.map((frames, at) => this.records(frames).filter(({ partition }) => partition === extents[at]!.partition)),
      release,
    }
  }

  async commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void> {
    if (!this.cell) throw new Error('the stream is closed')
    const merged = new Map([...this.checkpoints, ...checkpoints])
    await this.cell.write(writeDocument({ partitions: this.partitions, checkpoints: merged }))
    this.checkpoints = merged
    await this.log.free(this.least(({ oldest }) => oldest))
  }

  async close(): Promise<void> {
    this.wake()
    await this.opened?.close()
    await this.cell?.close()
    await this.lock?.release()
    this.opened = undefined
    this.cell = undefined
    this.lock = undefined
    this.reader = undefined
  }

  private get log(): SegmentedLog {
    if (!this.opened) throw new Refusal(`stream ${this.options.stream} is not running`, 'stopped', true, RETRY_AFTER_MS)
    return this.opened
  }

  private records(frames: readonly Frame[]): Raw[] {
    const records: Raw[] = []
    for (const frame of frames) {
      const record = readRecord(frame)
      if (record) records.push(record)
      else this.events.lost(frame.items)
    }
    return records
  }

  /** Every partition is ours; reading begins at the least offset any of them needs. */
  private assignAll(log: SegmentedLog, reader: LogReader): Polled {
    const assigned: Assignment[] = []
    for (let partition = 0; partition < this.partitions; partition++) {
      const checkpoint = this.checkpoints.get(partition)
      assigned.push({ partition, checkpoint, start: Math.max(checkpoint?.oldest ?? 0, log.start) })
    }
    reader.position = Math.min(...assigned.map(({ start }) => start))
    this.assigned = true
    return { assigned, revoked: [], records: [] }
  }

  private openLog(): Promise<SegmentedLog> {
    const { fsync, maxSize, syncInterval: interval } = this.options
    const segmentBytes = Math.min(64 * MiB, Math.max(64 * 1024, Math.floor(maxSize / 16)))
    const startAt = Math.max(0, ...[...this.checkpoints.values()].map(({ next }) => next))
    return SegmentedLog.open(
      this.files,
      this.directory,
      { fsync, segmentBytes, reserveBytes: RESERVE_BYTES, startAt, interval },
      this.events,
      this.ports.clock,
    )
  }

  /** A directory that holds other things is a mistake in the configuration, and not ours to write to. */
  private async refuseForeign(): Promise<void> {
    const ours = (name: string): boolean =>
      name === CELL_NAME || name === RESERVE_NAME || name === 'lost+found' || name.split('.')[0] === LOCK_NAME || SEGMENT_NAME.test(name)
    const foreign = (await this.files.list(this.directory)).find(name => !ours(name))
    if (foreign !== undefined) throw new Error(`it holds ${foreign}, which is no part of a stream; name an empty or new directory`)
  }

  private async readCheckpoints(cell: Cell): Promise<void> {
    const { stream } = this.options
    if (!cell.initial) {
      if (cell.damaged)
        this.ports.log.error('the checkpoint cannot be read: everything on the log is read and sent again', {
          stream,
          directory: this.directory,
        })
      await cell.write(writeDocument({ partitions: this.partitions, checkpoints: new Map() }))
      return
    }
    const { partitions, checkpoints } = readDocument(cell.initial)
    if (partitions !== this.partitions)
      throw new Error(
        `it was made with partitions: ${partitions}, and the configuration says ${this.partitions}. Set it back to ${partitions}; or drain: stop the senders, ` +
          `run with ${partitions} until ai_factory_gateway_stream_held_chunks and _in_flight_bytes are 0, stop, and remove the directory`,
      )
    this.checkpoints = new Map(checkpoints)
    const { clock, log } = this.ports
    for (const [partition, { streamTime, windowing }] of checkpoints) {
      const ahead = streamTime - clock.now()
      if (ahead > windowing.grace)
        log.error('the log is ahead of the clock: until the clock has caught up, everything is late', {
          stream,
          partition,
          seconds: Math.round(ahead / 1000),
        })
    }
  }

  /** Above max_size, or with the disk full: what only serves to rebuild state goes first (rule 24). */
  private async freeHistory(): Promise<void> {
    const bytes = await this.opened?.free(this.least(({ needed }) => needed))
    if (bytes) this.events.historyFreed(bytes)
  }

  /** The least of all partitions; 0 while one has no checkpoint. */
  private least(of: (checkpoint: Checkpoint) => number): number {
    if (this.checkpoints.size < this.partitions) return 0
    return Math.min(...[...this.checkpoints.values()].map(of))
  }
}
