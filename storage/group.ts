/** Records gathered while a sync is running: laid out in blocks as they will lie on disk, written and synced together. */
import type { BlockPool } from './blocks.js'
import { FRAME_HEADER, writeFrame } from './frame.js'
import type { Segment } from './segment.js'

/** A record to append: its body is the slices end to end. */
export interface LogRecord {
  readonly items: number
  readonly slices: readonly Uint8Array[]
}

/** A block while records are laid into it, by one group after the other. */
export class OpenBlock {
  used = 0
  /** Pieces that somebody may still read or write to disk. */
  pieces = 0
  /** Nothing more is laid into it. */
  full = false

  constructor(
    readonly bytes: Buffer,
    private readonly pool: BlockPool,
  ) {}

  /** When the last piece is done with, the block is used again. */
  settle(): void {
    if (this.full && this.pieces === 0) this.pool.give(this.bytes)
  }
}

/** Whole records as they lie in a segment: a stretch of a block. */
export interface Piece {
  readonly position: number
  readonly bytes: Buffer
  readonly block: OpenBlock
}

/** Where the next record is laid, in whichever group. */
export class Layout {
  private block: OpenBlock | undefined

  constructor(private readonly pool: BlockPool) {}

  /** A block with room for `size` bytes behind what is used. */
  room(size: number): OpenBlock {
    const { block } = this
    if (block && block.used + size <= block.bytes.length) return block
    if (block) {
      block.full = true
      block.settle()
    }
    this.block = new OpenBlock(this.pool.take(size), this.pool)
    return this.block
  }
}

export class Group {
  readonly done: Promise<void>
  resolve!: () => void
  reject!: (error: unknown) => void
  /** Position behind the last record. */
  end: number
  items = 0
  private readonly finished: Piece[] = []
  private block: OpenBlock | undefined
  /** Where the piece that grows begins: on the log, and in its block. */
  private pieceStart: number
  private pieceAt = 0

  constructor(
    readonly segment: Segment,
    readonly start: number,
    private readonly itemsBefore: number,
    private readonly layout: Layout,
  ) {
    this.end = start
    this.pieceStart = start
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
    for (const { items, slices } of records) {
      const length = lengthOf(slices)
      const size = FRAME_HEADER + length
      const block = this.layout.room(size)
      if (block !== this.block) this.startPiece(block)
      writeFrame(block.bytes, block.used, slices, length, items, this.itemsBefore + this.items, this.segment.salt, this.end)
      block.used += size
      this.end += size
      this.items += items
    }
  }

  /** Everything gathered; nothing is added after this. */
  finish(): readonly Piece[] {
    if (this.end > this.pieceStart) this.finishPiece()
    return this.finished
  }

  private startPiece(block: OpenBlock): void {
    if (this.end > this.pieceStart) this.finishPiece()
    block.pieces++
    this.block = block
    this.pieceStart = this.end
    this.pieceAt = block.used
  }

  private finishPiece(): void {
    const { block, pieceAt, pieceStart } = this
    this.finished.push({ position: pieceStart, bytes: block!.bytes.subarray(pieceAt, pieceAt + this.end - pieceStart), block: block! })
    this.pieceStart = this.end
    this.block = undefined
  }
}

const lengthOf = (slices: readonly Uint8Array[]): number => {
  let length = 0
  for (const slice of slices) length += slice.length
  return length
}
