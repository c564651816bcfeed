/** Whole lines out of chunks that end where the network ended them. */
import { ExpositionError } from './error.js'

const NEWLINE = 0x0a

/** No honest line comes near: 128 labels of 4 KiB. Bounds what a line without end can hold in memory. */
const LONGEST_LINE = 1024 * 1024

/**
 * `feed` hands on pieces of a body that each end with a newline; the start of an unfinished line is kept until its end arrives.
 * Only lines that lie across two chunks are copied.
 */
export class Lines {
  private held: Buffer[] = []
  private heldBytes = 0

  constructor(private readonly take: (bytes: Buffer, start: number, end: number) => void) {}

  /** Throws ExpositionError when a line is longer than 1 MiB, and what `take` throws. The chunk must not change afterwards. */
  feed(chunk: Buffer): void {
    const last = chunk.lastIndexOf(NEWLINE)
    if (last < 0) {
      this.hold(chunk)
      return
    }
    let start = 0
    if (this.heldBytes > 0) {
      start = chunk.indexOf(NEWLINE) + 1
      this.hold(chunk.subarray(0, start))
      this.flush()
    }
    if (start <= last) this.take(chunk, start, last + 1)
    if (last + 1 < chunk.length) this.hold(Buffer.from(chunk.subarray(last + 1)))
  }

  /** The body is over. True when its last line ended with a newline, as it must. */
  end(): boolean {
    if (this.heldBytes === 0) return true
    this.held.push(Buffer.of(NEWLINE))
    this.heldBytes++
    this.flush()
    return false
  }

  private hold(bytes: Buffer): void {
    this.held.push(bytes)
    this.heldBytes += bytes.length
    if (this.heldBytes > LONGEST_LINE) throw new ExpositionError('a line is longer than 1 MiB', 'line_too_long')
  }

  private flush(): void {
    const line = this.held.length === 1 ? this.held[0]! : Buffer.concat(this.held, this.heldBytes)
    this.held = []
    this.heldBytes = 0
    this.take(line, 0, line.length)
  }
}
