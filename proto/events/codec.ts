/**
 * CorrelatedEvent ↔ protobuf, driven by one table that a test keeps equal to proto/schema/events.proto. Unknown fields are skipped when read.
 * A cold path: what is rendered where it was made is never bytes.
 */
import { Batch, type Content, type Metadata } from '../batch.js'
import { BYTES, FIXED64, Fields, readDouble, Writer } from '../wire.js'
import type { CorrelatedEvent } from './event.js'

type Scalar = 'string' | 'bytes' | 'uint' | 'double' | 'bool'
type MessageName =
  | 'CorrelatedEvent'
  | 'Gpu'
  | 'Serving'
  | 'Latency'
  | 'TokenFigures'
  | 'RequestFigures'
  | 'SpanFigures'
  | 'Exemplar'
  | 'GpuTime'
  | 'TenantFigures'
  | 'Efficiency'
  | 'SloFigures'
/** `optional`: absent and zero differ. `required`: zero or empty is not written and is what an absent field reads as. */
type Presence = 'required' | 'optional' | 'repeated'
type FieldRow = readonly [number: number, name: string, type: Scalar | MessageName, presence: Presence]

/** Field tables; names as in TypeScript (events.proto writes them in snake_case). */
export const MESSAGES: Readonly<Record<MessageName, readonly FieldRow[]>> = {
  CorrelatedEvent: [
    [1, 'id', 'bytes', 'required'],
    [2, 'schemaVersion', 'uint', 'required'],
    [3, 'workloadId', 'string', 'required'],
    [4, 'workloadSource', 'string', 'required'],
    [5, 'workloadConfidence', 'string', 'required'],
    [6, 'windowStartMs', 'uint', 'required'],
    [7, 'windowLengthMs', 'uint', 'required'],
    [8, 'flags', 'string', 'repeated'],
    [9, 'headlineSource', 'string', 'required'],
    [10, 'gpu', 'Gpu', 'optional'],
    [11, 'serving', 'Serving', 'optional'],
    [12, 'tokens', 'TokenFigures', 'repeated'],
    [13, 'requests', 'RequestFigures', 'repeated'],
    [14, 'spans', 'SpanFigures', 'optional'],
    [15, 'exemplars', 'Exemplar', 'repeated'],
    [16, 'gpuTime', 'GpuTime', 'repeated'],
    [17, 'tenants', 'TenantFigures', 'repeated'],
    [18, 'efficiency', 'Efficiency', 'optional'],
    [19, 'slo', 'SloFigures', 'repeated'],
  ],
  Gpu: [
    [1, 'count', 'uint', 'required'],
    [2, 'ids', 'string', 'repeated'],
    [3, 'utilization', 'double', 'optional'],
    [4, 'smActive', 'double', 'optional'],
    [5, 'tensorActive', 'double', 'optional'],
    [6, 'memoryUtilization', 'double', 'optional'],
    [7, 'memoryUsageBytes', 'double', 'optional'],
    [8, 'powerWatts', 'double', 'optional'],
    [9, 'energyJoules', 'double', 'optional'],
    [10, 'lateEnergyJoules', 'double', 'optional'],
    [11, 'temperatureMaxCelsius', 'double', 'optional'],
    [12, 'throttled', 'double', 'optional'],
    [13, 'coverage', 'double', 'required'],
    [14, 'carriedSeconds', 'double', 'required'],
  ],
  Serving: [
    [1, 'engines', 'uint', 'required'],
    [2, 'queueDepth', 'double', 'optional'],
    [3, 'running', 'double', 'optional'],
    [4, 'kvCacheUtilization', 'double', 'optional'],
    [5, 'preemptions', 'double', 'optional'],
    [6, 'latePreemptions', 'double', 'optional'],
    [7, 'latencies', 'Latency', 'repeated'],
    [8, 'coverage', 'double', 'required'],
    [9, 'carriedSeconds', 'double', 'required'],
  ],
  Latency: [
    [1, 'name', 'string', 'required'],
    [2, 'count', 'double', 'required'],
    [3, 'sum', 'double', 'required'],
    [4, 'bounds', 'double', 'repeated'],
    [5, 'bucketCounts', 'double', 'repeated'],
    [6, 'late', 'bool', 'required'],
  ],
  TokenFigures: [
    [1, 'source', 'string', 'required'],
    [2, 'input', 'double', 'optional'],
    [3, 'output', 'double', 'optional'],
    [4, 'cached', 'double', 'optional'],
    [5, 'lateInput', 'double', 'optional'],
    [6, 'lateOutput', 'double', 'optional'],
    [7, 'lateCached', 'double', 'optional'],
  ],
  RequestFigures: [
    [1, 'source', 'string', 'required'],
    [2, 'finishReason', 'string', 'required'],
    [3, 'count', 'double', 'required'],
    [4, 'lateCount', 'double', 'required'],
  ],
  SpanFigures: [
    [1, 'count', 'double', 'required'],
    [2, 'errors', 'double', 'required'],
    [3, 'lateCount', 'double', 'required'],
    [4, 'lateErrors', 'double', 'required'],
  ],
  Exemplar: [
    [1, 'traceId', 'bytes', 'required'],
    [2, 'spanId', 'bytes', 'required'],
    [3, 'reason', 'string', 'required'],
    [4, 'durationSeconds', 'double', 'required'],
  ],
  GpuTime: [
    [1, 'model', 'string', 'required'],
    [2, 'bucket', 'string', 'required'],
    [3, 'seconds', 'double', 'required'],
    [4, 'cost', 'double', 'optional'],
  ],
  TenantFigures: [
    [1, 'tenant', 'string', 'required'],
    [2, 'source', 'string', 'required'],
    [3, 'requests', 'double', 'required'],
    [4, 'input', 'double', 'required'],
    [5, 'output', 'double', 'required'],
    [6, 'cached', 'double', 'required'],
    [7, 'cost', 'double', 'optional'],
    [8, 'idleCost', 'double', 'optional'],
    [9, 'energyJoules', 'double', 'optional'],
    [10, 'eligible', 'double', 'optional'],
    [11, 'good', 'double', 'optional'],
  ],
  SloFigures: [
    [1, 'source', 'string', 'required'],
    [2, 'target', 'double', 'required'],
    [3, 'eligible', 'double', 'required'],
    [4, 'good', 'double', 'required'],
    [5, 'goodOutput', 'double', 'required'],
    [6, 'errors', 'double', 'required'],
    [7, 'missedTimeToFirstToken', 'double', 'required'],
    [8, 'missedTimePerOutputToken', 'double', 'required'],
    [9, 'missedDuration', 'double', 'required'],
  ],
  Efficiency: [
    [1, 'currency', 'string', 'required'],
    [2, 'priceSource', 'string', 'required'],
    [3, 'cost', 'double', 'optional'],
    [4, 'activeCost', 'double', 'optional'],
    [5, 'idleCost', 'double', 'optional'],
    [6, 'unknownCost', 'double', 'optional'],
    [7, 'unattributedCost', 'double', 'optional'],
    [8, 'unpricedSeconds', 'double', 'required'],
    [9, 'inputCost', 'double', 'optional'],
    [10, 'outputCost', 'double', 'optional'],
    [11, 'costSplit', 'string', 'required'],
    [12, 'idleJoules', 'double', 'optional'],
    [13, 'hostJoules', 'double', 'optional'],
    [14, 'facilityJoules', 'double', 'optional'],
    [15, 'carbonGrams', 'double', 'optional'],
    [16, 'joulesPerToken', 'double', 'optional'],
    [17, 'joulesPerOutputToken', 'double', 'optional'],
    [18, 'tokensPerSecondPerGpu', 'double', 'optional'],
    [19, 'modelFlopsUtilization', 'double', 'optional'],
    [20, 'costPerGoodToken', 'double', 'optional'],
  ],
}
const EVENTS_EVENT = 1

type Value = string | number | boolean | Uint8Array | Plain
interface Plain {
  [name: string]: Value | Value[] | undefined
}

const isMessage = (type: Scalar | MessageName): type is MessageName => type in MESSAGES

const writeValue = (writer: Writer, number: number, type: Scalar | MessageName, value: Value): void => {
  if (isMessage(type)) writer.message(number, inner => writeMessage(inner, type, value as Plain))
  else if (type === 'string') writer.string(number, value as string)
  else if (type === 'bytes') writer.bytes(number, value as Uint8Array)
  else if (type === 'double') writer.double(number, value as number)
  else writer.uint(number, Number(value))
}

const isDefault = (value: Value): boolean =>
  value === 0 || value === '' || value === false || (value instanceof Uint8Array && value.length === 0)

const writeMessage = (writer: Writer, name: MessageName, message: Plain): void => {
  for (const [number, field, type, presence] of MESSAGES[name]) {
    const value = message[field]
    if (value === undefined) continue
    if (!Array.isArray(value)) {
      if (presence === 'optional' || !isDefault(value)) writeValue(writer, number, type, value)
    } else if (type === 'double') {
      if (value.length > 0) writer.doubles(number, value as number[])
    } else for (const one of value) writeValue(writer, number, type, one)
  }
}

const readValue = (field: Fields, type: Scalar | MessageName): Value => {
  if (isMessage(type)) return readMessage(new Fields(field.bytes).enter(field), type)
  if (type === 'string') return field.string()
  if (type === 'bytes') return field.view().slice()
  if (type === 'double') return field.double()
  return type === 'bool' ? field.uint() !== 0 : field.uint()
}

const DEFAULTS: Readonly<Record<Scalar, Value>> = { string: '', bytes: new Uint8Array(0), uint: 0, double: 0, bool: false }

const readMessage = (fields: Fields, name: MessageName): Plain => {
  const rows = MESSAGES[name]
  const message: Plain = {}
  for (const [, field, type, presence] of rows) {
    if (presence === 'repeated') message[field] = []
    else if (presence === 'required' && !isMessage(type)) message[field] = DEFAULTS[type]
  }
  while (fields.next()) {
    const row = rows.find(([number]) => number === fields.number)
    if (!row) continue
    const [, field, type, presence] = row
    if (presence !== 'repeated') message[field] = readValue(fields, type)
    else if (type === 'double' && fields.type !== FIXED64) {
      const values = message[field] as number[]
      fields.expect(BYTES)
      for (let at = fields.start; at + 8 <= fields.end; at += 8) values.push(readDouble(fields.bytes, at))
    } else (message[field] as Value[]).push(readValue(fields, type))
  }
  return message
}

/** The event as one field of a CorrelatedEvents message: what a batch of the signal `events` is made of. */
export const encodeEvent = (event: CorrelatedEvent): Uint8Array => {
  const writer = new Writer(1024)
  writeValue(writer, EVENTS_EVENT, 'CorrelatedEvent', event as unknown as Plain)
  return writer.finish()
}

/** The event as a CorrelatedEvent message alone. */
export const encodeBareEvent = (event: CorrelatedEvent): Uint8Array => {
  const writer = new Writer(1024)
  writeMessage(writer, 'CorrelatedEvent', event as unknown as Plain)
  return writer.finish()
}

/** Names as in the published schemas; what is unknown is null. */
export interface Datum {
  [name: string]: string | number | boolean | Buffer | Datum | null | Datum[] | (string | number)[]
}

/** The event as data of events.avsc. */
export const datumOf = (event: CorrelatedEvent): Datum => datum('CorrelatedEvent', event as unknown as Plain)

const datum = (name: MessageName, message: Plain): Datum => {
  const result: Datum = {}
  for (const [, field, type] of MESSAGES[name]) {
    const value = message[field]
    const one = (each: Value): Value | Datum | Buffer =>
      isMessage(type) ? datum(type, each as Plain) : each instanceof Uint8Array ? Buffer.from(each) : each
    result[snakeCase(field)] = (value === undefined ? null : Array.isArray(value) ? value.map(one) : one(value)) as Datum[string]
  }
  return result
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** Events that are encoded when their bytes are asked for; nobody changes them from here on. */
class EventList implements Content {
  private encoded: readonly Uint8Array[] | undefined

  constructor(readonly events: readonly CorrelatedEvent[]) {}

  get slices(): readonly Uint8Array[] {
    this.encoded ??= this.events.map(encodeEvent)
    return this.encoded
  }
}

export const eventsBatch = (events: readonly CorrelatedEvent[], metadata?: Metadata): Batch =>
  Batch.ofContent('events', new EventList(events), events.length, metadata)

/** The events of a batch of the signal `events`. Throws WireError. */
export const decodeEvents = (batch: Batch): CorrelatedEvent[] =>
  batch.contents.flatMap(content => (content instanceof EventList ? content.events : content.slices.flatMap(decode)))

const decode = (slice: Uint8Array): CorrelatedEvent[] => {
  const events: CorrelatedEvent[] = []
  const fields = new Fields(slice)
  while (fields.next()) {
    if (fields.number !== EVENTS_EVENT) continue
    // The table is the type, field by field; events.test.ts holds the two together.
    events.push(readMessage(new Fields(slice).enter(fields), 'CorrelatedEvent') as unknown as CorrelatedEvent)
  }
  return events
}
