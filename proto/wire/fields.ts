/** One message, read field by field. */
import {
  afterVarint,
  BYTES,
  FIXED32,
  FIXED64,
  int64At,
  intAt,
  readBigUint64,
  readDouble,
  readMillis,
  readString,
  readUint32,
  VARINT,
  varintAt,
  WireError,
} from './values.js'

const NOTHING = new Uint8Array(0)

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
    /** Where the message ends. */
    public limit = bytes.length,
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
    return readBigUint64(this.bytes, this.start)
  }

  /** sfixed64 as a number: exact up to ±2^53, rounded beyond. */
  sfixed64(): number {
    this.expect(FIXED64)
    const high = readUint32(this.bytes, this.start + 4) | 0
    return high * 0x1_0000_0000 + readUint32(this.bytes, this.start)
  }

  /** A `fixed64` of nanoseconds since the epoch, as fractional milliseconds. */
  millis(): number {
    this.expect(FIXED64)
    return readMillis(this.bytes, this.start)
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
