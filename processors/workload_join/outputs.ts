/** Memory for what leaves the join: many outputs in one stretch, so that few buffers are left to the collector. */

const STRETCH = 256 * 1024

/** A place for one output: `bytes[start, start + size)`, and a view of all of `bytes`. */
export interface Place {
  readonly bytes: Uint8Array
  readonly view: DataView
  readonly start: number
}

/** Gives out memory that is never taken back: an output may be read for as long as somebody holds it. */
export class Outputs {
  private bytes: Uint8Array = new Uint8Array(0)
  private view = new DataView(this.bytes.buffer)
  private used = 0

  place(size: number): Place {
    if (size > STRETCH / 4) return placeIn(memory(size))
    if (this.used + size > this.bytes.length) {
      this.bytes = memory(STRETCH)
      this.view = new DataView(this.bytes.buffer)
      this.used = 0
    }
    const { bytes, view, used: start } = this
    this.used += size
    return { bytes, view, start }
  }

  copy(of: Uint8Array): Uint8Array {
    const { bytes, start } = this.place(of.length)
    bytes.set(of, start)
    return bytes.subarray(start, start + of.length)
  }
}

/** Plain arrays: Buffer's own methods check more than is needed here. */
const memory = (size: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
const placeIn = (bytes: Uint8Array): Place => ({ bytes, view: new DataView(bytes.buffer), start: 0 })
