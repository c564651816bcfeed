/** The pieces last made durable, so that a reader that keeps up needs no disk. */
import { type Frame, frameAt } from './frame.js'
import type { Piece } from './group.js'

export class Tail {
  private pieces: Piece[] = []
  private bytes = 0

  /** `limit`: bytes kept for a reader that has fallen behind; what it then misses lies on disk. */
  constructor(private readonly limit: number) {}

  push(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      this.pieces.push(piece)
      this.bytes += piece.bytes.length
    }
    let dropped = 0
    // Their blocks are not given back: the reader may be looking at them.
    while (this.bytes > this.limit && dropped < this.pieces.length - 1) this.bytes -= this.pieces[dropped++]!.bytes.length
    if (dropped > 0) this.pieces = this.pieces.slice(dropped)
  }

  /** First position it holds; Infinity when it holds nothing. */
  get start(): number {
    return this.pieces[0]?.position ?? Infinity
  }

  /** Records from `position` (not before `start`) on, piece by piece until at least `limit` bytes are covered. */
  read(position: number, limit: number): Frame[] {
    const frames: Frame[] = []
    let covered = 0
    for (const piece of this.pieces) {
      const end = piece.position + piece.bytes.length
      if (end <= position) continue
      if (covered >= limit) break
      const from = Math.max(position, piece.position)
      framesOf(piece, from, frames)
      covered += end - from
    }
    return frames
  }

  /** Nobody looks any more at what lies before `position`: whole pieces there go back. */
  passed(position: number): void {
    let passed = 0
    for (const { position: from, bytes, block } of this.pieces) {
      if (from + bytes.length > position) break
      passed++
      this.bytes -= bytes.length
      block.pieces--
      block.settle()
    }
    if (passed > 0) this.pieces.splice(0, passed)
  }

  clear(): void {
    this.pieces = []
    this.bytes = 0
  }
}

/** The records of a piece from `position` on, which is where one of them begins. Trusted: the piece was made here. */
const framesOf = ({ bytes, position: base }: Piece, position: number, frames: Frame[]): void => {
  for (let at = position - base; at < bytes.length; ) {
    const frame = frameAt(bytes, at, base + at)
    frames.push(frame)
    at = frame.end - base
  }
}
