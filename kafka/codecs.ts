/** Compression of record batches. Whoever decompresses says how much may come out: a small batch can hold a very large one. */
import * as zlib from 'node:zlib'
import { Decompress } from 'fzstd'
import { compressFrameSync, decompressFrameSync } from 'lz4-napi'
import { compressSync, uncompressSync } from 'snappy'
import type { Compression } from './client.js'
import { KafkaError } from './errors.js'

/** By the number in a batch's attributes. */
const NAMES: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
export const codecNumber = (compression: Compression): number => NAMES.indexOf(compression)

/** Node has zstd from 22.15 on. */
interface MaybeZstd {
  zstdCompressSync?(bytes: Uint8Array): Buffer
  zstdDecompressSync?(bytes: Uint8Array, options: { maxOutputLength: number }): Buffer
}
const { zstdCompressSync, zstdDecompressSync } = zlib as MaybeZstd

const tooLarge = (limit: number): KafkaError =>
  new KafkaError(
    `a record batch has more than ${limit} bytes when decompressed; raise the limit to read it`,
    'permanent',
    'BATCH_TOO_LARGE',
  )

/** snappy-java's framing, which Java clients write: this, two versions, then chunks of a length and a block. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const XERIAL_HEADER = 16

/** A snappy block begins with its length when decompressed. */
const snappyLength = (block: Buffer): number => {
  let length = 0
  for (let at = 0, factor = 1; at < 5; at++, factor *= 128) {
    const byte = block[at] ?? 0
    length += (byte & 0x7f) * factor
    if (byte < 128) break
  }
  return length
}

const snappyBlocks = (bytes: Buffer): Buffer[] => {
  if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return [bytes]
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    blocks.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return blocks
}

const fromSnappy = (bytes: Buffer, limit: number): Buffer => {
  const blocks = snappyBlocks(bytes)
  if (blocks.reduce((sum, block) => sum + snappyLength(block), 0) > limit) throw tooLarge(limit)
  const parts = blocks.map(block => uncompressSync(block) as Buffer)
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

const toSnappy = (bytes: Buffer): Buffer => {
  const block = compressSync(bytes)
  const header = Buffer.alloc(XERIAL_HEADER + 4)
  XERIAL.copy(header)
  header.writeInt32BE(1, 8)
  header.writeInt32BE(1, 12)
  header.writeInt32BE(block.length, XERIAL_HEADER)
  return Buffer.concat([header, block])
}

/** The most that can come out of an LZ4 frame, from its block lengths: no block exceeds the frame's block size, nor 255 times what it has. */
const lz4Most = (frame: Buffer): number => {
  const flags = frame[4] ?? 0
  const blockSize = 1 << (8 + 2 * (((frame[5] ?? 0) >> 4) & 7))
  const checksum = flags & 0x10 ? 4 : 0
  let most = 0
  for (let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0); at + 4 <= frame.length; ) {
    const length = frame.readUInt32LE(at) & 0x7fffffff
    if (length === 0) break
    most += Math.min(blockSize, length * 255)
    at += 4 + length + checksum
  }
  return most
}

const fromLz4 = (bytes: Buffer, limit: number): Buffer => {
  if (lz4Most(bytes) > limit) throw tooLarge(limit)
  return decompressFrameSync(bytes)
}

const fromZstd = (bytes: Buffer, limit: number): Buffer => {
  if (zstdDecompressSync) return zstdDecompressSync(bytes, { maxOutputLength: limit })
  const parts: Uint8Array[] = []
  let length = 0
  const stream = new Decompress(part => {
    length += part.length
    if (length > limit) throw tooLarge(limit)
    parts.push(part)
  })
  stream.push(bytes, true)
  return Buffer.concat(parts)
}

const limited = (decompress: () => Buffer, limit: number): Buffer => {
  try {
    return decompress()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    throw error
  }
}

export const decompress = (codec: number, bytes: Buffer, limit: number): Buffer => {
  switch (NAMES[codec]) {
    case 'gzip':
      return limited(() => zlib.gunzipSync(bytes, { maxOutputLength: limit }), limit)
    case 'snappy':
      return fromSnappy(bytes, limit)
    case 'lz4':
      return fromLz4(bytes, limit)
    case 'zstd':
      return limited(() => fromZstd(bytes, limit), limit)
    case 'none':
      return bytes
    default:
      throw new KafkaError(`a record batch is compressed by an unknown codec (${codec})`, 'permanent', 'UNSUPPORTED_COMPRESSION_TYPE')
  }
}

/** Throws when this Node cannot. */
export const compress = (compression: Compression, bytes: Buffer): Buffer => {
  switch (compression) {
    case 'gzip':
      return zlib.gzipSync(bytes)
    case 'snappy':
      return toSnappy(bytes)
    case 'lz4':
      return compressFrameSync(bytes)
    case 'zstd':
      if (!zstdCompressSync)
        throw new KafkaError(
          'compression zstd needs Node 22.15 or later; use lz4, snappy or gzip',
          'permanent',
          'UNSUPPORTED_COMPRESSION_TYPE',
        )
      return zstdCompressSync(bytes)
    default:
      return bytes
  }
}
