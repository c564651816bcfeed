/** protobufjs as the judge: requests made by reflection over proto/schema/opentelemetry.proto, and what it reads in them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import type { Signal } from '../batch.js'

const schema = protobuf.parse(readFileSync(join(process.cwd(), 'proto/schema/opentelemetry.proto'), 'utf8')).root.resolveAll()

export const messageType = (name: string): protobuf.Type => schema.lookupType(`opentelemetry.${name}`)
export const requestType = (signal: Signal): protobuf.Type =>
  messageType(`Export${{ traces: 'Trace', metrics: 'Metrics', logs: 'Logs', events: '' }[signal]}ServiceRequest`)

/** Plain objects as protobufjs makes them: 64-bit integers are decimal strings, bytes are Buffers, empty lists and absent fields are left out. */
// biome-ignore lint/suspicious/noExplicitAny: the shape follows from the type's name, which only the reader of a test knows.
export type Plain = any

export const decode = (type: protobuf.Type, bytes: Uint8Array): Plain => type.toObject(type.decode(Buffer.from(bytes)), { longs: String })
export const encode = (type: protobuf.Type, object: Plain): Uint8Array => Uint8Array.from(type.encode(type.fromObject(object)).finish())

const IDS: Record<string, number> = { traceId: 16, spanId: 8, parentSpanId: 8 }
const KEYS = ['service.name', 'a', 'ab', 'ba', '', 'schlüssel', '__proto__', 'k8s.pod.name']

const scalar = (type: protobuf.Type, field: protobuf.Field): fc.Arbitrary<unknown> => {
  if (field.type === 'string') return type.name === 'KeyValue' ? fc.constantFrom(...KEYS) : fc.string({ unit: 'grapheme', maxLength: 30 })
  if (field.type === 'bytes') {
    const id = IDS[field.name]
    const bytes = id
      ? fc.constantFrom(0, id).chain(length => fc.uint8Array({ minLength: length, maxLength: length }))
      : fc.uint8Array({ maxLength: 9 })
    return bytes.map(value => Buffer.from(value))
  }
  if (field.type === 'bool') return fc.boolean()
  if (field.type === 'double') return fc.double()
  if (field.type === 'int64' || field.type === 'sfixed64')
    return fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -200n, max: 200n })).map(String)
  if (field.type === 'uint64' || field.type === 'fixed64')
    return fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 300n })).map(String)
  if (field.type === 'sint32') return fc.integer()
  if (field.type === 'uint32' || field.type === 'fixed32') return fc.integer({ min: 0, max: 2 ** 32 - 1 })
  return fc.integer({ min: 0, max: 5 })
}

/** Any message of this type, nested values at most `depth` deep. */
export const anyMessage = (type: protobuf.Type, depth = 8): fc.Arbitrary<Plain> => {
  const fields = type.fieldsArray.filter(field => depth > 0 || !(field.resolvedType instanceof protobuf.Type))
  const model: Record<string, fc.Arbitrary<unknown>> = {}
  for (const field of fields) {
    const one =
      field.resolvedType instanceof protobuf.Type
        ? fc.constant(undefined).chain(() => anyMessage(field.resolvedType as protobuf.Type, depth - 1))
        : scalar(type, field)
    model[field.name] = field.repeated ? fc.array(one, { maxLength: 3 }) : one
  }
  return fc.record(model, { requiredKeys: [] }).map(object => {
    // At most one member of a oneof.
    for (const oneof of type.oneofsArray) {
      const set = oneof.oneof.filter(name => name in object)
      for (const name of set.slice(1)) delete (object as Record<string, unknown>)[name]
    }
    return object
  })
}

/** Any request of this signal, as bytes. */
export const anyRequest = (signal: Signal): fc.Arbitrary<Uint8Array> =>
  anyMessage(requestType(signal)).map(object => encode(requestType(signal), object))
