/** Records gathered while a sync is running: laid out in blocks as they will lie on disk, written and synced together. */
import { FRAME_HEADER, type Frame, frameAt, writeFrame } from './frame.js'
import type { Segment } from './segment.js'

const FIRST_BLOCK = 16 * 1024
const LARGEST_BLOCK = 1024 * 1024

/** A record to append: its body is the slices end to end. */
export interface LogRecord {
  readonly items: number
  readonly slices: readonly Uint8Array[]
}

/** Whole records as they lie in a segment. */
export interface Block {
  readonly position: number
  readonly bytes: Buffer
}

export class Group {
  readonly done: Promise<void>
  resolve!: () => void
  reject!: (error: unknown) => void
  /** Position behind the last record. */
  end: number
  items = 0
  private readonly finished: Block[] = []
  private block = Buffer.alloc(0)
  private blockStart: number
  private used = 0
  private nextBlock = FIRST_BLOCK

  constructor(
    readonly segment: Segment,
    readonly start: number,
    private readonly itemsBefore: number,
  ) {
    this.end = start
    this.blockStart = start
    this.done = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever appended looks at the outcome; a group of which nobody is left to look must not end the process.
    this.done.catch(() => {})
  }

  get bytes(): number {
    return this.end - this.start
  }

  add(records: readonly LogRecord[]): void {
    let left = 0
    for (const { slices } of records) left += FRAME_HEADER + lengthOf(slices)
    for (const { items, slices } of records) {
      const length = lengthOf(slices)
      const size = FRAME_HEADER + length
      if (this.used + size > this.block.length) this.startBlock(size, left)
      writeFrame(this.block, this.used, slices, length, items, this.itemsBefore + this.items, this.segment.salt, this.end)
      this.used += size
      this.end += size
      this.items += items
      left -= size
    }
  }

  /** Everything gathered. */
  get blocks(): readonly Block[] {
    return this.used > 0 ? [...this.finished, this.current()] : this.finished
  }

  /** A block for `size` bytes at least, and for the `left` bytes that are known to follow: memory that is not used costs as much as any. */
  private startBlock(size: number, left: number): void {
    if (this.used > 0) this.finished.push(this.current())
    this.block = Buffer.allocUnsafeSlow(Math.max(size, Math.min(Math.max(left, this.nextBlock), LARGEST_BLOCK)))
    this.nextBlock = Math.min(2 * this.nextBlock, LARGEST_BLOCK)
    this.blockStart = this.end
    this.used = 0
  }

  private current(): Block {
    return { position: this.blockStart, bytes: this.block.subarray(0, this.used) }
  }
}

const lengthOf = (slices: readonly Uint8Array[]): number => {
  let length = 0
  for (const slice of slices) length += slice.length
  return length
}

/** The records of a block from `position` on, which is where one of them begins. Trusted: the block was made here. */
export const framesOf = (block: Block, position: number): Frame[] => {
  const frames: Frame[] = []
  for (let at = position - block.position; at < block.bytes.length; ) {
    const frame = frameAt(block.bytes, at, block.position + at)
    frames.push(frame)
    at = frame.end - block.position
  }
  return frames
}

/** The blocks last made durable, so that a reader that keeps up needs no disk. Bounded in bytes. */
export class Tail {
  private blocks: Block[] = []
  private bytes = 0

  constructor(private readonly limit: number) {}

  push(blocks: readonly Block[]): void {
    for (const block of blocks) {
      this.blocks.push(block)
      this.bytes += block.bytes.length
    }
    let dropped = 0
    while (this.bytes > this.limit && dropped < this.blocks.length - 1) this.bytes -= this.blocks[dropped++]!.bytes.length
    if (dropped > 0) this.blocks = this.blocks.slice(dropped)
  }

  /** First position it holds; Infinity when it holds nothing. */
  get start(): number {
    return this.blocks[0]?.position ?? Infinity
  }

  /** Records from `position` (not before `start`) on, block by block until at least `limit` bytes are covered. */
  read(position: number, limit: number): Frame[] {
    const frames: Frame[] = []
    let covered = 0
    for (const block of this.blocks) {
      const end = block.position + block.bytes.length
      if (end <= position) continue
      if (covered >= limit) break
      const from = Math.max(position, block.position)
      for (const frame of framesOf(block, from)) frames.push(frame)
      covered += end - from
    }
    return frames
  }

  clear(): void {
    this.blocks = []
    this.bytes = 0
  }
}
