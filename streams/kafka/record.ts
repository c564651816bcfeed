/**
 * A stream record as a Kafka record: key and value are its own, and the header `ai_factory.record` says the rest, little endian:
 *
 *     0  u8   version, 1
 *     1  u8   kind
 *     2  u16  part, from 0
 *     4  u16  parts
 *     6  u32  items
 *    10  f64  sender
 *    18  f64  first event time
 *    26  f64  last event time
 *    34       16 bytes of fingerprint, if any
 *
 * The header `ai_factory.codec` is there when the value is compressed: `lz4_block`, four bytes of length, little endian, and an LZ4 block. Values are compressed one by one (rule 15): what waits stays as it came.
 */
import { compressBlock, decompressBlock, type IncomingRecord, type OutgoingRecord, type Place } from '../../kafka/index.js'
import { MAX_ENTRY_BYTES, type Outgoing, type Raw } from '../driver.js'

const HEAD_NAME = 'ai_factory.record'
const CODEC_NAME = 'ai_factory.codec'
const LZ4_BLOCK = Buffer.from('lz4_block')
const VERSION = 1
const HEAD = 34
const FINGERPRINT = 16
/** Below this a block saves nothing. */
const WORTH_COMPRESSING = 256

/** `sender` tells the appends of one life of a driver from all others. */
export const toKafka = (record: Outgoing, topic: string, sender: number, timestamp: number): OutgoingRecord => {
  const { fingerprint, partition, key, value: slices } = record
  const head = Buffer.allocUnsafe(HEAD + (fingerprint?.length ?? 0))
  head[0] = VERSION
  head[1] = record.kind
  head.writeUInt16LE(record.part, 2)
  head.writeUInt16LE(record.parts, 4)
  head.writeUInt32LE(record.items, 6)
  head.writeDoubleLE(sender, 10)
  head.writeDoubleLE(record.firstTime, 18)
  head.writeDoubleLE(record.lastTime, 26)
  if (fingerprint) head.set(fingerprint, HEAD)
  const plain = slices.length === 1 ? bufferOf(slices[0]!) : Buffer.concat(slices)
  const packed = pack(plain)
  const headers: [string, Uint8Array][] = [[HEAD_NAME, head]]
  if (packed !== plain) headers.push([CODEC_NAME, LZ4_BLOCK])
  return { topic, partition, key, value: packed, headers, timestamp }
}

/** What is kept of a record that waits: its value as it came. */
export interface Packed {
  readonly bytes: Buffer
  readonly compressed: boolean
}

/** A record as read, with its value as it came. */
export interface Received extends Raw {
  readonly packed: Packed
}

/** Undefined when the record is none of ours or its value is damaged. A compressed value comes to lie at a `place`. */
export const fromKafka = (partition: number, record: IncomingRecord, place: Place): Received | undefined => {
  let head: Buffer | null = null
  let compressed = false
  for (const [name, value] of record.headers) {
    if (name === HEAD_NAME) head = value
    else if (name === CODEC_NAME) {
      if (!value?.equals(LZ4_BLOCK)) return undefined
      compressed = true
    }
  }
  if (!head || head[0] !== VERSION || (head.length !== HEAD && head.length !== HEAD + FINGERPRINT)) return undefined
  const packed = { bytes: record.value ?? EMPTY, compressed }
  const value = unpack(packed, place)
  if (!value) return undefined
  return {
    partition,
    offset: record.offset,
    end: record.offset + 1,
    appendTime: record.timestamp,
    key: record.key?.toString('utf8') ?? '',
    kind: head[1]!,
    firstTime: head.readDoubleLE(18),
    lastTime: head.readDoubleLE(26),
    items: head.readUInt32LE(6),
    fingerprint: head.length > HEAD ? head.subarray(HEAD) : undefined,
    value,
    part: head.readUInt16LE(2),
    parts: head.readUInt16LE(4),
    sender: head.readDoubleLE(10),
    packed,
  }
}

/** The same bytes where compressing them saves nothing. */
export const pack = (plain: Buffer): Buffer => {
  if (plain.length < WORTH_COMPRESSING) return plain
  const packed = compressBlock(plain)
  return packed.length < plain.length ? packed : plain
}

/** Undefined when the bytes are damaged. */
export const unpack = ({ bytes, compressed }: Packed, place: Place): Buffer | undefined => {
  if (!compressed) return bytes
  try {
    return decompressBlock(bytes, MAX_ENTRY_BYTES, place)
  } catch {
    return undefined
  }
}

const EMPTY = Buffer.alloc(0)
const bufferOf = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
