/** A body on its way in: never above its limit, and never held before its bytes are reserved. */
import type { Admission } from '../admission.js'
import { PermanentError } from '../errors.js'

/** A declared length is believed up to here; beyond, the sender must first have sent as much as is set aside for it. */
const BELIEVED = 1 << 20
/** What a request takes beside its body: streams, headers, promises. Without it a flood of empty requests would weigh nothing. */
const OVERHEAD = 8 << 10

/**
 * Collects one body in one buffer of its own, so that keeping the body keeps nothing else alive.
 * Every method but `release` throws: PermanentError `too_large`, RetryableError `memory_pressure`.
 */
export class Body {
  private buffer: Uint8Array = EMPTY
  private length = 0
  private expected = 0
  private readonly reservations: (() => void)[] = []

  constructor(
    private readonly admission: Pick<Admission, 'reserve'>,
    private readonly limit: number,
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

  /** The bytes so far; after the last `append` they are the caller's. A buffer much too large for them is not kept. */
  take(): Uint8Array {
    const { buffer, length } = this
    this.buffer = EMPTY
    if (length === buffer.length) return buffer
    const view = buffer.subarray(0, length)
    return length < buffer.length * 0.75 ? copyOf(view) : view
  }

  /** Gives the reserved bytes back: once the body is delivered, refused or given up. */
  release(): void {
    this.buffer = EMPTY
    for (const release of this.reservations) release()
    this.reservations.length = 0
  }

  private grow(capacity: number): void {
    if (capacity <= this.buffer.length) return
    this.reservations.push(this.admission.reserve(capacity - this.buffer.length))
    const grown = Buffer.allocUnsafeSlow(capacity)
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
  }
}

const EMPTY = new Uint8Array(0)

const copyOf = (bytes: Uint8Array): Uint8Array => {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

const tooLarge = (limit: number): PermanentError =>
  new PermanentError(`the request is larger than ${limit} bytes, counted after decompression; send smaller batches`, 'too_large')
