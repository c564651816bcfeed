/** Outputs go down until they are acknowledged, then a checkpoint says so: a crash in between sends them again (rule 22). */
import type { Checkpoint } from '../driver.js'
import type { Clock } from '../ports.js'
import { Checkpoints } from './checkpoints.js'
import type { Egress, EgressEvents } from './egress.js'
import { Outbox } from './outbox.js'

export interface AtLeastOncePorts<Out> extends EgressEvents {
  readonly clock: Clock
  size(out: Out): number
  deliver(outs: readonly Out[]): Promise<void>
  commit(checkpoints: ReadonlyMap<number, Checkpoint>): Promise<void>
}

export class AtLeastOnce<Out> implements Egress<Out> {
  private readonly outbox: Outbox<Out>
  private readonly checkpoints: Checkpoints

  constructor({ clock, size, deliver, commit, committed, commitFailed, rejected }: AtLeastOncePorts<Out>, commitInterval: number) {
    this.outbox = new Outbox(size, deliver, clock, { acknowledged: () => this.checkpoints.settle(), rejected })
    this.checkpoints = new Checkpoints(
      { clock, settled: position => this.outbox.settled(position), commit, committed, failed: commitFailed },
      commitInterval,
    )
  }

  get bytes(): number {
    return this.outbox.bytes
  }

  get lastCommit(): number {
    return this.checkpoints.lastCommit
  }

  get due(): boolean {
    return this.checkpoints.due
  }

  add(_partition: number, out: Out): void {
    this.outbox.add(out)
  }

  flush(): void {
    this.outbox.flush()
  }

  take(checkpoints: ReadonlyMap<number, Checkpoint>): void {
    this.outbox.flush()
    this.checkpoints.take(this.outbox.position, checkpoints)
  }

  settle(): void {
    this.checkpoints.settle()
  }

  drop(partition: number): void {
    this.checkpoints.drop(partition)
  }

  progress(): Promise<void> {
    return this.outbox.progress()
  }

  wake(): void {
    this.outbox.wake()
  }

  async finish(moment: (() => ReadonlyMap<number, Checkpoint>) | undefined, deadline: AbortSignal): Promise<void> {
    const { outbox, checkpoints } = this
    outbox.flush()
    const last = outbox.position
    while (!outbox.settled(last) && !deadline.aborted) await outbox.progress()
    await checkpoints.idle()
    if (outbox.settled(last) && moment) this.take(moment())
    checkpoints.settle()
    await checkpoints.idle()
  }

  close(): void {
    this.outbox.close()
  }
}
