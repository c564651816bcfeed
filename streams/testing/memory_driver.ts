/** The test driver: a log in memory that outlives its driver, as a disk would; append times are the clock's, or given. */
import type { Assignment, Checkpoint, Driver, Extent, Outgoing, Polled, Raw, Reread } from '../driver.js'
import type { Clock } from '../ports.js'
import { Refusal } from '../stream.js'

/** What survives a restart. */
export class MemoryLog {
  readonly partitions: Raw[][]
  readonly checkpoints = new Map<number, Checkpoint>()
  /** Freed from the front, by partition. */
  readonly freed: number[]

  constructor(count = 1) {
    this.partitions = Array.from({ length: count }, () => [])
    this.freed = Array.from({ length: count }, () => 0)
  }
}

export interface MemoryDriverOptions {
  /** Records of one poll. */
  readonly round?: number
  /** Thrown by `append` when it returns something. */
  readonly refuse?: () => Error | undefined
}

export class MemoryDriver implements Driver {
  readonly partitions: number
  private readonly positions: number[] = []
  private opened = false
  private woken = false
  private notify = (): void => {}

  constructor(
    private readonly log: MemoryLog,
    private readonly clock: Clock,
    private readonly options: MemoryDriverOptions = {},
  ) {
    this.partitions = log.partitions.length
  }

  async open(): Promise<void> {
    for (let partition = 0; partition < this.partitions; partition++) this.positions[partition] = this.start(partition)
  }

  async append(records: readonly Outgoing[], own = false): Promise<void> {
    const refusal = own ? undefined : this.options.refuse?.()
    if (refusal) throw refusal
    this.appendAt(Math.floor(this.clock.now()), records)
  }

  /** Time turned by appending. */
  appendAt(appendTime: number, records: readonly Outgoing[]): void {
    for (const record of records) {
      const lane = this.log.partitions[record.partition]
      if (!lane) throw new Refusal(`no partition ${record.partition}`, 'unwritable', false)
      const offset = lane.length
      lane.push({
        ...record,
        offset,
        end: offset + 1,
        appendTime,
        key: Buffer.from(record.key).toString(),
        value: Buffer.concat(record.value),
        sender: 0,
      })
    }
    this.notify()
  }

  async poll(): Promise<Polled> {
    if (!this.opened) {
      this.opened = true
      const assigned: Assignment[] = this.log.partitions.map((_, partition) => ({
        partition,
        checkpoint: this.log.checkpoints.get(partition),
        start: this.start(partition),
      }))
      return { assigned, revoked: [], records: [] }
    }
    while (!this.woken && this.readAll()) await new Promise<void>(resolve => (this.notify = resolve))
    this.woken = false
    const records: Raw[] = []
    const most = this.options.round ?? 100
    for (let partition = 0; partition < this.partitions; partition++) {
      const lane = this.log.partitions[partition]!
      const from = this.positions[partition]!
      const taken = lane.slice(from, from + Math.ceil(most / this.partitions))
      this.positions[partition] = from + taken.length
      records.push(...taken)
    }
    return { assigned: [], revoked: [], records }
  }

  wake(): void {
    this.woken = true
    this.notify()
  }

  owns(): boolean {
    return this.opened
  }

  caughtUp(partition: number): boolean {
    return this.opened && this.positions[partition]! >= this.log.partitions[partition]!.length
  }

  keep(): number {
    return 0
  }

  forget(): void {}

  async reread(extents: readonly Extent[]): Promise<Reread> {
    return { records: extents.map(({ partition, offset, end }) => this.log.partitions[partition]!.slice(offset, end)), release() {} }
  }

  async commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void> {
    for (const [partition, checkpoint] of checkpoints) this.log.checkpoints.set(partition, checkpoint)
  }

  async close(): Promise<void> {
    this.wake()
  }

  private start(partition: number): number {
    return Math.max(this.log.checkpoints.get(partition)?.oldest ?? 0, this.log.freed[partition]!)
  }

  private readAll(): boolean {
    return this.log.partitions.every((_, partition) => this.caughtUp(partition))
  }
}
