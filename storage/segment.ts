/**
 * One file of the log. Its header stands twice, so that one flipped bit does not cost a segment; little endian, 64 bytes a copy:
 *
 *     0  8 bytes  "AIFGLOG" and the version, 1
 *     8  f64      base: position of the first record
 *    16  f64      items in all records before the segment
 *    24  f64      where sound records end in what lies before the segment: behind it lie records whose write or sync failed
 *    32  u32      salt of the record headers
 *    60  u32      CRC-32 of bytes 0..59
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { File, Files } from './files.js'
import { bodyLength, FRAME_HEADER, type Frame, findHeader, frameAt, isHeader, isSound } from './frame.js'

const COPY = 64
export const SEGMENT_HEADER = 2 * COPY
const NAME = Buffer.from('AIFGLOG\x01', 'latin1')
const CRC_AT = 60
const READ_BYTES = 1024 * 1024
const PAGE = 4096
export const SEGMENT_NAME = /^([0-9a-f]{14})\.log$/

export const segmentName = (base: number): string => `${base.toString(16).padStart(14, '0')}.log`

interface Header {
  readonly base: number
  readonly itemsBefore: number
  previousEnd: number
  readonly salt: number
}

export interface Scan {
  readonly frames: Frame[]
  /** Where to go on; the segment's end when nothing follows. */
  readonly next: number
  /** Bytes in which no sound record was found. */
  readonly damaged: number
}

export class Segment {
  /** Position behind the last durable record. */
  end: number
  private opening: Promise<File> | undefined
  private removed = false

  private constructor(
    private readonly files: Files,
    readonly path: string,
    readonly header: Header,
    end: number,
  ) {
    this.end = end
  }

  /** A segment to be written; its file is made by the first write. */
  static create(files: Files, directory: string, base: number, itemsBefore: number): Segment {
    const salt = randomBytes(4).readUInt32LE()
    return new Segment(files, join(directory, segmentName(base)), { base, itemsBefore, previousEnd: base, salt }, base)
  }

  /** The segment in an existing file, up to the file's end; undefined when both copies of its header are damaged. */
  static async open(files: Files, directory: string, name: string): Promise<Segment | undefined> {
    const path = join(directory, name)
    const file = await files.open(path)
    const size = await file.size()
    const bytes = Buffer.alloc(SEGMENT_HEADER)
    await file.read(bytes, 0)
    const header = readHeader(bytes, 0) ?? readHeader(bytes, COPY)
    if (!header) {
      await file.close()
      return undefined
    }
    const segment = new Segment(files, path, header, header.base + Math.max(0, size - SEGMENT_HEADER))
    segment.opening = Promise.resolve(file)
    return segment
  }

  get base(): number {
    return this.header.base
  }

  get salt(): number {
    return this.header.salt
  }

  /** Where sound records end in what lies before. Set before the first write. */
  get previousEnd(): number {
    return this.header.previousEnd
  }

  set previousEnd(position: number) {
    this.header.previousEnd = position
  }

  /** Bytes on disk. */
  get size(): number {
    return this.end - this.base + SEGMENT_HEADER
  }

  /** Writes blocks at a position; the first write brings the header along. */
  async write(blocks: readonly Uint8Array[], position: number): Promise<void> {
    const file = await this.file()
    if (position === this.base) await file.write([writeHeader(this.header), ...blocks], 0)
    else await file.write(blocks, SEGMENT_HEADER + position - this.base)
  }

  async sync(): Promise<void> {
    await (await this.file()).sync()
  }

  /** Bytes from `from` on, as many as `into` holds and the file has. What the disk cannot read comes back as zeros, which are no record. */
  async read(from: number, into: Buffer): Promise<Buffer> {
    const at = SEGMENT_HEADER + from - this.base
    const file = await this.file()
    try {
      return into.subarray(0, await file.read(into, at))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
      return readPiecewise(file, into, at)
    }
  }

  /** The records from `position` on, as many as `into` holds; one that it cannot hold gets a buffer of its own. Damaged ones are stepped over. */
  async scan(position: number, into: Buffer = Buffer.allocUnsafeSlow(READ_BYTES)): Promise<Scan> {
    const from = Math.max(position, this.base)
    const to = Math.min(this.end, from + into.length)
    const block = await this.read(from, into.subarray(0, to - from))
    if (block.length < to - from) this.end = from + block.length
    const scan = scanBlock(block, from, this.salt, this.end)
    if (scan.next > from || from >= this.end) return scan
    const length = FRAME_HEADER + bodyLength(block, 0)
    const whole = await this.read(from, Buffer.allocUnsafeSlow(length))
    if (from + whole.length < this.end && whole.length < length) this.end = from + whole.length
    return scanBlock(whole, from, this.salt, this.end)
  }

  /** Forgets everything behind `end`. */
  async cut(end: number): Promise<void> {
    this.end = end
    const file = await this.file()
    await file.truncate(SEGMENT_HEADER + end - this.base)
    await file.sync()
  }

  async remove(): Promise<void> {
    this.removed = true
    await this.close()
    await this.files.remove(this.path)
  }

  async close(): Promise<void> {
    const { opening } = this
    this.opening = undefined
    await (await opening?.catch(() => undefined))?.close()
  }

  private file(): Promise<File> {
    if (this.removed) return Promise.reject(new Error(`${this.path} was freed`))
    this.opening ??= this.files.open(this.path)
    return this.opening
  }
}

/** Around a bad sector: all but its page. */
const readPiecewise = async (file: File, bytes: Buffer, position: number): Promise<Buffer> => {
  const size = await file.size()
  for (let at = 0; at < bytes.length; at += PAGE) {
    const piece = bytes.subarray(at, at + PAGE)
    await file.read(piece, position + at).catch(() => piece.fill(0))
  }
  return bytes.subarray(0, Math.max(0, Math.min(bytes.length, size - position)))
}

const writeHeader = ({ base, itemsBefore, previousEnd, salt }: Header): Buffer => {
  const bytes = Buffer.alloc(SEGMENT_HEADER)
  NAME.copy(bytes)
  bytes.writeDoubleLE(base, 8)
  bytes.writeDoubleLE(itemsBefore, 16)
  bytes.writeDoubleLE(previousEnd, 24)
  bytes.writeUInt32LE(salt, 32)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, CRC_AT)), CRC_AT)
  bytes.copy(bytes, COPY, 0, COPY)
  return bytes
}

const readHeader = (bytes: Buffer, at: number): Header | undefined => {
  const copy = bytes.subarray(at, at + COPY)
  if (crc32(copy.subarray(0, CRC_AT)) !== copy.readUInt32LE(CRC_AT) || !copy.subarray(0, NAME.length).equals(NAME)) return undefined
  return { base: copy.readDoubleLE(8), itemsBefore: copy.readDoubleLE(16), previousEnd: copy.readDoubleLE(24), salt: copy.readUInt32LE(32) }
}

/** The sound records in a block whose first byte lies at `from`. `end`: position behind the last byte of the segment. */
const scanBlock = (block: Buffer, from: number, salt: number, end: number): Scan => {
  const frames: Frame[] = []
  const atEnd = from + block.length >= end
  let at = 0
  let damaged = 0
  while (at < block.length) {
    if (!isHeader(block, at, salt, from + at)) {
      if (!atEnd && at + FRAME_HEADER > block.length) break
      const found = findHeader(block, at + 1, salt, from)
      // Without another header in sight: all of it, but for what could be the front of a header.
      const stop = found >= 0 ? found : atEnd ? block.length : Math.max(at + 1, block.length - FRAME_HEADER + 1)
      damaged += stop - at
      at = stop
      continue
    }
    const whole = at + FRAME_HEADER + bodyLength(block, at)
    if (whole > block.length) {
      if (from + whole <= end) break
      // It says it is longer than the segment: torn, or its length is a lie that the checksum happens to confirm.
      damaged += FRAME_HEADER
      at += FRAME_HEADER
      continue
    }
    if (isSound(block, at)) frames.push(frameAt(block, at, from + at))
    else damaged += whole - at
    at = whole
  }
  return { frames, next: from + at, damaged }
}
