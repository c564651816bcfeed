/** Walks what one poll brought through the partitions, and fetches the bytes of waiting chunks that come due on the way. */
import type { Extent, Raw, Reread } from '../driver.js'
import type { Clock } from '../ports.js'
import type { Chunk } from './hold.js'
import type { StreamCounters } from './metrics.js'
import { CLOSED, type Partition } from './partition.js'
import { type Assembly, assembled } from './parts.js'

/** A partition this process owns. */
export interface Owned<Out> {
  readonly partition: Partition<Out>
  readonly assembly: Assembly
  /** Waiting chunks whose bytes were fetched for this round, by offset. */
  readonly fetched: Map<number, Raw | undefined>
  /** Monotonic time of the last record. */
  lastRecord: number
  settingsAsked: boolean
}

export interface RoundPorts {
  readonly clock: Clock
  /** The records of each extent once more; undefined when stopping. */
  reread(extents: readonly Extent[]): Promise<Reread | undefined>
  /** Waits while too much is in flight; false when stopping before there was room. */
  room(): Promise<boolean>
}

/** Log bytes of waiting chunks fetched at a time, per partition. */
const FETCH_BYTES = 1024 * 1024
/** Longest stretch of work before other parts of the process get their turn. */
const TURN_MS = 10

export class Round<Out> {
  private turnStart = 0
  /** Of what was read again for this round. */
  private readonly releases: (() => void)[] = []

  constructor(
    private readonly ports: RoundPorts,
    private readonly counters: StreamCounters,
  ) {}

  /** False when stopped in the middle. */
  async take(owned: ReadonlyMap<number, Owned<Out>>, records: readonly Raw[]): Promise<boolean> {
    this.turnStart = this.ports.clock.monotonic()
    if (!(await this.fetchAhead(owned, records))) return false
    for (const record of records) {
      const owner = owned.get(record.partition)
      if (!owner || record.offset < owner.partition.next) continue
      const raw = owner.assembly.add(record)
      if (!raw) this.counters.lost.add(owner.assembly.takeLost())
      else if (!(await this.takeRecord(owner, raw))) return false
    }
    for (const { fetched } of owned.values()) fetched.clear()
    for (const release of this.releases) release()
    this.releases.length = 0
    return true
  }

  private async takeRecord(owned: Owned<Out>, raw: Raw): Promise<boolean> {
    const { partition } = owned
    for (let step = partition.advance(raw); step; step = partition.advance(raw)) {
      if (!(step === CLOSED ? await this.pass() : await this.release(owned, step, 'due', raw.appendTime))) return false
    }
    this.counters.read.add(1)
    if (partition.restoring) this.counters.replayed.add(1)
    partition.take(raw)
    for (let chunk = partition.overflow(); chunk; chunk = partition.overflow())
      if (!(await this.release(owned, chunk, 'evicted', 0))) return false
    owned.lastRecord = this.ports.clock.monotonic()
    if (owned.lastRecord - this.turnStart > TURN_MS) await this.yieldTurn()
    return true
  }

  private async release(owned: Owned<Out>, chunk: Chunk, why: 'due' | 'evicted', appendTime: number): Promise<boolean> {
    const { partition, fetched } = owned
    if (!fetched.has(chunk.offset)) {
      // Not foreseen: appended in this very round, or more came due than one fetch takes. What comes due next is fetched along.
      const next = partition.dueBy(appendTime, FETCH_BYTES).filter(({ offset }) => !fetched.has(offset))
      if (!(await this.fetch([chunk, ...next].map(each => [owned, each])))) return false
    }
    const raw = fetched.get(chunk.offset)
    fetched.delete(chunk.offset)
    if (raw) partition.release(raw, chunk, why)
    else {
      partition.lose(chunk)
      this.counters.lost.add(chunk.items)
    }
    return this.pass()
  }

  /** Lets others have their turn, and outputs in flight go down; false when stopping before they did. */
  private async pass(): Promise<boolean> {
    if (this.ports.clock.monotonic() - this.turnStart > TURN_MS) await this.yieldTurn()
    return this.ports.room()
  }

  /** Everything that comes due while these records are taken, read in one go. */
  private fetchAhead(owned: ReadonlyMap<number, Owned<Out>>, records: readonly Raw[]): Promise<boolean> {
    const until = new Map<number, number>()
    for (const { partition, appendTime } of records) until.set(partition, Math.max(until.get(partition) ?? 0, appendTime))
    const wanted: [Owned<Out>, Chunk][] = []
    for (const [id, appendTime] of until) {
      const owner = owned.get(id)
      if (owner) for (const chunk of owner.partition.dueBy(appendTime, FETCH_BYTES)) wanted.push([owner, chunk])
    }
    return this.fetch(wanted)
  }

  private async fetch(wanted: readonly [Owned<Out>, Chunk][]): Promise<boolean> {
    if (wanted.length === 0) return true
    const found = await this.ports.reread(wanted.map(([{ partition }, { offset, end }]) => ({ partition: partition.id, offset, end })))
    if (!found) return false
    this.releases.push(found.release)
    for (const [at, [{ fetched }, { offset }]] of wanted.entries()) fetched.set(offset, assembled(found.records[at] ?? []))
    return true
  }

  private async yieldTurn(): Promise<void> {
    await new Promise(setImmediate)
    this.turnStart = this.ports.clock.monotonic()
  }
}
