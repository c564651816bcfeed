/**
 * What the OTLP/JSON codec knows of each message, read once from proto/schema/opentelemetry.proto.
 * Importing this loads protobufjs (some tens of milliseconds): who needs JSON seldom imports proto/json when it does.
 */
import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { BYTES, FIXED32, FIXED64, VARINT } from '../wire.js'

/** How a value looks in JSON and on the wire. `id`: bytes written as hex. */
export type Kind =
  | 'string'
  | 'bytes'
  | 'id'
  | 'bool'
  | 'double'
  | 'int64'
  | 'uint64'
  | 'fixed64'
  | 'sfixed64'
  | 'uint32'
  | 'sint32'
  | 'fixed32'
  | 'enum'
  | 'message'

export interface Field {
  readonly number: number
  /** lowerCamelCase. */
  readonly key: string
  readonly kind: Kind
  readonly wireType: number
  readonly repeated: boolean
  /** Of kind `message`. */
  readonly message: Message | undefined
  /** Of kind `enum`: name → number. */
  readonly names: ReadonlyMap<string, number> | undefined
  /** Name of the group of which at most one member is set. */
  readonly oneof: string | undefined
  /** Of kind `id`: bytes. */
  readonly length: number
}

export interface Message {
  readonly name: string
  readonly byNumber: readonly (Field | undefined)[]
  readonly byKey: ReadonlyMap<string, Field>
}

/** Bytes of the fields that OTLP/JSON writes as hex, wherever they occur (otlp docs/specification.md, JSON Protobuf Encoding). */
const ID_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['traceId', 16],
  ['spanId', 8],
  ['parentSpanId', 8],
])

const WIRE_TYPES: Readonly<Record<Kind, number>> = {
  string: BYTES,
  bytes: BYTES,
  id: BYTES,
  message: BYTES,
  bool: VARINT,
  int64: VARINT,
  uint64: VARINT,
  uint32: VARINT,
  sint32: VARINT,
  enum: VARINT,
  double: FIXED64,
  fixed64: FIXED64,
  sfixed64: FIXED64,
  fixed32: FIXED32,
}

const kindOf = (field: protobuf.Field): Kind => {
  if (field.resolvedType instanceof protobuf.Enum) return 'enum'
  if (field.resolvedType) return 'message'
  if (field.type === 'bytes' && ID_LENGTHS.has(field.name)) return 'id'
  if (field.type in WIRE_TYPES) return field.type as Kind
  throw new TypeError(`${field.fullName} has the type ${field.type}, which OTLP/JSON here does not know`)
}

const fieldOf = (field: protobuf.Field, messageOf: (type: protobuf.Type) => Message): Field => {
  const kind = kindOf(field)
  const { resolvedType: type } = field
  return {
    number: field.id,
    key: field.name,
    kind,
    wireType: WIRE_TYPES[kind],
    repeated: field.repeated,
    message: type instanceof protobuf.Type ? messageOf(type) : undefined,
    names: type instanceof protobuf.Enum ? new Map(Object.entries(type.values)) : undefined,
    // An `optional` field is modelled as a oneof of its own.
    oneof: field.getOption('proto3_optional') ? undefined : field.partOf?.name,
    length: ID_LENGTHS.get(field.name) ?? 0,
  }
}

const load = (): ((name: string) => Message) => {
  const text = readFileSync(new URL('../schema/opentelemetry.proto', import.meta.url), 'utf8')
  const { root } = protobuf.parse(text)
  root.resolveAll()
  const messages = new Map<protobuf.Type, Message>()
  const messageOf = (type: protobuf.Type): Message => {
    const known = messages.get(type)
    if (known) return known
    const byNumber: (Field | undefined)[] = []
    const byKey = new Map<string, Field>()
    const message: Message = { name: type.name, byNumber, byKey }
    // Before its fields: AnyValue holds lists of AnyValue.
    messages.set(type, message)
    for (const declared of type.fieldsArray) {
      const field = fieldOf(declared, messageOf)
      byNumber[field.number] = field
      byKey.set(field.key, field)
    }
    return message
  }
  return name => messageOf(root.lookupType(`opentelemetry.${name}`))
}

const message = load()
export const REQUESTS = {
  traces: message('ExportTraceServiceRequest'),
  metrics: message('ExportMetricsServiceRequest'),
  logs: message('ExportLogsServiceRequest'),
} as const
export const ANY_VALUE = message('AnyValue')
