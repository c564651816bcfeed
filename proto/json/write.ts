/** From protobuf to OTLP/JSON. Fields come in the order of their numbers; unknown ones cannot be written and are left out. */
import { MAX_DEPTH } from '../views/any-value.js'
import { afterVarint, BYTES, Fields, int64At, intAt, readBigUint64, readDouble, readString, readUint32, WireError } from '../wire.js'
import { AnyValue, type Field, type Message } from './messages.js'

/** The message `bytes[start, end)` as JSON text. Throws WireError, also for values nested deeper than MAX_DEPTH. */
export const writeMessage = (message: Message, bytes: Uint8Array, start: number, end: number, depth = 0): string => {
  const inner = message === AnyValue ? depth + 1 : depth
  if (inner > MAX_DEPTH + 1) throw new WireError(`an attribute value is nested deeper than ${MAX_DEPTH}`, start)
  /** By field number: JSON text of the value, or of the elements so far. */
  const texts: string[] = []
  /** By field number: where the one value of a message lies; written last, for it may come in several pieces. */
  const bodies: Uint8Array[] = []
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
    if (field.oneof) forgetOthers(message, field, texts, bodies)
    if (field.message) bodies[number] = bodies[number] ? joined(bodies[number], fields.view()) : fields.view()
    else texts[number] = scalar(field, bytes, fields.start, fields.end)
  }
  let text = ''
  for (let number = 1; number < message.byNumber.length; number++) {
    const field = message.byNumber[number]
    const body = bodies[number]
    const value = body && field?.message ? writeMessage(field.message, body, 0, body.length, inner) : texts[number]
    if (!field || value === undefined) continue
    text += `${text === '' ? '' : ','}"${field.key}":${field.repeated ? `[${value}]` : value}`
  }
  return `{${text}}`
}

const elementOf = (message: Message, fields: Fields, depth: number): string => {
  fields.expect(BYTES)
  return writeMessage(message, fields.bytes, fields.start, fields.end, depth)
}

/** A member of a oneof takes the place of the others. */
const forgetOthers = (message: Message, { number, oneof }: Field, texts: string[], bodies: Uint8Array[]): void => {
  for (const other of message.byNumber) {
    if (other === undefined || other.oneof !== oneof || other.number === number) continue
    delete texts[other.number]
    delete bodies[other.number]
  }
}

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
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
