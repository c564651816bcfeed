/** A correlated event as the value of a record. */
import { readFile } from 'node:fs/promises'
import { type Datum, datumOf, encodeBareEvent } from '../../../proto/events/codec.js'
import type { CorrelatedEvent } from '../../../proto/events/event.js'
import { schemaPath } from '../../../proto/schema.js'
import { PermanentError } from '../../../runtime/errors.js'
import type { EventOptions } from './options.js'
import type { SchemaRegistry } from './registry.js'
import { singleObjectHeader } from './single_object.js'

/** Rejects with RetryableError while the schema cannot be had from the registry, with PermanentError for a figure that the schema cannot hold. */
export type EncodeEvent = (event: CorrelatedEvent) => Promise<Buffer>

/** Confluent's wire format: this, four bytes of schema id, for protobuf where the message stands in its file, the value. */
const MAGIC = 0
/** CorrelatedEvent is the second message of events.proto: a list of one index, 1, as zigzag varints. */
const MESSAGE_INDEXES = Buffer.from([2, 2])
const NO_INDEXES = Buffer.alloc(0)

const framed = (id: number, indexes: Buffer, value: Uint8Array): Buffer => {
  const head = Buffer.allocUnsafe(5)
  head[0] = MAGIC
  head.writeInt32BE(id, 1)
  return Buffer.concat([head, indexes, value])
}

const asJson = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer' && 'data' in value
    ? Buffer.from(value.data as number[]).toString('hex')
    : value

/** The library's message quotes the value: it stays in the cause. */
const avroOf = (type: { toBuffer(datum: Datum): Buffer }, event: CorrelatedEvent): Buffer => {
  try {
    return type.toBuffer(datumOf(event))
  } catch (error) {
    throw new PermanentError('an event has a figure that events.avsc cannot hold', 'bad_data', { cause: error })
  }
}

/** Reads the published schemas. */
export const eventEncoder = async ({ encoding }: EventOptions, registry: SchemaRegistry | undefined): Promise<EncodeEvent> => {
  if (encoding === 'json') return async event => Buffer.from(JSON.stringify(datumOf(event), asJson))
  if (encoding === 'protobuf') {
    const schema = await readFile(schemaPath('events.proto'), 'utf8')
    return async event => {
      const value = encodeBareEvent(event)
      return registry ? framed(await registry.idOf(schema, 'PROTOBUF'), MESSAGE_INDEXES, value) : Buffer.from(value)
    }
  }
  const [{ default: avsc }, schema] = await Promise.all([import('avsc'), readFile(schemaPath('events.avsc'), 'utf8')])
  const type = avsc.Type.forSchema(JSON.parse(schema) as Parameters<typeof avsc.Type.forSchema>[0])
  const header = singleObjectHeader(JSON.stringify(type.schema()))
  return async event => {
    const value = avroOf(type, event)
    return registry ? framed(await registry.idOf(schema, 'AVRO'), NO_INDEXES, value) : Buffer.concat([header, value])
  }
}
