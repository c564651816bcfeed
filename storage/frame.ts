/**
 * One record in a segment, little endian:
 *
 *     0  u32  magic
 *     4  u32  length of the body
 *     8  u32  CRC-32 of the body
 *    12  u32  items in the body
 *    16  f64  items in all records before it, since the log began
 *    24  u32  CRC-32 of bytes 0..23, seeded with the segment's salt and the record's position
 *    28       body
 *
 * The seed makes a header valid at its own place only: bytes of a record inside another record's body (somebody logs this very file)
 * are never taken for one. The running count of items tells how many were lost where records cannot be read.
 */
import { crc32 } from 'node:zlib'

export const FRAME_HEADER = 28
const MAGIC = 0xa1f6c0de
const MAGIC_BYTES = Buffer.from([0xde, 0xc0, 0xf6, 0xa1])
const HEADER_CRC_AT = 24

/** A record as read: where it lies, what it holds. `body` is a view. */
export interface Frame {
  readonly position: number
  /** Position after it. */
  readonly end: number
  readonly items: number
  readonly itemsBefore: number
  readonly body: Buffer
}

const seed = (salt: number, position: number): number => (salt ^ (position % 0x100000000) ^ Math.floor(position / 0x100000000)) >>> 0

/** Writes header and body into `block` at `at`; the body is `length` bytes in `slices`. */
export const writeFrame = (
  block: Buffer,
  at: number,
  slices: readonly Uint8Array[],
  length: number,
  items: number,
  itemsBefore: number,
  salt: number,
  position: number,
): void => {
  let to = at + FRAME_HEADER
  for (const slice of slices) {
    block.set(slice, to)
    to += slice.length
  }
  block.writeUInt32LE(MAGIC, at)
  block.writeUInt32LE(length, at + 4)
  block.writeUInt32LE(crc32(block.subarray(at + FRAME_HEADER, to)), at + 8)
  block.writeUInt32LE(items, at + 12)
  block.writeDoubleLE(itemsBefore, at + 16)
  block.writeUInt32LE(crc32(block.subarray(at, at + HEADER_CRC_AT), seed(salt, position)), at + HEADER_CRC_AT)
}

/** Whether a whole, sound header lies at `at`. */
export const isHeader = (block: Buffer, at: number, salt: number, position: number): boolean =>
  at + FRAME_HEADER <= block.length &&
  block.readUInt32LE(at) === MAGIC &&
  crc32(block.subarray(at, at + HEADER_CRC_AT), seed(salt, position)) === block.readUInt32LE(at + HEADER_CRC_AT)

export const bodyLength = (block: Buffer, at: number): number => block.readUInt32LE(at + 4)

/** The frame whose sound header lies at `at`, whole in the block. */
export const frameAt = (block: Buffer, at: number, position: number): Frame => {
  const length = bodyLength(block, at)
  return {
    position,
    end: position + FRAME_HEADER + length,
    items: block.readUInt32LE(at + 12),
    itemsBefore: block.readDoubleLE(at + 16),
    body: block.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length),
  }
}

export const isSound = (block: Buffer, at: number): boolean => {
  const body = at + FRAME_HEADER
  return crc32(block.subarray(body, body + bodyLength(block, at))) === block.readUInt32LE(at + 8)
}

/** The next place at or behind `at` where a sound header begins; -1 when there is none in the block. `base` is the position of the block's first byte. */
export const findHeader = (block: Buffer, at: number, salt: number, base: number): number => {
  for (let found = block.indexOf(MAGIC_BYTES, at); found >= 0; found = block.indexOf(MAGIC_BYTES, found + 1))
    if (isHeader(block, found, salt, base + found)) return found
  return -1
}
