/** What leaves the join, and the memory it lies in: many outputs share a stretch, which is used again when the last of them was delivered. */
import type { Batch } from '../../proto/batch.js'
import type { Buffers } from '../../runtime/buffers.js'

const STRETCH = 1 << 20

class Stretch {
  readonly bytes: Uint8Array
  readonly view: DataView
  used = 0
  /** Outputs that lie in it and are not yet delivered. */
  outputs = 0

  constructor(readonly buffer: Buffer) {
    // A plain array: Buffer's own methods check more than is needed here.
    this.bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length)
  }
}

/** A place for bytes: `bytes[start, start + size)`, and a view of all of `bytes`. */
export interface Place {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly start: number
}

export interface Output {
  readonly batch: Batch
  readonly stretches: readonly Stretch[]
}

export class Outputs {
  private current: Stretch | undefined
  /** Stretches that hold parts of the output being made. */
  private touched: Stretch[] = []

  constructor(private readonly buffers: Buffers) {}

  /** Room for `size` bytes of the output being made. */
  place(size: number): Place {
    let stretch = this.current
    if (!stretch || stretch.used + size > stretch.bytes.length) {
      this.current = undefined
      if (stretch) this.settle(stretch)
      stretch = new Stretch(this.buffers.take(Math.max(size, STRETCH)))
      this.current = stretch
    }
    if (this.touched.at(-1) !== stretch) {
      this.touched.push(stretch)
      stretch.outputs++
    }
    const { bytes, view, used: start } = stretch
    stretch.used += size
    return { bytes, view, start }
  }

  copy(of: Uint8Array): Uint8Array {
    const { bytes, start } = this.place(of.length)
    bytes.set(of, start)
    return bytes.subarray(start, start + of.length)
  }

  /** The output is made: everything placed since the one before belongs to it. */
  finish(batch: Batch): Output {
    const stretches = this.touched
    this.touched = []
    return { batch, stretches }
  }

  /** It was delivered: nobody reads its bytes any more. */
  done({ stretches }: Output): void {
    for (const stretch of stretches) {
      stretch.outputs--
      this.settle(stretch)
    }
  }

  private settle(stretch: Stretch): void {
    if (stretch.outputs === 0 && stretch !== this.current) this.buffers.give(stretch.buffer)
  }
}
