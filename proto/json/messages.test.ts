import protobuf from 'protobufjs'
import { requestType } from '../testing/oracle.js'
import { type Kind, type Message, REQUESTS } from './messages.js'

const kindOf = (field: protobuf.Field): Kind => {
  if (field.resolvedType instanceof protobuf.Type) return 'message'
  if (field.resolvedType) return 'enum'
  if (field.type === 'bytes' && field.name === 'traceId') return 'traceId'
  if (field.type === 'bytes' && /spanId$/i.test(field.name)) return 'spanId'
  return field.type as Kind
}
const oneofOf = (field: protobuf.Field) => (field.partOf && !field.getOption('proto3_optional') ? 'value' : undefined)

/** Both sides of every message below `message`, each once. */
const compare = (message: Message, type: protobuf.Type, seen = new Set<string>()): Set<string> => {
  if (seen.has(message.name)) return seen
  seen.add(message.name)
  expect(message.name).toBe(type.name)
  const known = [...message.byKey.values()].map(({ key, number, kind, repeated, oneof }) => ({ key, number, kind, repeated, oneof }))
  const declared = type.fieldsArray.map(field => ({
    key: field.name,
    number: field.id,
    kind: kindOf(field),
    repeated: field.repeated,
    oneof: oneofOf(field),
  }))
  const byNumber = (a: { number: number }, b: { number: number }) => a.number - b.number
  expect(known.sort(byNumber)).toEqual(declared.sort(byNumber))
  for (const field of message.byKey.values()) {
    const { resolvedType } = type.fields[field.key]!
    if (field.message) compare(field.message, resolvedType as protobuf.Type, seen)
    if (field.names) expect(Object.fromEntries(field.names)).toEqual((resolvedType as protobuf.Enum).values)
  }
  return seen
}

test('the messages are those of the schema: every field with its number, type, repetition, oneof and enum names', () => {
  const seen = (['traces', 'metrics', 'logs'] as const).map(signal => compare(REQUESTS[signal], requestType(signal)).size)
  expect(seen).toEqual([14, 23, 11])
})
