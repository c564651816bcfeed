/** A body on its way in: never above its limit, and never held before its bytes are reserved. */
import type { Admission } from '../admission.js'
import type { Buffers } from '../buffers.js'
import { PermanentError } from '../errors.js'

/** A declared length is believed up to here; beyond, the sender must first have sent as much as is set aside for it. */
const BELIEVED = 1 << 20
/** What a request takes beside its body: streams, headers, promises. Without it a flood of empty requests would weigh nothing. */
const OVERHEAD = 8 << 10

/**
 * Collects one body in one buffer, which is used again after `release`: nobody may read it then.
 * Every method but `release` throws: PermanentError `too_large`, RetryableError `memory_pressure`.
 */
export class Body {
  private buffer: Buffer = EMPTY
  private length = 0
  private expected = 0
  private readonly reservations: (() => void)[] = []

  constructor(
    private readonly admission: Pick<Admission, 'reserve'>,
    private readonly limit: number,
    private readonly buffers: Buffers,
  ) {
    this.reservations.push(admission.reserve(OVERHEAD))
  }

  /** Announces how long the body says it will be, so that one allocation does. */
  expect(length: number): void {
    if (length > this.limit) throw tooLarge(this.limit)
    this.expected = length
    this.grow(Math.min(length, BELIEVED))
  }

  append(chunk: Uint8Array): void {
    const length = this.length + chunk.length
    if (length > this.limit) throw tooLarge(this.limit)
    if (length > this.buffer.length)
      this.grow(Math.max(length, Math.min(this.buffer.length * 2, Math.max(length, this.expected), this.limit)))
    this.buffer.set(chunk, this.length)
    this.length = length
  }

  get size(): number {
    return this.length
  }

  /** The bytes, once all are there; good until `release`. A buffer much too large for them is not held for them. */
  take(): Uint8Array {
    const { buffer, length } = this
    if (length < buffer.length * 0.7) {
      this.buffer = this.buffers.take(length)
      this.buffer.set(buffer.subarray(0, length))
      this.buffers.give(buffer)
    }
    return this.buffer.subarray(0, length)
  }

  /** Gives the buffer and the reserved bytes back: once the body is delivered, refused or given up. */
  release(): void {
    if (this.buffer !== EMPTY) this.buffers.give(this.buffer)
    this.buffer = EMPTY
    this.length = 0
    for (const release of this.reservations) release()
    this.reservations.length = 0
  }

  private grow(capacity: number): void {
    const { buffer } = this
    if (capacity <= buffer.length) return
    this.reservations.push(this.admission.reserve(capacity - buffer.length))
    this.buffer = this.buffers.take(capacity)
    this.buffer.set(buffer.subarray(0, this.length))
    if (buffer !== EMPTY) this.buffers.give(buffer)
  }
}

const EMPTY = Buffer.alloc(0)

const tooLarge = (limit: number): PermanentError =>
  new PermanentError(`the request is larger than ${limit} bytes, counted after decompression; send smaller batches`, 'too_large')
