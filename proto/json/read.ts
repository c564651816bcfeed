/** From OTLP/JSON to protobuf. Unknown keys are ignored and null is absent, as the specification has it. */
import { MAX_DEPTH } from '../views/any-value.js'
import { BYTES, Writer } from '../wire.js'
import { AnyValue, type Field, type Message } from './messages.js'

/** The text is no OTLP/JSON. `path` names the place: `resourceSpans[0].scopeSpans[0].spans[3].traceId`. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  constructor(
    what: string,
    readonly path: string,
  ) {
    super(path === '' ? `malformed OTLP/JSON: ${what}` : `malformed OTLP/JSON at ${path}: ${what}`)
  }
}

type Path = readonly (string | number)[]

/** A cursor over the parsed text: where it is, how deep in values, and where it writes. */
interface Reader {
  readonly out: Writer
  readonly path: (string | number)[]
  depth: number
}

/** The parsed `value` as the body of a message. Throws JsonError. */
export const readMessage = (message: Message, value: unknown): Uint8Array => {
  const reader: Reader = { out: new Writer(4096), path: [], depth: 0 }
  readBody(reader, message, value)
  return reader.out.finish()
}

const readBody = (reader: Reader, message: Message, value: unknown): void => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refusal(reader.path, 'an object', value)
  if (message === AnyValue && ++reader.depth > MAX_DEPTH + 1)
    throw new JsonError(`an attribute value is nested deeper than ${MAX_DEPTH}`, pathText(reader.path))
  let set: { oneof: string; key: string } | undefined
  for (const key of Object.keys(value)) {
    const field = message.byKey.get(key)
    const member = (value as Record<string, unknown>)[key]
    if (!field || member === null || member === undefined) continue
    reader.path.push(key)
    if (field.oneof) {
      if (set?.oneof === field.oneof) throw new JsonError(`only one of ${set.key} and ${key} may be set`, pathText(reader.path))
      set = { oneof: field.oneof, key }
    }
    readField(reader, field, member)
    reader.path.pop()
  }
  if (message === AnyValue) reader.depth--
}

const readField = (reader: Reader, field: Field, value: unknown): void => {
  if (!field.repeated) {
    readOne(reader, field, value)
    return
  }
  if (!Array.isArray(value)) throw refusal(reader.path, 'a list', value)
  const packed = field.wireType !== BYTES && value.length > 0
  if (packed) reader.out.begin(field.number, value.length * 8)
  for (let index = 0; index < value.length; index++) {
    reader.path.push(index)
    if (packed) readScalar(reader, field, value[index])
    else readOne(reader, field, value[index])
    reader.path.pop()
  }
  if (packed) reader.out.end()
}

const readOne = (reader: Reader, field: Field, value: unknown): void => {
  const { out } = reader
  if (field.message) {
    out.begin(field.number, LIKELY_LENGTH)
    readBody(reader, field.message, value)
    out.end()
    return
  }
  out.tag(field.number, field.wireType)
  readScalar(reader, field, value)
}

/** Most messages have bodies whose length takes one byte. */
const LIKELY_LENGTH = 100

/** Writes the value without its tag. */
const readScalar = ({ out, path }: Reader, field: Field, value: unknown): void => {
  switch (field.kind) {
    case 'string':
      if (typeof value !== 'string') throw refusal(path, 'a string', value)
      out.stringValue(value)
      return
    case 'traceId':
      out.bytesValue(idOf(path, value, 16))
      return
    case 'spanId':
      out.bytesValue(idOf(path, value, 8))
      return
    case 'bytes':
      out.bytesValue(base64Of(path, value))
      return
    case 'bool':
      if (typeof value !== 'boolean') throw refusal(path, 'true or false', value)
      out.varintValue(value ? 1 : 0)
      return
    case 'double':
      out.doubleValue(doubleOf(path, value))
      return
    case 'int64':
      out.int64Value(integerOf(path, value, INT64))
      return
    case 'uint64':
      out.int64Value(integerOf(path, value, UINT64))
      return
    case 'fixed64':
      out.fixed64Value(integerOf(path, value, UINT64))
      return
    case 'sfixed64':
      out.fixed64Value(integerOf(path, value, INT64))
      return
    case 'fixed32':
      out.fixed32Value(Number(integerOf(path, value, UINT32)))
      return
    case 'uint32':
      out.varintValue(Number(integerOf(path, value, UINT32)))
      return
    case 'sint32': {
      const signed = Number(integerOf(path, value, INT32))
      out.varintValue(((signed << 1) ^ (signed >> 31)) >>> 0)
      return
    }
    case 'enum': {
      const number = typeof value === 'string' ? field.names?.get(value) : undefined
      out.int64Value(number === undefined ? integerOf(path, value, INT32) : BigInt(number))
      return
    }
    case 'message':
      throw new TypeError(`${field.key} is a message`)
  }
}

interface Range {
  readonly name: string
  readonly min: bigint
  readonly max: bigint
}
const signed = (bits: bigint): Range => ({ name: `a signed ${bits}-bit integer`, min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n })
const unsigned = (bits: bigint): Range => ({ name: `an unsigned ${bits}-bit integer`, min: 0n, max: (1n << bits) - 1n })
const INT64 = signed(64n)
const UINT64 = unsigned(64n)
const INT32 = signed(32n)
const UINT32 = unsigned(32n)

const integerOf = (path: Path, value: unknown, range: Range): bigint => {
  let integer: bigint | undefined
  if (typeof value === 'number' && Number.isInteger(value)) integer = BigInt(value)
  // The longest 64-bit integer has 20 characters.
  else if (typeof value === 'string' && value.length <= 20 && /^-?\d+$/.test(value)) integer = BigInt(value)
  if (integer === undefined || integer < range.min || integer > range.max) throw refusal(path, range.name, value)
  return integer
}

const JSON_NUMBER = /^-?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,5})?$/

const doubleOf = (path: Path, value: unknown): number => {
  if (typeof value === 'number') return value
  if (value === 'NaN') return Number.NaN
  if (value === 'Infinity') return Number.POSITIVE_INFINITY
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY
  if (typeof value === 'string' && JSON_NUMBER.test(value)) return Number(value)
  throw refusal(path, 'a number', value)
}

const idOf = (path: Path, value: unknown, length: number): Uint8Array => {
  if (typeof value !== 'string' || !/^[0-9a-fA-F]*$/.test(value) || (value !== '' && value.length !== length * 2))
    throw refusal(path, `${length * 2} hex digits`, value)
  return Buffer.from(value, 'hex')
}

/** Standard base64; the URL alphabet and missing padding are understood too, as in protobuf's own JSON. */
const base64Of = (path: Path, value: unknown): Uint8Array => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) throw refusal(path, 'base64 text', value)
  const digits = value.length - (value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0)
  if (digits % 4 === 1) throw refusal(path, 'base64 text', value)
  return Buffer.from(value, 'base64')
}

const refusal = (path: Path, expected: string, value: unknown): JsonError =>
  new JsonError(`expected ${expected}, got ${shown(value)}`, pathText(path))

/** Enough of a value to recognise it by; what is inside objects and lists is nobody's business in a log. */
const shown = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = JSON.stringify(value)
  return text.length > 40 ? `${text.slice(0, 40)}…` : text
}

const pathText = (path: Path): string => {
  let text = ''
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`
  return text
}
