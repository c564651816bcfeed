/** From protobuf to OTLP/JSON. Fields come in the order of their numbers; unknown ones cannot be written and are left out. */
import { MAX_DEPTH } from '../views/any-value.js'
import {
  afterVarint,
  BYTES,
  Fields,
  int64At,
  intAt,
  readBigUint64,
  readDouble,
  readString,
  readUint32,
  WireError,
  Writer,
} from '../wire.js'
import { AnyValue, type Field, type Message } from './messages.js'

/** The message `bytes[start, end)` as JSON text. Throws WireError, also for values nested deeper than MAX_DEPTH. */
export const writeMessage = (message: Message, bytes: Uint8Array, start: number, end: number, depth = 0): string => {
  const inner = message === AnyValue ? depth + 1 : depth
  if (inner > MAX_DEPTH + 1) throw new WireError(`an attribute value is nested deeper than ${MAX_DEPTH}`, start)
  /** By field number: JSON text of the value, or of the elements so far. */
  const texts: (string | undefined)[] = []
  /** By field number: where the one value of a message lies. Written last, for it may come in several pieces, which are one value. */
  const bodies: (Body | undefined)[] = []
  /** The member of the oneof that is set; a later one takes its place. */
  let member = 0
  const fields = new Fields(bytes, start, end)
  while (fields.next()) {
    const field = message.byNumber[fields.number]
    if (!field) continue
    const { number } = field
    if (field.repeated) {
      const elements = field.message ? elementOf(field.message, fields, inner) : scalars(field, fields)
      if (elements !== '') texts[number] = texts[number] === undefined ? elements : `${texts[number]},${elements}`
      continue
    }
    fields.expect(field.wireType)
    if (field.oneof !== undefined) {
      if (member !== number) texts[member] = bodies[member] = undefined
      member = number
    }
    if (field.message) bodies[number] = withPiece(bodies[number], fields)
    else texts[number] = scalar(field, bytes, fields.start, fields.end)
  }
  let text = ''
  for (let number = 1; number < message.byNumber.length; number++) {
    const field = message.byNumber[number]
    if (!field) continue
    const body = bodies[number]
    const value = body && field.message ? bodyText(field.message, body, bytes, inner) : texts[number]
    if (value !== undefined) text += `${text === '' ? '' : ','}"${field.key}":${field.repeated ? `[${value}]` : value}`
  }
  return `{${text}}`
}

interface Body {
  readonly start: number
  readonly end: number
  /** All pieces, where there are several. */
  readonly joined: Writer | undefined
}

const withPiece = (body: Body | undefined, { bytes, start, end }: Fields): Body => {
  if (!body) return { start, end, joined: undefined }
  const joined = body.joined ?? new Writer().raw(bytes, body.start, body.end)
  return { start, end, joined: joined.raw(bytes, start, end) }
}

const bodyText = (message: Message, { start, end, joined }: Body, bytes: Uint8Array, depth: number): string => {
  if (!joined) return writeMessage(message, bytes, start, end, depth)
  const all = joined.finish()
  return writeMessage(message, all, 0, all.length, depth)
}

const elementOf = (message: Message, fields: Fields, depth: number): string => {
  fields.expect(BYTES)
  return writeMessage(message, fields.bytes, fields.start, fields.end, depth)
}

/** One or, packed, several elements of a repeated scalar, with commas between. */
const scalars = (field: Field, fields: Fields): string => {
  const { bytes, start, end } = fields
  if (fields.type === field.wireType) return scalar(field, bytes, start, end)
  fields.expect(BYTES)
  const elements: string[] = []
  for (let at = start; at < end; ) {
    const next = field.kind === 'uint64' ? afterVarint(bytes, at, end) : at + 8
    if (next > end) throw new WireError(`packed ${field.key} end in the middle of a value`, at)
    elements.push(scalar(field, bytes, at, next))
    at = next
  }
  return elements.join(',')
}

const scalar = (field: Field, bytes: Uint8Array, start: number, end: number): string => {
  switch (field.kind) {
    case 'string':
      return JSON.stringify(readString(bytes, start, end))
    case 'traceId':
    case 'spanId':
      return `"${Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('hex')}"`
    case 'bytes':
      return `"${Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('base64')}"`
    case 'bool':
      return String(int64At(bytes, start, end) !== 0n)
    case 'double':
      return doubleText(readDouble(bytes, start))
    case 'int64':
      return `"${end - start > 7 ? int64At(bytes, start, end) : intAt(bytes, start, end)}"`
    case 'uint64':
      return `"${end - start > 7 ? BigInt.asUintN(64, int64At(bytes, start, end)) : intAt(bytes, start, end)}"`
    case 'fixed64':
      return `"${readBigUint64(bytes, start)}"`
    case 'sfixed64':
      return `"${BigInt.asIntN(64, readBigUint64(bytes, start))}"`
    case 'fixed32':
      return String(readUint32(bytes, start))
    case 'uint32':
      return String(int64At(bytes, start, end) & 0xffff_ffffn)
    case 'sint32':
      return String(zigzag(Number(int64At(bytes, start, end) & 0xffff_ffffn)))
    case 'enum':
      return String(BigInt.asIntN(32, int64At(bytes, start, end)))
    case 'message':
      throw new TypeError(`${field.key} is a message`)
  }
}

const zigzag = (value: number): number => (value >>> 1) ^ -(value & 1)

const doubleText = (value: number): string => {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0' : String(value)
}
