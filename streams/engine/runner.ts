/** Runs a task: polls the driver, walks records through their partitions, hands outputs on, ticks quiet partitions, commits moments. */
import { type Assignment, type Checkpoint, type Driver, type Polled, ReadingEnded } from '../driver.js'
import type { Ports } from '../ports.js'
import type { Running, Task } from '../stream.js'
import { AtLeastOnce } from './at_least_once.js'
import type { Egress } from './egress.js'
import { ExactlyOnce } from './exactly_once.js'
import { type StreamCounters, watchState } from './metrics.js'
import { OwnRecords } from './own_records.js'
import { type Budget, Partition } from './partition.js'
import { Assembly } from './parts.js'
import { type Owned, Round } from './round.js'

export interface RunnerOptions {
  readonly stream: string
  readonly tick: number
  readonly commitInterval: number
  readonly maxInFlightBytes: number
}

const RETRY_MS = 1000

export class Runner<Out> implements Running {
  private readonly owned = new Map<number, Owned<Out>>()
  private readonly egress: Egress<Out>
  private readonly budget: Budget
  /** The life of the task; another one with each takeover, so that totals begin anew where another owner may have gone on with them. */
  private epoch = 0
  private readonly round: Round<Out>
  private readonly ownRecords: OwnRecords
  private loop: Promise<void> = Promise.resolve()
  private cancelTimer = (): void => {}
  /** Reading has ended, by a bug of ours or by what the driver says: what is appended from now on would only be read after a restart. */
  failed = false
  private stopping = false
  private deadline: AbortSignal | undefined
  /** Inside a round: partitions may stand in the middle of a record. */
  private busy = false
  private paused = false
  private wasRestoring = false
  /** Records were taken since the last moment. */
  private moved = false

  constructor(
    private readonly driver: Driver,
    private readonly task: Task<Out>,
    private readonly options: RunnerOptions,
    private readonly ports: Ports,
    private readonly counters: StreamCounters,
  ) {
    const { clock } = ports
    this.budget = { used: 0, chunks: 0, max: task.maxHeld }
    this.egress = this.makeEgress()
    this.round = new Round(
      {
        clock,
        reread: extents => this.persistently('read waiting chunks again', () => driver.reread(extents)),
        room: async () => {
          while (await this.waitForRoom()) if (this.deadline?.aborted) return false
          return true
        },
      },
      counters,
    )
    this.ownRecords = new OwnRecords(driver, { ...ports, tick: options.tick, windowing: task.windowing }, counters)
    watchState(ports.meter, options.stream, {
      watermarkLagSeconds: () => this.watermarkLag() / 1000,
      heldBytes: () => this.budget.used,
      heldChunks: () => this.budget.chunks,
      stateBytes: () => this.sum(({ partition }) => partition.stateBytes),
      inFlightBytes: () => this.egress.bytes,
      restoring: () => (this.restoring ? 1 : 0),
      reading: () => (this.failed || this.stopping ? 0 : 1),
      checkpointAgeSeconds: () => (clock.monotonic() - this.egress.lastCommit) / 1000,
    })
  }

  start(): void {
    this.loop = this.read().catch(error => {
      // Nothing more is emitted or committed; a restart continues at the last checkpoint.
      this.busy = true
      this.failed = true
      const { stream } = this.options
      if (error instanceof ReadingEnded)
        this.ports.log.error('the stream is not read any more, and takes nothing more until the gateway is restarted', {
          stream,
          error: error.message,
        })
      else
        this.ports.log.error('the stream stopped reading, a bug of the gateway: it takes nothing more until it is restarted', {
          stream,
          error: error instanceof Error ? error.stack : String(error),
        })
      this.task.broken?.()
    })
    this.armTimer()
  }

  async stop(deadline: AbortSignal): Promise<void> {
    if (this.stopping) {
      await this.loop
      return
    }
    this.stopping = true
    this.deadline = deadline
    this.cancelTimer()
    const nudge = (): void => this.egress.wake()
    deadline.addEventListener('abort', nudge)
    this.egress.wake()
    this.driver.wake()
    await this.loop
    await this.egress.finish(this.busy ? undefined : () => this.moments(), deadline)
    deadline.removeEventListener('abort', nudge)
    this.egress.close()
    for (const { partition } of this.owned.values()) partition.dispose()
    this.owned.clear()
  }

  private get restoring(): boolean {
    for (const { partition } of this.owned.values()) if (partition.restoring && !this.driver.caughtUp(partition.id)) return true
    return false
  }

  private watermarkLag(): number {
    let lag = 0
    for (const { partition } of this.owned.values())
      if (partition.streamTime > 0) lag = Math.max(lag, this.ports.clock.now() - partition.watermark)
    return lag
  }

  private sum(of: (owned: Owned<Out>) => number): number {
    let total = 0
    for (const owned of this.owned.values()) total += of(owned)
    return total
  }

  private async read(): Promise<void> {
    while (!this.stopping) {
      if (await this.waitForRoom()) continue
      const polled = await this.persistently('read the log', () => this.driver.poll())
      if (!polled) return
      this.assign(polled)
      if (polled.records.length > 0) {
        this.busy = true
        // Stopped in the middle of a record: no moment can be taken any more.
        if (!(await this.round.take(this.owned, polled.records))) return
        this.busy = false
        this.moved = true
      }
      const { restoring } = this
      if (this.wasRestoring && !restoring) this.ports.log.info('state is restored', { stream: this.options.stream })
      this.wasRestoring = restoring
      this.egress.flush()
      this.ownRecords.askForSettings(this.owned.values())
      this.takeMomentIfDue()
    }
  }

  /** True when outputs in flight were over their bound, after some progress (rule 25). */
  private async waitForRoom(): Promise<boolean> {
    if (this.egress.bytes <= this.options.maxInFlightBytes) return false
    this.egress.flush()
    this.paused = true
    await this.egress.progress()
    this.paused = false
    return true
  }

  /** Repeats `work` until it succeeds or never will; undefined when stopping. */
  private async persistently<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    while (!this.stopping) {
      try {
        return await work()
      } catch (error) {
        if (error instanceof ReadingEnded) throw error
        this.ports.log.error(`cannot ${what}; it is tried again`, { stream: this.options.stream, error: String(error) })
        await new Promise<void>(resolve => this.ports.clock.after(RETRY_MS, resolve))
      }
    }
    return undefined
  }

  private assign({ assigned, revoked }: Polled): void {
    for (const partition of revoked) {
      this.owned.get(partition)?.partition.dispose()
      this.owned.delete(partition)
      this.egress.drop(partition)
    }
    for (const assignment of assigned) this.takeOver(assignment)
    if (assigned.length > 0) {
      this.moved = true
      this.epoch = Math.max(Math.floor(this.ports.clock.now()), this.epoch + 1)
      // A partition without a checkpoint gets one before anything is emitted, so that a restart knows the settings it began with.
      if (assigned.some(({ checkpoint }) => !checkpoint)) this.takeMoment()
    }
  }

  private takeOver({ partition: id, checkpoint, start }: Assignment): void {
    const { task, counters, ports, options } = this
    if (checkpoint && start > checkpoint.oldest)
      ports.log.warn('the log begins after the checkpoint: state is rebuilt from less, coverage of the next windows is lower', {
        stream: options.stream,
        partition: id,
        missing: start - checkpoint.oldest,
      })
    const partition = new Partition<Out>(
      { partition: id, offset: start, checkpoint, windowing: task.windowing },
      (number, windowing) => task.handler(number, windowing),
      {
        emit: out => this.egress.add(id, out),
        duplicate: (kind, items) => {
          counters.duplicates.add(items)
          task.duplicate?.(kind, items)
        },
        evicted: items => counters.evicted.add(items),
        failed: (error, items) => {
          counters.failed.add(items)
          ports.log.error('a record or window could not be processed', {
            stream: options.stream,
            partition: id,
            error: error instanceof Error ? error.stack : String(error),
          })
        },
      },
      this.budget,
      this.driver,
    )
    this.owned.set(id, {
      partition,
      assembly: new Assembly(),
      fetched: new Map(),
      lastRecord: ports.clock.monotonic(),
      settingsAsked: false,
    })
  }

  private makeEgress(): Egress<Out> {
    const { driver, task, options, ports, counters } = this
    const { transactions } = driver
    const common = {
      clock: ports.clock,
      size: (out: Out) => task.size(out),
      commit: (checkpoints: ReadonlyMap<number, Checkpoint>) => driver.commit(checkpoints),
      committed: () => counters.checkpoints.add(1),
      commitFailed: (error: unknown) => {
        counters.checkpointErrors.add(1)
        ports.log.error('checkpoint not committed; it is tried again', { stream: options.stream, error: String(error) })
      },
    }
    if (!transactions)
      return new AtLeastOnce(
        {
          ...common,
          deliver: outs => task.deliver(outs, String(this.epoch)),
          rejected: error => {
            counters.redeliveries.add(1)
            ports.log.debug('outputs were not taken and are handed over again', { error: String(error) })
          },
        },
        options.commitInterval,
      )
    return new ExactlyOnce(
      {
        ...common,
        transactions,
        deliver: (outs, transaction) => task.deliver(outs, String(this.epoch), transaction),
        rejected: error => {
          counters.redeliveries.add(1)
          ports.log.warn('a transaction failed; its partition begins again at the last checkpoint', {
            stream: options.stream,
            error: String(error),
          })
        },
      },
      options.commitInterval,
    )
  }

  private takeMomentIfDue(): void {
    if (this.moved && !this.busy && this.egress.due) this.takeMoment()
    else this.egress.settle()
  }

  private takeMoment(): void {
    this.moved = false
    this.egress.take(this.moments())
  }

  /** Partitions that still restore keep the checkpoint they have. */
  private moments(): ReadonlyMap<number, Checkpoint> {
    const moments = new Map<number, Checkpoint>()
    for (const [id, { partition }] of this.owned) if (!partition.restoring) moments.set(id, partition.checkpoint())
    return moments
  }

  private armTimer(): void {
    this.cancelTimer = this.ports.clock.after(this.options.tick / 4, () => {
      if (this.stopping) return
      if (!this.busy) {
        if (!this.paused) this.ownRecords.tick(this.owned.values())
        this.takeMomentIfDue()
      }
      this.armTimer()
    })
  }
}
