/** A view of one AnyValue, read in place. */
import { ANY_VALUE, KEY_VALUE, VALUE_LIST } from '../fields.js'
import { afterVarint, BYTES, FIXED64, Fields, int64At, intAt, readDouble, readString, VARINT, WireError } from '../wire.js'

/** Which member of the oneof is set, by field number; 0 = the empty value, which is legal. */
export const EMPTY = 0
export const { string: STRING, bool: BOOL, int: INT, double: DOUBLE, array: ARRAY, kvlist: KVLIST, bytes: BYTES_VALUE } = ANY_VALUE

/** Values nested deeper than this are refused when they are read whole. */
export const MAX_DEPTH = 64

/** What an AnyValue is in JavaScript. An integer beyond ±2^53 is a bigint; a list of key and value pairs is a Map, so that no key is special. */
export type Plain = string | boolean | number | bigint | Uint8Array | undefined | Plain[] | Map<string, Plain>

/** By field number: the wire type of a member. */
const WIRE_TYPES: readonly number[] = [-1, BYTES, VARINT, VARINT, FIXED64, BYTES, BYTES, BYTES]
const STRING_TAG = STRING * 8 + BYTES
const INT_TAG = INT * 8 + VARINT

/** A reusable cursor: `read` points it at another value. A value with several members has the last one. */
export class AnyValue {
  kind = EMPTY
  bytes: Uint8Array = new Uint8Array(0)
  /** The member's value is `bytes[start, end)`. */
  start = 0
  end = 0
  private readonly fields = new Fields()

  /** Points the view at the AnyValue whose body is `bytes[start, end)`. Throws WireError. */
  read(bytes: Uint8Array, start: number, end: number): this {
    this.kind = EMPTY
    this.bytes = bytes
    // The two that are read most, in the form every writer uses.
    const tag = end - start > 1 ? bytes[start] : 0
    if (tag === STRING_TAG && bytes[start + 1]! < 0x80 && start + 2 + bytes[start + 1]! === end) {
      this.kind = STRING
      this.start = start + 2
      this.end = end
      return this
    }
    if (tag === INT_TAG && afterVarint(bytes, start + 1, end) === end) {
      this.kind = INT
      this.start = start + 1
      this.end = end
      return this
    }
    this.start = start
    this.end = end
    const fields = this.fields.reset(bytes, start, end)
    while (fields.next()) {
      if (fields.number >= WIRE_TYPES.length) continue
      fields.expect(WIRE_TYPES[fields.number]!)
      this.kind = fields.number
      this.start = fields.start
      this.end = fields.end
    }
    return this
  }

  /** The text of a string value; undefined for every other kind. */
  string(): string | undefined {
    return this.kind === STRING ? readString(this.bytes, this.start, this.end) : undefined
  }

  /** The number of an int (exact up to ±2^53) or a double; undefined for every other kind. */
  number(): number | undefined {
    if (this.kind === INT) return intAt(this.bytes, this.start, this.end)
    return this.kind === DOUBLE ? readDouble(this.bytes, this.start) : undefined
  }

  /** The exact integer of an int value; undefined for every other kind. */
  bigint(): bigint | undefined {
    return this.kind === INT ? int64At(this.bytes, this.start, this.end) : undefined
  }

  boolean(): boolean | undefined {
    return this.kind === BOOL ? int64At(this.bytes, this.start, this.end) !== 0n : undefined
  }

  /** The whole value, decoded and copied. Throws WireError, also when it is nested deeper than MAX_DEPTH. */
  plain(): Plain {
    return plainOf(this, 0)
  }

  /** One line for people: text as it is, everything else as JSON would have it. Throws as `plain` does. */
  text(): string {
    const value = this.plain()
    return typeof value === 'string' ? value : textOf(value)
  }
}

const plainOf = (value: AnyValue, depth: number): Plain => {
  const { kind, bytes, start, end } = value
  if (kind === STRING) return value.string()
  if (kind === BOOL) return value.boolean()
  if (kind === DOUBLE) return value.number()
  if (kind === INT) {
    const exact = int64At(bytes, start, end)
    const rounded = Number(exact)
    return Number.isSafeInteger(rounded) ? rounded : exact
  }
  // A copy, also of a Buffer, whose own `slice` is a view.
  if (kind === BYTES_VALUE) return new Uint8Array(bytes.subarray(start, end))
  if (kind === EMPTY) return undefined
  if (depth === MAX_DEPTH) throw new WireError(`an attribute value is nested deeper than ${MAX_DEPTH}`, start)
  const fields = new Fields(bytes, start, end)
  const inner = new AnyValue()
  if (kind === ARRAY) {
    const list: Plain[] = []
    while (fields.next())
      if (fields.number === VALUE_LIST.values) {
        fields.expect(BYTES)
        list.push(plainOf(inner.read(bytes, fields.start, fields.end), depth + 1))
      }
    return list
  }
  const map = new Map<string, Plain>()
  const pair = new Fields()
  while (fields.next()) {
    if (fields.number !== VALUE_LIST.values) continue
    pair.enter(fields)
    let key = ''
    inner.read(bytes, fields.start, fields.start)
    while (pair.next()) {
      if (pair.number === KEY_VALUE.key) key = pair.string()
      else if (pair.number === KEY_VALUE.value) inner.read(bytes, pair.expect(BYTES).start, pair.end)
    }
    map.set(key, plainOf(inner, depth + 1))
  }
  return map
}

const textOf = (value: Plain): string => {
  if (value === undefined) return ''
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (Array.isArray(value)) return `[${value.map(element => (element === undefined ? 'null' : textOf(element))).join(',')}]`
  if (value instanceof Map)
    return `{${[...value].map(([key, element]) => `${JSON.stringify(key)}:${element === undefined ? 'null' : textOf(element)}`).join(',')}}`
  return String(value)
}
