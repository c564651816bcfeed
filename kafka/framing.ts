/**
 * Answers of a broker as they lie on the wire, each with its length before it, read straight into the memory they stay in: Node's streams would make a
 * buffer of 64 KiB for every read, and kafkajs one more of them together.
 */
import { frames } from './frames.js'

const LENGTH_BYTES = 4
const HEAD_BYTES = 64 * 1024
/** Far above what is asked for: a longer one is no answer of a broker. */
const MOST_BYTES = 256 * 1024 * 1024

export class Framing {
  /** Where an answer begins: small ones end here too. */
  private readonly head = Buffer.allocUnsafeSlow(HEAD_BYTES)
  private headBytes = 0
  /** One that is larger than what was read of it so far. */
  private frame: Buffer | undefined
  private frameBytes = 0

  constructor(private readonly take: (answer: Buffer) => void) {}

  /** Bytes that were read elsewhere. An answer that comes alone and whole stays where it is. */
  push(bytes: Buffer): void {
    if (!this.frame && this.headBytes === 0 && bytes.length >= LENGTH_BYTES && bytes.length === LENGTH_BYTES + bytes.readInt32BE(0)) {
      this.take(bytes)
      return
    }
    for (let at = 0; at < bytes.length; ) {
      const read = bytes.copy(this.room, 0, at)
      at += read
      this.filled(read)
    }
  }

  /** Where the next read goes. */
  get room(): Buffer {
    return this.frame ? this.frame.subarray(this.frameBytes) : this.head.subarray(this.headBytes)
  }

  /** So many bytes were read into `room`. Throws when they cannot be an answer. */
  filled(bytes: number): void {
    if (this.frame) {
      this.frameBytes += bytes
      if (this.frameBytes < this.frame.length) return
      const whole = this.frame
      this.frame = undefined
      this.take(whole)
      return
    }
    const end = this.headBytes + bytes
    this.headBytes = 0
    let at = 0
    while (end - at >= LENGTH_BYTES) {
      const length = this.head.readInt32BE(at)
      if (length < 0 || length > MOST_BYTES) throw new Error(`an answer of ${length} bytes: this is no Kafka broker`)
      const whole = frames.take(LENGTH_BYTES + length)
      const there = this.head.copy(whole, 0, at, Math.min(end, at + whole.length))
      at += there
      if (there === whole.length) this.take(whole)
      else {
        this.frame = whole
        this.frameBytes = there
        return
      }
    }
    this.head.copyWithin(0, at, end)
    this.headBytes = end - at
  }
}
