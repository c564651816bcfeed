/** Messages, written forward. */
import { BYTES, FIXED32, FIXED64, VARINT } from './values.js'

const NOTHING = new Uint8Array(0)

/** Bytes that `value` (0 to 2^53) takes as a varint. */
export const sizeOfVarint = (value: number): number => {
  let size = 1
  while (value > 0x7f) {
    value = Math.floor(value / 128)
    size++
  }
  return size
}

/** Bytes of tag and length before a BYTES field of `length` bytes. */
export const sizeOfHeader = (number: number, length: number): number => sizeOfVarint(number * 8 + BYTES) + sizeOfVarint(length)

/** What is shorter than this is quicker written byte by byte than by a call. */
const SHORT = 40

/** Large pieces are not filled with zeros first: only what was written is ever handed out. */
const memory = (size: number): Uint8Array => (size < 4096 ? new Uint8Array(size) : new Uint8Array(Buffer.allocUnsafeSlow(size).buffer))

/** Appends fields to one growing buffer. `finish()` hands out what was written; the writer is then empty and owns no part of it. */
export class Writer {
  private buffer: Uint8Array
  private view: DataView
  /** The buffer as Node's Buffer, made when first needed. */
  private text: Buffer | undefined
  /** Of each message begun: where its length goes, where its body starts. */
  private readonly open: number[] = []
  length = 0

  constructor(capacity = 256) {
    this.buffer = memory(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  finish(): Uint8Array {
    const written = this.buffer.subarray(0, this.length)
    this.buffer = NOTHING
    this.text = undefined
    this.length = 0
    return written
  }

  /** What was written, as bytes of their own; the writer is then empty and keeps its memory: for many small pieces that last. */
  copy(): Buffer {
    const written = Buffer.from(this.buffer.subarray(0, this.length))
    this.clear()
    return written
  }

  /** Forgets what was written, and keeps the memory. */
  clear(): this {
    this.length = 0
    this.open.length = 0
    return this
  }

  /** What another writer holds so far. */
  rawFrom(other: Writer): this {
    return this.raw(other.buffer, 0, other.length)
  }

  /** Bytes as they are: a field copied whole, or several. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): this {
    const length = end - start
    this.reserve(length)
    if (length < SHORT) for (let i = 0; i < length; i++) this.buffer[this.length + i] = bytes[start + i]!
    else this.buffer.set(length === bytes.length ? bytes : bytes.subarray(start, end), this.length)
    this.length += length
    return this
  }

  tag(number: number, type: number): this {
    return this.varintValue(number * 8 + type)
  }

  /** A non-negative integer up to 2^53. Negative int64 values: `int64`. */
  uint(number: number, value: number): this {
    return this.tag(number, VARINT).varintValue(value)
  }

  int64(number: number, value: bigint): this {
    return this.tag(number, VARINT).int64Value(value)
  }

  fixed64(number: number, value: bigint): this {
    return this.tag(number, FIXED64).fixed64Value(value)
  }

  fixed32(number: number, value: number): this {
    return this.tag(number, FIXED32).fixed32Value(value)
  }

  double(number: number, value: number): this {
    return this.tag(number, FIXED64).doubleValue(value)
  }

  /** A fixed64 of a whole number from 0 to 2^53, without the detour by a bigint. */
  count(number: number, value: number): this {
    return this.tag(number, FIXED64).countValue(value)
  }

  /** A fixed64 of nanoseconds since the epoch, from milliseconds; what `Fields.millis` reads. */
  millis(number: number, milliseconds: number): this {
    this.tag(number, FIXED64).reserve(8)
    // Nanoseconds need 61 bits: whole milliseconds are taken apart so that each product is exact. What is left over is found by subtraction:
    // `%` is slow for numbers that are no small integers.
    const whole = Math.floor(milliseconds)
    const nanos = Math.round((milliseconds - whole) * 1e6)
    const blocks = Math.floor(whole / 0x20_0000)
    const high = Math.floor((blocks * 1e6) / 0x800)
    const low = (whole - blocks * 0x20_0000) * 1e6 + nanos + (blocks * 1e6 - high * 0x800) * 0x20_0000
    this.view.setUint32(this.length, low >>> 0, true)
    this.view.setUint32(this.length + 4, high + Math.floor(low / 0x1_0000_0000), true)
    this.length += 8
    return this
  }

  bytes(number: number, value: Uint8Array): this {
    return this.tag(number, BYTES).bytesValue(value)
  }

  string(number: number, value: string): this {
    return this.tag(number, BYTES).stringValue(value)
  }

  /** Tag and length of a BYTES field whose `length` bytes the caller writes next. */
  header(number: number, length: number): this {
    return this.tag(number, BYTES).varintValue(length)
  }

  /** A nested message written by `body`; its length is filled in afterwards. */
  message(number: number, body: (writer: this) => void): this {
    this.begin(number)
    body(this)
    return this.end()
  }

  /** Begins a nested message of about `likelyLength` bytes; what follows lies in it until `end`. Right guesses save a move of the body. */
  begin(number: number, likelyLength = 0): this {
    this.tag(number, BYTES)
    const size = sizeOfVarint(likelyLength)
    this.reserve(size)
    this.open.push(this.length, this.length + size)
    this.length += size
    return this
  }

  /** Ends the message begun last. */
  end(): this {
    const bodyAt = this.open.pop()
    const lengthAt = this.open.pop()
    if (bodyAt === undefined || lengthAt === undefined) throw new RangeError('no message was begun')
    const length = this.length - bodyAt
    const size = sizeOfVarint(length)
    if (lengthAt + size !== bodyAt) {
      this.reserve(size)
      this.buffer.copyWithin(lengthAt + size, bodyAt, this.length)
    }
    this.length = lengthAt
    this.varintValue(length)
    this.length += length
    return this
  }

  /** Values without a tag, for packed fields and for who writes the tag first. */
  varintValue(value: number): this {
    this.reserve(10)
    while (value > 0x7f) {
      this.buffer[this.length++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    this.buffer[this.length++] = value
    return this
  }

  int64Value(value: bigint): this {
    if (value >= 0n && value <= 0xffff_ffffn) return this.varintValue(Number(value))
    let rest = BigInt.asUintN(64, value)
    this.reserve(10)
    while (rest > 0x7fn) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.length++] = Number(rest)
    return this
  }

  fixed64Value(value: bigint): this {
    this.reserve(8)
    this.view.setBigUint64(this.length, BigInt.asUintN(64, value), true)
    this.length += 8
    return this
  }

  fixed32Value(value: number): this {
    this.reserve(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
    return this
  }

  doubleValue(value: number): this {
    this.reserve(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
    return this
  }

  /** A fixed64 as `count` takes it. */
  countValue(value: number): this {
    this.reserve(8)
    this.view.setUint32(this.length, value >>> 0, true)
    this.view.setUint32(this.length + 4, Math.floor(value / 0x1_0000_0000), true)
    this.length += 8
    return this
  }

  /** A packed field of doubles. */
  doubles(number: number, values: ArrayLike<number>): this {
    this.header(number, values.length * 8).reserve(values.length * 8)
    for (let i = 0; i < values.length; i++) this.view.setFloat64(this.length + i * 8, values[i]!, true)
    this.length += values.length * 8
    return this
  }

  bytesValue(value: Uint8Array): this {
    return this.varintValue(value.length).raw(value)
  }

  stringValue(value: string): this {
    if (value.length < SHORT && this.asciiValue(value)) return this
    const length = Buffer.byteLength(value)
    this.varintValue(length).reserve(length)
    this.text ??= Buffer.from(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length)
    this.text.write(value, this.length)
    this.length += length
    return this
  }

  /** Short ASCII text with its length; false, and nothing written, when there is another character. */
  private asciiValue(value: string): boolean {
    const { length } = value
    this.reserve(length + 1)
    const { buffer } = this
    const start = this.length + 1
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      buffer[start + i] = code
    }
    buffer[start - 1] = length
    this.length = start + length
    return true
  }

  private reserve(extra: number): void {
    const needed = this.length + extra
    if (needed <= this.buffer.length) return
    const grown = memory(Math.max(needed, this.buffer.length * 2, 64))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
    this.view = new DataView(grown.buffer)
    this.text = undefined
  }
}
