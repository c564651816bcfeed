/**
 * A partition's outputs and the checkpoint behind them in one transaction (rule 22): whoever reads what is committed sees each output once. Every
 * partition has a lane of its own, worked off in order. A lane that fails is given up with all that is on it: the driver takes the partition back and
 * hands it out anew at the last checkpoint, from which the same outputs are made again.
 */
import type { Checkpoint, OutputTransaction, Transactions } from '../driver.js'
import type { Clock } from '../ports.js'
import type { Egress, EgressEvents } from './egress.js'

const SLICE_BYTES = 256 * 1024
const SLICE_OUTS = 4096

export interface ExactlyOncePorts<Out> extends EgressEvents {
  readonly clock: Clock
  readonly transactions: Transactions
  size(out: Out): number
  /** Rejects when the outputs cannot be part of the transaction. */
  deliver(outs: readonly Out[], transaction: OutputTransaction): Promise<void>
  /** For partitions that emitted nothing: fenced by the driver like any commit. */
  commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void>
}

type Step<Out> =
  | { readonly kind: 'slice'; readonly outs: readonly Out[]; readonly bytes: number }
  | { readonly kind: 'moment'; readonly checkpoint: Checkpoint }
  /** A commit of many partitions at once, which this one waits for. */
  | { readonly kind: 'wait'; readonly until: Promise<void> }

interface Lane<Out> {
  readonly partition: number
  readonly steps: Step<Out>[]
  outs: Out[]
  bytes: number
  transaction: OutputTransaction | undefined
  working: boolean
  /** Nothing of it leaves any more. */
  over: boolean
}

export class ExactlyOnce<Out> implements Egress<Out> {
  bytes = 0
  lastCommit: number
  private readonly lanes = new Map<number, Lane<Out>>()
  private lastMoment = -Infinity
  /** Commits that are under way or wait for their turn. */
  private moments = 0
  private waiters: (() => void)[] = []
  private closed = false

  constructor(
    private readonly ports: ExactlyOncePorts<Out>,
    private readonly commitInterval: number,
  ) {
    this.lastCommit = ports.clock.monotonic()
  }

  get due(): boolean {
    return this.moments === 0 && this.ports.clock.monotonic() - this.lastMoment >= this.commitInterval
  }

  add(partition: number, out: Out): void {
    const lane = this.lane(partition)
    if (lane.over) return
    const size = this.ports.size(out)
    lane.outs.push(out)
    lane.bytes += size
    this.bytes += size
    if (lane.bytes >= SLICE_BYTES || lane.outs.length >= SLICE_OUTS) this.flushLane(lane)
  }

  flush(): void {
    for (const lane of this.lanes.values()) this.flushLane(lane)
  }

  take(checkpoints: ReadonlyMap<number, Checkpoint>): void {
    this.lastMoment = this.ports.clock.monotonic()
    this.flush()
    const quiet = new Map<number, Checkpoint>()
    for (const [partition, checkpoint] of checkpoints) {
      const lane = this.lane(partition)
      if (lane.over) continue
      if (lane.working || lane.transaction) {
        this.moments++
        this.push(lane, { kind: 'moment', checkpoint })
      } else quiet.set(partition, checkpoint)
    }
    if (quiet.size === 0) return
    // What these emit next waits: an older checkpoint must not be laid over a newer one.
    this.moments++
    const until = this.ports
      .commit(quiet)
      .then(
        () => this.didCommit(),
        error => this.ports.commitFailed(error),
      )
      .finally(() => {
        this.moments--
        this.wake()
      })
    for (const partition of quiet.keys()) this.push(this.lane(partition), { kind: 'wait', until })
  }

  settle(): void {}

  drop(partition: number): void {
    const lane = this.lanes.get(partition)
    this.lanes.delete(partition)
    if (lane) this.end(lane)
  }

  progress(): Promise<void> {
    return this.closed ? Promise.resolve() : new Promise(resolve => this.waiters.push(resolve))
  }

  wake(): void {
    const { waiters } = this
    this.waiters = []
    for (const resolve of waiters) resolve()
  }

  async finish(moment: (() => ReadonlyMap<number, Checkpoint>) | undefined, deadline: AbortSignal): Promise<void> {
    if (moment) this.take(moment())
    while (!this.idle && !deadline.aborted) await this.progress()
  }

  close(): void {
    this.closed = true
    for (const partition of [...this.lanes.keys()]) this.drop(partition)
    this.wake()
  }

  private get idle(): boolean {
    return this.moments === 0 && [...this.lanes.values()].every(({ steps, working }) => !working && steps.length === 0)
  }

  private lane(partition: number): Lane<Out> {
    let lane = this.lanes.get(partition)
    if (!lane) {
      lane = { partition, steps: [], outs: [], bytes: 0, transaction: undefined, working: false, over: false }
      this.lanes.set(partition, lane)
    }
    return lane
  }

  private flushLane(lane: Lane<Out>): void {
    if (lane.outs.length === 0) return
    const { outs, bytes } = lane
    lane.outs = []
    lane.bytes = 0
    this.push(lane, { kind: 'slice', outs, bytes })
  }

  private push(lane: Lane<Out>, step: Step<Out>): void {
    lane.steps.push(step)
    if (!lane.working) void this.work(lane)
  }

  /** Never rejects. */
  private async work(lane: Lane<Out>): Promise<void> {
    lane.working = true
    try {
      for (let step = lane.steps[0]; step && !lane.over; step = lane.steps[0]) {
        await this.do(lane, step)
        if (lane.over) break
        lane.steps.shift()
        if (step.kind === 'slice') this.bytes -= step.bytes
        else if (step.kind === 'moment') this.moments--
        this.wake()
      }
    } catch (error) {
      if (!lane.over) this.failed(lane, error)
    }
    lane.working = false
    this.wake()
  }

  private async do(lane: Lane<Out>, step: Step<Out>): Promise<void> {
    const { transactions, deliver, commit } = this.ports
    switch (step.kind) {
      case 'slice':
        lane.transaction ??= transactions.begin(lane.partition)
        return deliver(step.outs, lane.transaction)
      case 'moment':
        if (lane.transaction) await lane.transaction.commit(step.checkpoint)
        else await commit(new Map([[lane.partition, step.checkpoint]]))
        lane.transaction = undefined
        return this.didCommit()
      case 'wait':
        return step.until
    }
  }

  private didCommit(): void {
    this.lastCommit = this.ports.clock.monotonic()
    this.ports.committed()
  }

  private failed(lane: Lane<Out>, error: unknown): void {
    this.end(lane)
    this.ports.rejected(error)
    this.ports.transactions.restart(lane.partition)
  }

  private end(lane: Lane<Out>): void {
    lane.over = true
    let { bytes } = lane
    for (const step of lane.steps)
      if (step.kind === 'slice') bytes += step.bytes
      else if (step.kind === 'moment') this.moments--
    this.bytes -= bytes
    lane.steps.length = 0
    lane.outs = []
    lane.bytes = 0
    this.wake()
  }
}
