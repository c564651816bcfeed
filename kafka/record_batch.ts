/** Record batches (magic 2) to bytes and back: kafka.apache.org/documentation/#recordbatch. */
import type { Compression, IncomingRecord, OutgoingRecord } from './client.js'
import { codecNumber, compress, decompress } from './codecs.js'
import { crc32c } from './crc32c.js'
import { KafkaError } from './errors.js'

const LENGTH_AT = 8
const MAGIC_AT = 16
const CRC_AT = 17
const ATTRIBUTES_AT = 21
const LAST_DELTA_AT = 23
const PRODUCER_ID_AT = 43
const HEADER_BYTES = 61
const MAGIC = 2
const CODEC_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20

export interface ProducerState {
  readonly producerId: string
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
}

/** At most what a record takes inside a batch. */
export const recordBytes = ({ key, value, headers = [] }: OutgoingRecord): number => {
  let bytes = 32 + (key?.length ?? 0) + (value?.length ?? 0)
  for (const [name, content] of headers) bytes += 10 + 3 * name.length + (content?.length ?? 0)
  return bytes
}

class Writer {
  at = 0
  constructor(readonly bytes: Buffer) {}

  /** Zigzag, base 128. Numbers beyond 31 bits are divided, not shifted. */
  varint(value: number): void {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1
    while (rest > 127) {
      this.bytes[this.at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.bytes[this.at++] = rest
  }

  content(content: Uint8Array | null): void {
    if (content === null) {
      this.varint(-1)
      return
    }
    this.varint(content.length)
    this.bytes.set(content, this.at)
    this.at += content.length
  }

  name(name: string): void {
    const length = Buffer.byteLength(name)
    this.varint(length)
    this.at += this.bytes.write(name, this.at)
  }
}

const writeRecord = (into: Writer, scratch: Writer, record: OutgoingRecord, index: number, timeDelta: number): void => {
  scratch.at = 0
  scratch.varint(0)
  scratch.varint(timeDelta)
  scratch.varint(index)
  // The length comes first: what stands around key and value is written aside, and the two are copied once.
  const { key, value, headers = [] } = record
  const before = scratch.at
  scratch.varint(headers.length)
  for (const [name, content] of headers) {
    scratch.name(name)
    scratch.content(content)
  }
  const after = scratch.at - before
  into.varint(
    before + varintBytes(key?.length ?? -1) + (key?.length ?? 0) + varintBytes(value?.length ?? -1) + (value?.length ?? 0) + after,
  )
  into.bytes.set(scratch.bytes.subarray(0, before), into.at)
  into.at += before
  into.content(key)
  into.content(value)
  into.bytes.set(scratch.bytes.subarray(before, scratch.at), into.at)
  into.at += after
}

const varintBytes = (value: number): number => {
  let bytes = 1
  for (let rest = value >= 0 ? value * 2 : -value * 2 - 1; rest > 127; rest = Math.floor(rest / 128)) bytes++
  return bytes
}

export const encodeBatch = (records: readonly OutgoingRecord[], compression: Compression, now: number, state: ProducerState): Buffer => {
  const most = records.reduce((sum, record) => sum + recordBytes(record), 0)
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + most)
  const writer = new Writer(bytes)
  const scratch = new Writer(Buffer.allocUnsafe(64 + Math.max(0, ...records.map(each => recordBytes({ ...each, key: null, value: null })))))
  const times = records.map(({ timestamp = now }) => Math.floor(timestamp))
  const first = times[0] ?? 0
  writer.at = HEADER_BYTES
  for (const [index, record] of records.entries()) writeRecord(writer, scratch, record, index, times[index]! - first)
  let whole = bytes.subarray(0, writer.at)
  if (compression !== 'none') {
    const body = compress(compression, bytes.subarray(HEADER_BYTES, writer.at))
    whole = Buffer.allocUnsafe(HEADER_BYTES + body.length)
    body.copy(whole, HEADER_BYTES)
  }
  whole.writeBigInt64BE(0n, 0)
  whole.writeInt32BE(whole.length - LENGTH_AT - 4, LENGTH_AT)
  whole.writeInt32BE(-1, 12)
  whole[MAGIC_AT] = MAGIC
  whole.writeInt16BE(codecNumber(compression) | (state.transactional ? TRANSACTIONAL : 0), ATTRIBUTES_AT)
  whole.writeInt32BE(records.length - 1, LAST_DELTA_AT)
  whole.writeBigInt64BE(BigInt(first), 27)
  whole.writeBigInt64BE(BigInt(times.reduce((a, b) => Math.max(a, b), first)), 35)
  whole.writeBigInt64BE(BigInt(state.producerId), PRODUCER_ID_AT)
  whole.writeInt16BE(state.epoch, 51)
  whole.writeInt32BE(state.sequence, 53)
  whole.writeInt32BE(records.length, 57)
  whole.writeUInt32BE(crc32c(whole, ATTRIBUTES_AT), CRC_AT)
  return whole
}

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface Decoded {
  readonly records: readonly IncomingRecord[]
  /** What they took when decompressed. */
  readonly bytes: number
  /** The offset to go on at. */
  readonly next: number
  /** Why the batch at `next` cannot be read; `end`: the first offset behind it. */
  readonly damaged?: { readonly error: Error; readonly end: number }
}

export interface DecodeOptions {
  /** Records before this offset are left out: a fetch answers with whole batches. */
  readonly from: number
  /** Empty for read_uncommitted. */
  readonly aborted: readonly AbortedTransaction[]
  readonly maxDecompressedBytes: number
  /** Format and checksum: 1 ns a byte; TCP's checksum is weak, and nobody behind us looks again. Tests of what damage does switch it off. */
  readonly verify: boolean
}

/**
 * The whole batches of a fetch's answer; the last may be cut. They are decompressed only as they are read: a small answer can hold a great deal.
 * Nothing is read behind a batch that is damaged.
 */
export class Batches {
  /** The least offset behind all of them, as far as their lengths can be believed. */
  readonly end: number
  private readonly aborted: AbortedTransaction[]
  private readonly aborting = new Set<bigint>()
  private at = 0
  private next: number

  constructor(
    private readonly bytes: Buffer,
    private readonly options: DecodeOptions,
  ) {
    this.next = options.from
    this.aborted = [...options.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
    let end = options.from
    for (let at = 0, size = this.size(at); size >= HEADER_BYTES; at += size, size = this.size(at)) end = Math.max(end, this.endOf(at))
    this.end = end
  }

  /** All have been read, but for one that is cut. */
  get done(): boolean {
    return this.size(this.at) === 0
  }

  /** Whole batches, the last of them the one with which more than `most` bytes were decompressed. */
  read(most: number): Decoded {
    const records: IncomingRecord[] = []
    let bytes = 0
    for (let size = this.size(this.at); size > 0 && bytes <= most; size = this.size(this.at)) {
      // Where the next batch begins is unknown too: whoever skips goes on by one offset.
      if (size < HEADER_BYTES) return this.damaged(records, bytes, damage('its length is too small'), this.next + 1)
      const batch = this.bytes.subarray(this.at, this.at + size)
      const end = this.endOf(this.at)
      try {
        if (this.options.verify) check(batch)
        if (end > this.next) bytes += this.decode(batch, end, records)
        this.next = Math.max(this.next, end)
      } catch (error) {
        return this.damaged(records, bytes, error as Error, Math.max(this.next + 1, end))
      }
      this.at += size
    }
    return { records, bytes, next: this.next }
  }

  private damaged(records: readonly IncomingRecord[], bytes: number, error: Error, end: number): Decoded {
    this.at = this.bytes.length
    return { records, bytes, next: this.next, damaged: { error, end } }
  }

  /** Of the batch at `at`: 0 where there is no whole one, less than a header where its length is damaged. */
  private size(at: number): number {
    if (at + HEADER_BYTES > this.bytes.length) return 0
    const size = LENGTH_AT + 4 + this.bytes.readInt32BE(at + LENGTH_AT)
    if (size < HEADER_BYTES) return 1
    return at + size > this.bytes.length ? 0 : size
  }

  private endOf(at: number): number {
    return Number(this.bytes.readBigInt64BE(at)) + this.bytes.readInt32BE(at + LAST_DELTA_AT) + 1
  }

  private decode(batch: Buffer, end: number, into: IncomingRecord[]): number {
    const { aborted, aborting, next, options } = this
    const attributes = batch.readInt16BE(ATTRIBUTES_AT)
    const producerId = batch.readBigInt64BE(PRODUCER_ID_AT)
    while (aborted[0] && aborted[0].firstOffset < end) aborting.add(aborted.shift()!.producerId)
    if (attributes & CONTROL) {
      aborting.delete(producerId)
      return 0
    }
    if (attributes & TRANSACTIONAL && aborting.has(producerId)) return 0
    return readBatch(batch, next, options.maxDecompressedBytes, into)
  }
}

const check = (batch: Buffer): void => {
  if (batch[MAGIC_AT] !== MAGIC)
    throw new KafkaError(`a record batch has format ${batch[MAGIC_AT]}, not 2`, 'permanent', 'UNSUPPORTED_FORMAT')
  if (crc32c(batch, ATTRIBUTES_AT) !== batch.readUInt32BE(CRC_AT)) throw damage('its checksum is wrong')
}

/** Bytes that were decompressed. */
const readBatch = (batch: Buffer, wanted: number, maxDecompressedBytes: number, into: IncomingRecord[]): number => {
  const base = Number(batch.readBigInt64BE(0))
  const attributes = batch.readInt16BE(ATTRIBUTES_AT)
  const first = Number(batch.readBigInt64BE(27))
  const appendTime = attributes & LOG_APPEND_TIME ? Number(batch.readBigInt64BE(35)) : undefined
  const body = decompress(attributes & CODEC_MASK, batch.subarray(HEADER_BYTES), maxDecompressedBytes)
  const reader = new Reader(body)
  const count = batch.readInt32BE(57)
  const from = into.length
  try {
    for (let index = 0; index < count; index++) {
      const record = reader.record(base, first, appendTime)
      if (record.offset >= wanted) into.push(record)
    }
  } catch (error) {
    into.length = from
    throw error
  }
  return body.length
}

const damage = (how: string): KafkaError => new KafkaError(`a record batch is damaged: ${how}`, 'permanent', 'CORRUPT_MESSAGE')
const cut = (): KafkaError => damage('a length points behind its end')

class Reader {
  private at = 0
  constructor(private readonly bytes: Buffer) {}

  record(base: number, first: number, appendTime: number | undefined): IncomingRecord {
    const length = this.varint()
    const end = this.at + length
    if (length < 0 || end > this.bytes.length) throw cut()
    this.at++
    const delta = this.varint()
    const timestamp = appendTime ?? first + delta
    const offset = base + this.varint()
    const key = this.content()
    const value = this.content()
    const count = this.varint()
    const headers: [string, Buffer | null][] = []
    for (let index = 0; index < count; index++) headers.push([this.content()?.toString() ?? '', this.content()])
    if (this.at > end) throw cut()
    this.at = end
    return { offset, timestamp, key, value, headers }
  }

  private varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++]
      if (byte === undefined || factor > 2 ** 63) throw cut()
      value += (byte & 127) * factor
      if (byte < 128) break
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  private content(): Buffer | null {
    const length = this.varint()
    if (length < 0) return null
    const from = this.at
    this.at += length
    if (this.at > this.bytes.length) throw cut()
    return this.bytes.subarray(from, this.at)
  }
}
