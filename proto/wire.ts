/**
 * The protobuf wire format, read in place and written forward.
 *
 * `Fields` walks one message without decoding it: each step names a field and where its value lies. `Writer` appends fields to one growing
 * buffer. Everything above (views, edits, OTLP services) is made of these two.
 * Source: protobuf.dev/programming-guides/encoding; wire types 0 varint, 1 64-bit, 2 length-delimited, 5 32-bit. Groups (3, 4) are refused:
 * no OTLP message has one.
 */

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

/** A 64-bit value in steps of 7 bits. */
const MAX_VARINT = 10
const NOTHING = new Uint8Array(0)

/** The bytes are not protobuf. `offset` counts from the start of the buffer being read. */
export class WireError extends Error {
  override readonly name = 'WireError'
  constructor(
    what: string,
    readonly offset: number,
  ) {
    super(`malformed protobuf at byte ${offset}: ${what}`)
  }
}

const decoder = new TextDecoder()

/**
 * A cursor over the fields of one message.
 *
 *     const span = new Fields(bytes, start, end)
 *     while (span.next()) if (span.number === SPAN.name) text = span.string()
 *
 * After `next()` returned true, `number` and `type` are the field's, and its value is `bytes[start, end)` (for BYTES without the length).
 * Throws WireError on anything that is not a well-formed field inside the message; never reads outside it, always terminates.
 */
export class Fields {
  number = 0
  type = 0
  /** First byte of the field's tag: `bytes[tagStart, end)` is the whole field, fit to be copied. */
  tagStart = 0
  start = 0
  /** Also where the next field begins. */
  end: number

  constructor(
    public bytes: Uint8Array = NOTHING,
    start = 0,
    private limit = bytes.length,
  ) {
    this.end = start
  }

  /** Points the cursor at another message, so that hot loops need one cursor a level, not one a message. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.end = start
    this.limit = end
    return this
  }

  /** Points this cursor at the message that is `parent`'s current field. */
  enter(parent: Fields): this {
    parent.expect(BYTES)
    return this.reset(parent.bytes, parent.start, parent.end)
  }

  next(): boolean {
    const { bytes, limit } = this
    let at = this.end
    if (at >= limit) return false
    this.tagStart = at
    let tag = bytes[at]!
    if (tag < 0x80) at++
    else {
      tag = varintAt(bytes, at, limit)
      at = afterVarint(bytes, at, limit)
      if (tag > 0xffff_ffff) throw new WireError(`field number ${Math.floor(tag / 8)}`, this.tagStart)
    }
    const type = tag & 7
    this.type = type
    this.number = tag >>> 3
    if (tag < 8) throw new WireError('field number 0', this.tagStart)
    let end: number
    if (type === BYTES) {
      let length = at < limit ? bytes[at]! : 0x80
      if (length < 0x80) at++
      else {
        length = varintAt(bytes, at, limit)
        at = afterVarint(bytes, at, limit)
      }
      end = at + length
    } else if (type === VARINT) end = afterVarint(bytes, at, limit)
    else if (type === FIXED64) end = at + 8
    else if (type === FIXED32) end = at + 4
    else throw new WireError(`wire type ${type}`, this.tagStart)
    if (end > limit) throw new WireError(`field ${this.number} ends outside its message`, this.tagStart)
    this.start = at
    this.end = end
    return true
  }

  /** Throws unless the current field has `type`: a field of a known number with a foreign type is malformed, not unknown. */
  expect(type: number): this {
    if (this.type !== type) throw new WireError(`field ${this.number} has wire type ${this.type}, expected ${type}`, this.tagStart)
    return this
  }

  /** The varint as an unsigned number: exact up to 2^53, rounded above; an int64 below zero comes out as its unsigned reading (see `int`). */
  uint(): number {
    this.expect(VARINT)
    if (this.end - this.start > 7) return Number(BigInt.asUintN(64, this.int64()))
    return varintAt(this.bytes, this.start, this.end)
  }

  /** The varint as a signed 64-bit integer. */
  int64(): bigint {
    this.expect(VARINT)
    return int64At(this.bytes, this.start, this.end)
  }

  /** The varint as a signed number: exact up to ±2^53, rounded beyond. */
  int(): number {
    this.expect(VARINT)
    return intAt(this.bytes, this.start, this.end)
  }

  /** The varint as a zigzag-coded signed number (sint32). */
  zigzag(): number {
    const value = this.uint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** fixed64 as an unsigned 64-bit integer. */
  fixed64(): bigint {
    this.expect(FIXED64)
    return (BigInt(readUint32(this.bytes, this.start + 4)) << 32n) | BigInt(readUint32(this.bytes, this.start))
  }

  /** sfixed64 as a number: exact up to ±2^53, rounded beyond. */
  sfixed64(): number {
    this.expect(FIXED64)
    const high = readUint32(this.bytes, this.start + 4) | 0
    return high * 0x1_0000_0000 + readUint32(this.bytes, this.start)
  }

  /** A `fixed64` of nanoseconds since the epoch, as fractional milliseconds (resolution about 0.25 µs). */
  millis(): number {
    this.expect(FIXED64)
    return nanosToMillis(readUint32(this.bytes, this.start + 4), readUint32(this.bytes, this.start))
  }

  double(): number {
    this.expect(FIXED64)
    return readDouble(this.bytes, this.start)
  }

  fixed32(): number {
    this.expect(FIXED32)
    return readUint32(this.bytes, this.start)
  }

  /** The field's text; invalid UTF-8 is replaced by U+FFFD when read, and untouched when passed on. */
  string(): string {
    this.expect(BYTES)
    return readString(this.bytes, this.start, this.end)
  }

  /** The field's bytes, sharing memory with the message. */
  view(): Uint8Array {
    this.expect(BYTES)
    return this.bytes.subarray(this.start, this.end)
  }
}

/**
 * The varint at `at` as a number: exact up to 2^53, rounded above (which as a tag or a length is too much in any case).
 * Throws WireError when it does not end before `limit` or within 10 bytes.
 */
export const varintAt = (bytes: Uint8Array, at: number, limit: number): number => {
  let value = 0
  let scale = 1
  const last = Math.min(limit, at + MAX_VARINT)
  for (let next = at; next < last; next++) {
    const byte = bytes[next]!
    if (byte < 0x80) return value + byte * scale
    value += (byte & 0x7f) * scale
    scale *= 128
  }
  throw unended(at, limit)
}

/** Where the varint at `at` ends. Throws as `varintAt` does. */
export const afterVarint = (bytes: Uint8Array, at: number, limit: number): number => {
  if (at < limit && bytes[at]! < 0x80) return at + 1
  const last = Math.min(limit, at + MAX_VARINT)
  for (let next = at; next < last; next++) if (bytes[next]! < 0x80) return next + 1
  throw unended(at, limit)
}

const unended = (at: number, limit: number) =>
  new WireError(limit - at < MAX_VARINT ? 'a varint ends outside its message' : `a varint is longer than ${MAX_VARINT} bytes`, at)

/** The int64 varint `bytes[start, end)` as a number: exact up to ±2^53, rounded beyond. */
export const intAt = (bytes: Uint8Array, start: number, end: number): number =>
  end - start > 7 ? Number(int64At(bytes, start, end)) : varintAt(bytes, start, end)

/** The varint `bytes[start, end)` as a signed 64-bit integer. */
export const int64At = (bytes: Uint8Array, start: number, end: number): bigint => {
  let value = 0n
  let shift = 0n
  for (let at = start; at < end; at++) {
    value |= BigInt(bytes[at]! & 0x7f) << shift
    shift += 7n
  }
  return BigInt.asIntN(64, value)
}

export const readUint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

const nanosToMillis = (high: number, low: number): number => (high * 0x1_0000_0000 + low) / 1e6

const scratch = new DataView(new ArrayBuffer(8))
export const readDouble = (bytes: Uint8Array, at: number): number => {
  scratch.setUint32(0, readUint32(bytes, at), true)
  scratch.setUint32(4, readUint32(bytes, at + 4), true)
  return scratch.getFloat64(0, true)
}

export const readString = (bytes: Uint8Array, start: number, end: number): string => {
  const length = end - start
  if (length < 24) {
    let text = ''
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte > 0x7f) return decoder.decode(bytes.subarray(start, end))
      text += String.fromCharCode(byte)
    }
    return text
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('utf8')
}

/** Whether `bytes[start, end)` equals `expected`, byte for byte: how keys are compared without making a string. */
export const equalsAt = (bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean => {
  if (end - start !== expected.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

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

/** Copies shorter than this are quicker byte by byte than by a call to `set`. */
const SHORT = 24

/** Appends fields to one growing buffer. `finish()` hands out what was written; the writer is then empty and owns no part of it. */
export class Writer {
  private buffer: Uint8Array
  private view: DataView
  /** Of each message begun: where its length goes, where its body starts. */
  private readonly open: number[] = []
  length = 0

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity)
    this.view = new DataView(this.buffer.buffer)
  }

  finish(): Uint8Array {
    const written = this.buffer.subarray(0, this.length)
    this.buffer = NOTHING
    this.length = 0
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
    return this.rawVarint(number * 8 + type)
  }

  /** A non-negative integer up to 2^53. Negative int64 values: `int64`. */
  uint(number: number, value: number): this {
    return this.tag(number, VARINT).rawVarint(value)
  }

  int64(number: number, value: bigint): this {
    this.tag(number, VARINT)
    let rest = BigInt.asUintN(64, value)
    this.reserve(10)
    while (rest > 0x7fn) {
      this.buffer[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.buffer[this.length++] = Number(rest)
    return this
  }

  fixed64(number: number, value: bigint): this {
    this.tag(number, FIXED64).reserve(8)
    this.view.setBigUint64(this.length, BigInt.asUintN(64, value), true)
    this.length += 8
    return this
  }

  fixed32(number: number, value: number): this {
    this.tag(number, FIXED32).reserve(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
    return this
  }

  double(number: number, value: number): this {
    this.tag(number, FIXED64).reserve(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
    return this
  }

  bytes(number: number, value: Uint8Array): this {
    return this.header(number, value.length).raw(value)
  }

  string(number: number, value: string): this {
    const length = Buffer.byteLength(value)
    this.header(number, length).reserve(length)
    Buffer.from(this.buffer.buffer, this.buffer.byteOffset, this.buffer.length).write(value, this.length)
    this.length += length
    return this
  }

  /** Tag and length of a BYTES field whose `length` bytes the caller writes next. */
  header(number: number, length: number): this {
    return this.tag(number, BYTES).rawVarint(length)
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
    this.rawVarint(length)
    this.length += length
    return this
  }

  private rawVarint(value: number): this {
    this.reserve(10)
    while (value > 0x7f) {
      this.buffer[this.length++] = (value % 128) | 0x80
      value = Math.floor(value / 128)
    }
    this.buffer[this.length++] = value
    return this
  }

  private reserve(extra: number): void {
    const needed = this.length + extra
    if (needed <= this.buffer.length) return
    const grown = new Uint8Array(Math.max(needed, this.buffer.length * 2, 64))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
    this.view = new DataView(grown.buffer)
  }
}
