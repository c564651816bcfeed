/**
 * One small value that is replaced atomically: a file with two slots of equal size, written in turn. A crash in the middle of a write damages
 * the slot that was written; the other still holds the value before. The file is laid out at once, so replacing needs no space and no rename.
 *
 *     0  u32  CRC-32 of the rest of the slot's head and of the value
 *     4  u32  length of the value
 *     8  f64  sequence: the higher of two sound slots holds
 *    16       value
 */
import { crc32 } from 'node:zlib'
import type { File, Files } from './files.js'

const HEAD = 16

export class Cell {
  private constructor(
    private readonly file: File,
    private readonly slotBytes: number,
    private sequence: number,
    /** The value at open; undefined when the cell is new. */
    readonly initial: Buffer | undefined,
    /** Neither slot could be read, though the cell was written before. */
    readonly damaged: boolean,
  ) {}

  /** `slotBytes` counts for a new file only; values must fit. */
  static async open(files: Files, directory: string, name: string, slotBytes: number): Promise<Cell> {
    const file = await files.open(`${directory}/${name}`)
    const size = await file.size()
    const bytes = Buffer.alloc(size)
    await file.read(bytes, 0)
    const slot = Math.floor(size / 2)
    const newest = newer(readSlot(bytes.subarray(0, slot)), readSlot(bytes.subarray(slot)))
    if (newest) return new Cell(file, slot, newest.sequence, newest.value, false)
    await file.write([Buffer.alloc(2 * slotBytes)], 0)
    await file.truncate(2 * slotBytes)
    await file.sync()
    await files.syncDirectory(directory)
    return new Cell(
      file,
      slotBytes,
      0,
      undefined,
      bytes.some(byte => byte !== 0),
    )
  }

  /** Resolves when the value is durable. After a rejection the value before still holds. One call at a time. */
  async write(value: Uint8Array): Promise<void> {
    if (HEAD + value.length > this.slotBytes)
      throw new RangeError(`a value of ${value.length} bytes does not fit a slot of ${this.slotBytes}`)
    const sequence = this.sequence + 1
    const bytes = Buffer.alloc(HEAD + value.length)
    bytes.writeUInt32LE(value.length, 4)
    bytes.writeDoubleLE(sequence, 8)
    bytes.set(value, HEAD)
    bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
    await this.file.write([bytes], (sequence % 2) * this.slotBytes)
    await this.file.sync()
    this.sequence = sequence
  }

  close(): Promise<void> {
    return this.file.close()
  }
}

interface Slot {
  readonly sequence: number
  readonly value: Buffer
}

const newer = (a: Slot | undefined, b: Slot | undefined): Slot | undefined => (a && b ? (a.sequence > b.sequence ? a : b) : (a ?? b))

const readSlot = (slot: Buffer): Slot | undefined => {
  if (slot.length < HEAD) return undefined
  const length = slot.readUInt32LE(4)
  if (HEAD + length > slot.length || crc32(slot.subarray(4, HEAD + length)) !== slot.readUInt32LE(0)) return undefined
  const sequence = slot.readDoubleLE(8)
  return sequence > 0 ? { sequence, value: slot.subarray(HEAD, HEAD + length) } : undefined
}
