/** The bound of what one delivery holds unacknowledged: admission in order, and at the bound wait or drop. */
import type { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { Fifo } from './fifo.js'
import { type Shutdown, shuttingDown } from './shutdown.js'
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
 * A dropped batch is acknowledged; `onDrop` counts it. `onRefuse` learns of one that was never held when the shutdown's deadline came.
 */
export class Bound {
  private held = 0
  private heldBytes = 0
  private readonly waiting = new Fifo<Waiting>()

  constructor(
    private readonly options: BoundOptions,
    private readonly next: Consume,
    shutdown: Shutdown,
    private readonly ports: { readonly onDrop: (batch: Batch) => void; readonly onRefuse: (batch: Batch) => void },
  ) {
    shutdown.onExpire(() => {
      for (let one = this.waiting.shift(); one; one = this.waiting.shift()) {
        ports.onRefuse(one.batch)
        one.reject(shuttingDown())
      }
    })
  }

  /** Held now, counted by `sizer`. */
  get size(): number {
    return this.held
  }

  readonly consume: Consume = batch => {
    if (this.waiting.length === 0 && this.fits(batch)) return this.hold(batch)
    if (this.options.full === 'block') return new Promise<void>((resolve, reject) => this.waiting.push({ batch, resolve, reject }))
    this.ports.onDrop(batch)
    return Promise.resolve()
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
