/** The bound of what one delivery holds unacknowledged: admission in order, and at the bound wait or drop. */
import type { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { Fifo } from './fifo.js'
import type { Shutdown } from './shutdown.js'
import { shuttingDown } from './shutdown.js'
import { type Sizer, sizeOf } from './size.js'

export interface BoundOptions {
  /** Most that is held, counted by `sizer`. */
  readonly capacity: number
  readonly sizer: Sizer
  readonly maxBytes: number
  readonly full: 'block' | 'drop'
}

interface Waiting {
  readonly batch: Batch
  readonly resolve: (done: Promise<void>) => void
  readonly reject: (error: unknown) => void
}

/**
 * A batch larger than the bound is admitted when nothing else is held: it would wait for ever otherwise.
 * A dropped batch is acknowledged; `onDrop` counts it. A refused one is given back unheld.
 */
export class Bound {
  private held = 0
  private heldBytes = 0
  private callers = 0
  private readonly waiting = new Fifo<Waiting>()
  private idle: (() => void)[] = []

  constructor(
    private readonly options: BoundOptions,
    private readonly next: Consume,
    private readonly shutdown: Shutdown,
    private readonly ports: { readonly onDrop: (batch: Batch) => void; readonly onRefuse: (batch: Batch) => void },
  ) {
    shutdown.onExpire(() => {
      for (let one = this.waiting.shift(); one; one = this.waiting.shift()) one.reject(this.refusal(one.batch))
    })
  }

  /** Held now, counted by `sizer`. */
  get size(): number {
    return this.held
  }

  /** Resolves when no caller waits for an answer any more. */
  settled(): Promise<void> {
    return this.callers === 0 ? Promise.resolve() : new Promise(resolve => this.idle.push(resolve))
  }

  readonly consume: Consume = async batch => {
    if (this.shutdown.begun) throw this.refusal(batch)
    this.callers++
    try {
      if (this.waiting.length === 0 && this.fits(batch)) await this.hold(batch)
      else if (this.options.full === 'drop') this.ports.onDrop(batch)
      else await new Promise<void>((resolve, reject) => this.waiting.push({ batch, resolve, reject }))
    } finally {
      this.callers--
      if (this.callers === 0) this.tellIdle()
    }
  }

  private refusal(batch: Batch): Error {
    this.ports.onRefuse(batch)
    return shuttingDown()
  }

  private tellIdle(): void {
    for (const tell of this.idle.splice(0)) tell()
  }

  private fits(batch: Batch): boolean {
    const { capacity, sizer, maxBytes } = this.options
    return this.held === 0 || (this.held + sizeOf(batch, sizer) <= capacity && this.heldBytes + batch.bytes <= maxBytes)
  }

  private async hold(batch: Batch): Promise<void> {
    const size = sizeOf(batch, this.options.sizer)
    this.held += size
    this.heldBytes += batch.bytes
    try {
      await this.next(batch)
    } finally {
      this.held -= size
      this.heldBytes -= batch.bytes
      this.admitWaiting()
    }
  }

  private admitWaiting(): void {
    for (let first = this.waiting.peek(); first && this.fits(first.batch); first = this.waiting.peek()) {
      this.waiting.shift()
      first.resolve(this.hold(first.batch))
    }
  }
}
