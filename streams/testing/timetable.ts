/**
 * A handler under test on one partition, without promises: append at a time, look at what came out.
 *
 *     const table = new Timetable(makeHandler, windowing)
 *     table.append(1000, { key: 'w', kind: 16, firstTime: 400, lastTime: 900, value: [bytes] })
 *     table.tick(20_000)
 *     expect(table.take()).toEqual([…])
 */
import { type Checkpoint, type Raw, SETTINGS, TICK } from '../driver.js'
import { CLOSED, Partition, writeWindowing } from '../engine/partition.js'
import { assembled } from '../engine/parts.js'
import type { Entry, Handler, Windowing } from '../handler.js'

export class Timetable<Out> {
  readonly log: Raw[] = []
  duplicates = 0
  evicted = 0
  readonly errors: unknown[] = []
  private outs: Out[] = []
  private partition: Partition<Out>

  constructor(
    private readonly makeHandler: (partition: number, windowing: Windowing) => Handler<Out>,
    private windowing: Windowing,
    private readonly maxHeld = Infinity,
  ) {
    this.partition = this.open(undefined)
  }

  /** Appends an entry at an append time and takes it. Event times left out are the append time. */
  append(at: number, entry: Partial<Entry> & Pick<Entry, 'key' | 'kind'>): void {
    const { firstTime = entry.lastTime ?? at, lastTime = at, items = 1, fingerprint, value = [] } = entry
    this.add({
      appendTime: at,
      key: entry.key,
      kind: entry.kind,
      firstTime,
      lastTime,
      items,
      fingerprint,
      value: Buffer.concat(value),
      sender: 0,
    })
  }

  /** An empty record: time goes on. */
  tick(at: number): void {
    this.own(at, TICK, Buffer.alloc(0))
  }

  /** A settings record (rule 21). */
  change(at: number, windowing: Windowing): void {
    this.windowing = windowing
    this.own(at, SETTINGS, Buffer.from(writeWindowing(windowing)))
  }

  /** What came out since the last call. */
  take(): Out[] {
    const { outs } = this
    this.outs = []
    return outs
  }

  /** What would be committed now. */
  checkpoint(): Checkpoint {
    return this.partition.checkpoint()
  }

  /** Forgets all state and rebuilds it from the log, as after a crash. Outputs since `checkpoint` come out again. */
  restart(checkpoint: Checkpoint | undefined): void {
    this.partition = this.open(checkpoint)
    for (const raw of this.log.slice(checkpoint?.oldest ?? 0)) this.process(raw)
  }

  get stateBytes(): number {
    return this.partition.stateBytes
  }

  get heldChunks(): number {
    return this.partition.heldChunks
  }

  private own(at: number, kind: number, value: Uint8Array): void {
    this.add({ appendTime: at, key: '', kind, firstTime: 0, lastTime: 0, items: 0, fingerprint: undefined, value, sender: 0 })
  }

  private add(record: Omit<Raw, 'partition' | 'offset' | 'end' | 'part' | 'parts'>): void {
    const offset = this.log.length
    const raw: Raw = { ...record, partition: 0, offset, end: offset + 1, part: 0, parts: 1 }
    this.log.push(raw)
    this.process(raw)
  }

  private open(checkpoint: Checkpoint | undefined): Partition<Out> {
    return new Partition<Out>(
      { partition: 0, offset: checkpoint?.oldest ?? 0, checkpoint, windowing: this.windowing },
      this.makeHandler,
      {
        emit: out => this.outs.push(out),
        duplicate: (_kind, items) => (this.duplicates += items),
        evicted: items => (this.evicted += items),
        failed: error => this.errors.push(error),
      },
      { used: 0, chunks: 0, max: this.maxHeld },
      { keep: () => 0, forget() {} },
    )
  }

  private process(raw: Raw): void {
    const { partition } = this
    for (let step = partition.advance(raw); step; step = partition.advance(raw))
      if (step !== CLOSED) partition.release(this.read(step), step, 'due')
    partition.take(raw)
    for (let chunk = partition.overflow(); chunk; chunk = partition.overflow()) partition.release(this.read(chunk), chunk, 'evicted')
  }

  private read({ offset, end }: { offset: number; end: number }): Raw {
    const raw = assembled(this.log.slice(offset, end))
    if (!raw) throw new Error(`nothing whole at ${offset}`)
    return raw
  }
}
