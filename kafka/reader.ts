/**
 * Fetches the partitions of one generation. Per broker one fetch is under way while what the last one brought is worked on; what lies ready is bounded by
 * bytes, so not taking it is how reading pauses. Nothing is skipped without a word: positions move by what was read, by `seek`, or by a gap that is told.
 */
import type { AssignedPartition, FetchedBatch, Gap, TopicPartition, Unreadable } from './client.js'
import { Cursor } from './cursor.js'
import { type KafkaError, kafkaError } from './errors.js'
import { type FetchAnswer, type FetchedPartition, type FetchOptions, fetchRequest } from './fetch.js'
import { frames } from './frames.js'
import { keyOf, type Link, protocolError } from './link.js'
import type { Clock } from './ports.js'
import { Batches, type Decoded } from './record_batch.js'
import { within } from './wait.js'

const OFFSET_OUT_OF_RANGE = 1
const EARLIEST = -2
const LATEST = -1
/** A partition without leader, or whose leader moved, is asked for again after this. */
const RETRY_MS = 200
/** One that cannot be read, or not by us. */
const RETRY_REFUSED_MS = 5_000

/** An answer of so much is no sign of a quiet topic. */
const MUCH_BYTES = 512 * 1024

export interface ReaderEvents {
  link(): Promise<Link>
  /** The link does not work: the next `link()` is another one. */
  broken(link: Link, error: KafkaError): void
  failing(error: KafkaError): void
  recovered(): void
  gap(gap: Gap): void
  unreadable(unreadable: Unreadable): 'skip' | 'wait'
}

export interface ReaderOptions extends FetchOptions {
  readonly requestTimeout: number
  /** Milliseconds between fetches from one broker that bring little. */
  readonly fetchInterval: number
  readonly maxDecompressedBytes: number
}

/** What was fetched of a partition and not handed out yet. */
interface Ready {
  readonly cursor: Cursor
  readonly version: number
  readonly batches: Batches
  readonly bytes: Buffer
  readonly highWatermark: number
  /** The offset behind what was handed out. */
  from: number
}

export class Reader {
  private readonly cursors = new Map<string, Cursor>()
  /** Positions asked for before the partitions are read. */
  private readonly sought = new Map<string, number>()
  private readonly fetching = new Set<number>()
  /** By broker: monotonic time before which it is left alone, so that more has come by then. */
  private readonly resting = new Map<number, number>()
  private ready: Ready[] = []
  private readyBytes = 0
  private generation = -1
  private notify = (): void => {}
  private woken = false
  private retry: { at: number; cancel: () => void } | undefined

  constructor(
    private readonly options: ReaderOptions,
    private readonly events: ReaderEvents,
    private readonly clock: Clock,
  ) {}

  start(generation: number, partitions: readonly AssignedPartition[]): void {
    this.generation = generation
    for (const partition of partitions) {
      const key = keyOf(partition)
      const position = this.sought.get(key) ?? partition.position
      this.cursors.set(key, new Cursor({ ...partition, position }))
    }
    this.sought.clear()
    this.touch(this.active)
    this.pump()
  }

  /** Nothing of this generation comes out any more. */
  stop(): void {
    for (const cursor of this.cursors.values()) cursor.version++
    this.cursors.clear()
    this.sought.clear()
    this.drop(() => true)
    this.retry?.cancel()
    this.retry = undefined
  }

  get caughtUp(): boolean {
    return this.ready.length === 0 && [...this.cursors.values()].every(({ caughtUp }) => caughtUp)
  }

  /** Nothing of the partition is left to hand out: read to the end that the broker last said, and taken by `poll`. */
  atEnd(partition: TopicPartition): boolean {
    const cursor = this.cursors.get(keyOf(partition))
    return cursor?.end !== undefined && cursor.position >= cursor.end && !this.ready.some(each => each.cursor === cursor)
  }

  /** Partitions that are being read and had no records for so long; none while what was read waits for its taker. */
  silent(ms: number): readonly Cursor[] {
    const before = this.clock.monotonic() - ms
    return this.full ? [] : this.active.filter(({ movedAt }) => movedAt <= before)
  }

  /** Their silence counts from now. */
  touch(cursors: readonly Cursor[]): void {
    for (const cursor of cursors) cursor.movedAt = this.clock.monotonic()
  }

  lag(partition: TopicPartition): number {
    const cursor = this.cursors.get(keyOf(partition))
    return cursor?.end === undefined ? 0 : Math.max(0, cursor.end - cursor.position)
  }

  async poll(): Promise<FetchedBatch[]> {
    for (;;) {
      while (this.ready.length === 0 && !this.woken) await new Promise<void>(resolve => (this.notify = resolve))
      if (this.full) this.touch(this.active)
      const batches = this.handOut()
      this.pump()
      if (batches.length > 0 || this.woken) {
        this.woken = false
        return batches
      }
    }
  }

  wake(): void {
    this.woken = true
    this.notify()
  }

  seek(partition: TopicPartition, offset: number): void {
    const key = keyOf(partition)
    const cursor = this.cursors.get(key)
    if (!cursor) {
      this.sought.set(key, offset)
      return
    }
    this.discard(cursor)
    cursor.moveTo(offset)
    cursor.notBefore = 0
    this.pump()
  }

  /** What lies ready of a paused partition is fetched anew when it goes on: it must not take room meanwhile. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const cursor = this.cursors.get(keyOf(partition))
      if (!cursor || cursor.paused) continue
      cursor.paused = true
      cursor.moveTo(this.discard(cursor) ?? cursor.position)
    }
    this.pump()
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const partition of partitions) {
      const cursor = this.cursors.get(keyOf(partition))
      if (!cursor) continue
      cursor.paused = false
      this.touch([cursor])
    }
    this.pump()
  }

  /** Starts what fetches can be. */
  pump(): void {
    if (this.cursors.size > 0 && !this.full) void this.startFetches()
  }

  private get full(): boolean {
    return this.readyBytes >= this.options.maxBytes
  }

  private get active(): readonly Cursor[] {
    return [...this.cursors.values()].filter(({ paused }) => !paused)
  }

  private async startFetches(): Promise<void> {
    let link: Link
    try {
      link = await this.events.link()
    } catch {
      // Told by whoever could not connect.
      this.pumpLater(RETRY_MS)
      return
    }
    const now = this.clock.monotonic()
    const wanted = this.active.filter(({ notBefore }) => notBefore <= now)
    const leaders = link.byLeader(wanted)
    for (const [nodeId, cursors] of leaders) {
      if (this.fetching.has(nodeId)) continue
      const rest = (this.resting.get(nodeId) ?? 0) - now
      if (rest > 0) {
        this.pumpLater(rest)
        continue
      }
      this.resting.set(nodeId, now + this.options.fetchInterval)
      this.fetching.add(nodeId)
      void this.fetch(link, nodeId, cursors).finally(() => {
        this.fetching.delete(nodeId)
        this.pump()
      })
    }
    const led = [...leaders.values()].reduce((sum, { length }) => sum + length, 0)
    if (led < this.active.length) this.pumpLater(RETRY_MS)
    if (led < wanted.length) await link.refresh().catch(error => this.events.broken(link, kafkaError('find the leaders', error)))
  }

  private async fetch(link: Link, nodeId: number, cursors: readonly Cursor[]): Promise<void> {
    const versions = cursors.map(({ version }) => version)
    const { requestTimeout, maxWait } = this.options
    let answer: FetchAnswer
    try {
      const request = fetchRequest(cursors, this.options)
      answer = (await within(this.clock, requestTimeout + maxWait, 'fetch', link.send(nodeId, request))) as FetchAnswer
      if (answer.errorCode !== 0) throw protocolError(answer.errorCode)
    } catch (error) {
      this.postpone(cursors, RETRY_MS)
      if (!link.closed) this.events.broken(link, kafkaError('fetch', error))
      return
    }
    // There is more where this came from.
    if (answer.frame.length >= MUCH_BYTES) this.resting.delete(nodeId)
    const answered = new Map(answer.partitions.map(each => [keyOf(each), each]))
    let failure: KafkaError | undefined
    for (const [index, cursor] of cursors.entries()) {
      const partition = answered.get(keyOf(cursor))
      // Revoked, moved or paused meanwhile.
      if (!partition || cursor.version !== versions[index]) continue
      cursor.refused = partition.errorCode !== 0
      if (partition.errorCode === 0) this.take(cursor, partition)
      else failure = (await this.refused(link, cursor, partition.errorCode)) ?? failure
    }
    frames.release(answer.frame)
    if (failure) this.events.failing(failure)
    // A fetch of the others says nothing of those that wait to be asked for again.
    else if (!this.active.some(({ refused }) => refused)) this.events.recovered()
  }

  private take(cursor: Cursor, partition: FetchedPartition): void {
    const { isolation, maxDecompressedBytes } = this.options
    const { position: from, version } = cursor
    const { bytes } = partition
    const aborted = isolation === 1 ? partition.aborted : []
    const highWatermark = isolation === 1 ? partition.lastStable : partition.highWatermark
    const batches = new Batches(bytes, { from, aborted, maxDecompressedBytes, verify: true })
    cursor.end = highWatermark
    if (batches.done) return
    // Lengths are believed until they are checked, when it is their turn: never beyond what there is to read.
    cursor.position = Math.max(from, Math.min(batches.end, highWatermark))
    frames.hold(bytes)
    this.ready.push({ cursor, version, batches, bytes, highWatermark, from })
    this.readyBytes += bytes.length
    cursor.movedAt = this.clock.monotonic()
    this.notify()
  }

  /** As much as may be decompressed at a time, oldest first. */
  private handOut(): FetchedBatch[] {
    const handed: FetchedBatch[] = []
    for (let room = this.options.maxBytes; room > 0 && this.ready.length > 0; ) {
      const first = this.ready[0]!
      const { cursor, version, batches, highWatermark } = first
      if (cursor.version !== version) {
        this.drop(each => each === first)
        continue
      }
      const decoded = batches.read(room)
      if (decoded.next > first.from) {
        const { topic, partition } = cursor
        const { records, next } = decoded
        handed.push({
          topic,
          partition,
          generation: this.generation,
          from: first.from,
          records,
          next,
          highWatermark,
          release: held(first.bytes),
        })
        first.from = decoded.next
        room -= decoded.bytes
      }
      if (batches.done) this.drop(each => each === first)
      if (decoded.damaged) this.damaged(first, decoded.damaged)
    }
    return handed
  }

  private damaged({ cursor, from, highWatermark }: Ready, { error, end }: NonNullable<Decoded['damaged']>): void {
    const { topic, partition } = cursor
    this.drop(each => each.cursor === cursor)
    // Its own word for where it ends may be what is damaged: never beyond what there is to read.
    const behind = Math.min(end, Math.max(highWatermark, from + 1))
    const skip = this.events.unreadable({ topic, partition, offset: from, end: behind, error }) === 'skip'
    cursor.moveTo(skip ? behind : from)
    if (!skip) this.postpone([cursor], RETRY_REFUSED_MS)
  }

  private async refused(link: Link, cursor: Cursor, code: number): Promise<KafkaError | undefined> {
    const error = kafkaError(`read ${cursor.topic}, partition ${cursor.partition}`, protocolError(code))
    if (code === OFFSET_OUT_OF_RANGE) {
      await this.findPlace(link, cursor).catch(() => this.postpone([cursor], RETRY_MS))
      return undefined
    }
    this.postpone([cursor], error.kind === 'retryable' ? RETRY_MS : RETRY_REFUSED_MS)
    if (error.kind === 'retryable') await link.refresh().catch(() => {})
    return error
  }

  /** The position is not on the log: at which end, and what is missing. Both ways reading goes on at the log start: more is read, never less. */
  private async findPlace(link: Link, cursor: Cursor): Promise<void> {
    const { version, position: wanted, topic, partition } = cursor
    const key = keyOf(cursor)
    const logStart = (await link.offsets([cursor], EARLIEST, 0)).get(key)
    const logEnd = (await link.offsets([cursor], LATEST, 0)).get(key)
    if (cursor.version !== version || logStart === undefined || logEnd === undefined) return
    // Between the two questions the log may have grown to it.
    if (wanted >= logStart && wanted <= logEnd) return
    this.events.gap({ topic, partition, reason: wanted < logStart ? 'log_start_moved' : 'log_truncated', wanted, logStart, logEnd })
    cursor.moveTo(logStart)
  }

  /** Drops what lies ready of a partition; the offset it began at. */
  private discard(cursor: Cursor): number | undefined {
    const dropped = this.drop(each => each.cursor === cursor).filter(({ version }) => version === cursor.version)
    return dropped.length === 0 ? undefined : Math.min(...dropped.map(({ from }) => from))
  }

  private drop(which: (ready: Ready) => boolean): Ready[] {
    const dropped = this.ready.filter(which)
    this.ready = this.ready.filter(each => !which(each))
    for (const { bytes } of dropped) {
      this.readyBytes -= bytes.length
      frames.release(bytes)
    }
    return dropped
  }

  private postpone(cursors: readonly Cursor[], ms: number): void {
    for (const cursor of cursors) cursor.notBefore = this.clock.monotonic() + ms
    this.touch(cursors)
    this.pumpLater(ms)
  }

  private pumpLater(ms: number): void {
    const at = this.clock.monotonic() + ms
    if (this.retry && this.retry.at <= at) return
    this.retry?.cancel()
    const cancel = this.clock.after(ms, () => {
      this.retry = undefined
      this.pump()
      // The earliest was armed; others may have been put off for longer.
      const next = Math.min(...this.active.map(({ notBefore }) => notBefore).filter(time => time > this.clock.monotonic()))
      if (Number.isFinite(next)) this.pumpLater(next - this.clock.monotonic())
    })
    this.retry = { at, cancel }
  }
}

/** Holds the frame; the result lets go of it, once. */
const held = (bytes: Buffer): (() => void) => {
  frames.hold(bytes)
  let over = false
  return () => {
    if (!over) frames.release(bytes)
    over = true
  }
}
