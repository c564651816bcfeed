/** A stream under test: time by hand, a log that outlives restarts, crashes, and everything that came out. */
import type { Driver } from '../driver.js'
import { KeyedStream, type KeyedStreamOptions } from '../engine/keyed_stream.js'
import type { Entry, Windowing } from '../handler.js'
import type { Appended, Running, Task } from '../stream.js'
import type { ManualClock } from './clock.js'
import { FACT, Ledger, type Told } from './ledger.js'
import { RecordingLog, RecordingMeter } from './ports.js'

/** What a driver brings to the suite: the place where its log lives. */
export interface World {
  readonly clock: ManualClock
  /** A driver over the log there is. */
  driver(ports: { clock: ManualClock; log: RecordingLog; meter: RecordingMeter }): Driver
  /** The power goes: what was not durable is gone. */
  crash(): void
  /** While true, nothing can be written. */
  refuse(refused: boolean): void
  /** What waits keeps its value in memory, compressed. */
  readonly keepsValues?: true
  /** Where reading takes real time: the offset behind the last record that is on the log. */
  end?(partition: number): number
}

export const WINDOWING: Windowing = { window: 100, grace: 150, maxGap: 200, history: 1000 }
export const TICK = 100
const STEP = 25
const SETTLED_WITHIN_MS = 10_000
const PAUSED_TURNS = 30

const OPTIONS: KeyedStreamOptions = {
  stream: 'test',
  tick: TICK,
  commitInterval: 50,
  maxInFlightBytes: 1_000_000,
  maxRecordBytes: 1000,
  onUnavailable: 'refuse',
}

const never = <T>(): Promise<T> => new Promise<T>(() => {})

/** Counts what is under way, so that a test can wait for silence; after a crash nothing goes through any more. */
class Watched implements Driver {
  readonly partitions: number
  dead = false
  working = 0
  private polling = false
  /** Owned partitions, and how far each was read. */
  private readonly read = new Map<number, number>()

  constructor(
    private readonly inner: Driver,
    private readonly end: (partition: number) => number,
  ) {
    this.partitions = inner.partitions
  }

  /** Nothing is under way, and nobody asks for more: outputs are in flight, or the reading has ended. */
  get paused(): boolean {
    return this.working === 0 && !this.polling
  }

  /** Everything owned, read to its end, and nothing under way. */
  get quiet(): boolean {
    return (
      this.working === 0 &&
      this.polling &&
      this.read.size === this.partitions &&
      [...this.read].every(([partition, read]) => this.inner.caughtUp(partition) && read >= this.end(partition))
    )
  }

  open: Driver['open'] = () => this.inner.open()
  wake: Driver['wake'] = () => this.inner.wake()
  close: Driver['close'] = () => this.inner.close()
  append: Driver['append'] = (records, own) => this.work(() => this.inner.append(records, own))
  owns: Driver['owns'] = partition => this.inner.owns(partition)
  caughtUp: Driver['caughtUp'] = partition => this.inner.caughtUp(partition)
  keep: Driver['keep'] = record => this.inner.keep(record)
  forget: Driver['forget'] = (partition, offset) => this.inner.forget(partition, offset)
  commit: Driver['commit'] = checkpoints => this.work(() => this.inner.commit(checkpoints))
  reread: Driver['reread'] = extents => this.work(() => this.inner.reread(extents))
  poll: Driver['poll'] = async () => {
    if (this.dead) return never()
    this.polling = true
    const polled = await this.inner.poll()
    if (this.dead) return never()
    this.polling = false
    for (const partition of polled.revoked) this.read.delete(partition)
    for (const { partition, start } of polled.assigned) this.read.set(partition, start)
    for (const { partition, end } of polled.records) this.read.set(partition, end)
    return polled
  }

  private async work<T>(task: () => Promise<T>): Promise<T> {
    if (this.dead) return never()
    this.working++
    try {
      const result = await task()
      return this.dead ? never() : result
    } catch (error) {
      if (this.dead) return never()
      throw error
    } finally {
      this.working--
    }
  }
}

export interface Output extends Told {
  readonly epoch: string
}

export class Scene {
  readonly log = new RecordingLog()
  readonly meter = new RecordingMeter()
  readonly start0: number
  outs: Output[] = []
  duplicates = 0
  /** What becomes of a delivery: resolves at once unless told otherwise. */
  deliver: (outs: readonly Told[]) => Promise<void> = async () => {}
  private driver: Watched | undefined
  private stream: KeyedStream | undefined
  private running: Running | undefined

  constructor(
    readonly world: World,
    private readonly options: Partial<KeyedStreamOptions> = {},
    private readonly task: Partial<Task<Told>> = {},
  ) {
    this.start0 = world.clock.now()
  }

  /** Milliseconds since the scene began. */
  get now(): number {
    return this.world.clock.now() - this.start0
  }

  async start(windowing: Windowing = WINDOWING): Promise<this> {
    const { clock } = this.world
    const ports = { clock, log: this.log, meter: this.meter }
    const driver = new Watched(this.world.driver(ports), partition => this.world.end?.(partition) ?? 0)
    const stream = new KeyedStream({ ...OPTIONS, ...this.options }, async () => driver, ports)
    this.driver = driver
    this.stream = stream
    this.running = await stream.run<Told>({
      windowing,
      maxHeld: Infinity,
      handler: (_partition, inForce) => new Ledger(inForce),
      size: ({ value }) => value.length + 100,
      deliver: async (outs, epoch) => {
        if (driver.dead) return never()
        // The bytes are copied: what is looked at later must be what was delivered then.
        for (const out of outs) this.outs.push({ ...out, value: Buffer.from(out.value), epoch })
        await this.deliver(outs)
        if (driver.dead) await never()
      },
      duplicate: (_kind, items) => (this.duplicates += items),
      ...this.task,
    })
    await this.settle()
    return this
  }

  /** Appends now. Event times are milliseconds of the scene; left out, they are the present. */
  append(...entries: (Partial<Entry> & { at?: number; text?: string })[]): Promise<Appended> {
    if (!this.stream) throw new Error('not started')
    return this.stream.append(
      entries.map(({ at = this.now, text, ...entry }) => ({
        key: 'k',
        kind: FACT,
        firstTime: this.start0 + at,
        lastTime: this.start0 + at,
        items: 1,
        fingerprint: undefined,
        value: [Buffer.from(text ?? '')],
        ...entry,
      })),
    )
  }

  /** Lets time pass in small steps, with everything that happens meanwhile. */
  async sleep(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; ) {
      this.world.clock.advance(Math.min(STEP, end - this.now))
      await this.settle()
    }
  }

  /** Time jumps: what timers there are run once. */
  async jump(ms: number): Promise<void> {
    this.world.clock.advance(ms)
    await this.settle()
  }

  /** Waits until nothing moves. */
  async settle(): Promise<void> {
    const real = this.world.end !== undefined
    const until = performance.now() + SETTLED_WITHIN_MS
    let paused = 0
    for (let quiet = 0, turns = 0; quiet < 4; turns++) {
      await new Promise(resolve => (real && quiet === 0 ? setTimeout(resolve, 1) : setImmediate(resolve)))
      quiet = !this.driver || this.driver.quiet ? quiet + 1 : 0
      paused = this.driver?.paused ? paused + 1 : 0
      if (real ? performance.now() > until || paused > PAUSED_TURNS : turns > 2000) return
    }
  }

  /** What came out since the last call, texts only, times as in the scene. */
  take(): string[] {
    const { outs } = this
    this.outs = []
    return outs.map(({ text }) => this.relative(text))
  }

  async stop(deadline: AbortSignal = new AbortController().signal): Promise<void> {
    await this.running?.stop(deadline)
    this.forget()
  }

  async crash(): Promise<void> {
    if (this.driver) this.driver.dead = true
    this.world.crash()
    this.forget()
    await new Promise(setImmediate)
  }

  relative(text: string): string {
    return text.replace(/\d{12,}/g, time => String(Number(time) - this.start0))
  }

  private forget(): void {
    this.driver = undefined
    this.stream = undefined
    this.running = undefined
  }
}
