/**
 * Buffers of one size, used again and again. Memory touched for the first time costs the machine ten times what memory at hand does, and every
 * buffer that is left to the collector brings its next full run nearer (docs/decisions/0021).
 *
 * Whoever gives a block back promises that nobody reads it any more. One that is not given back is the collector's, which is never wrong.
 */

/** Holds the largest record of the default settings, and what one read brings. */
export const BLOCK_BYTES = 1024 * 1024
/** Blocks kept for later; a burst that needed more leaves the rest to the collector. */
const MOST_FREE = 24
/** In tests a block given back is written over at once, so that a reader who still looks shows. */
const POISON = process.env.NODE_ENV === 'test' ? 0xdd : undefined

export class BlockPool {
  private readonly free: Buffer[] = []

  /** At least `size` bytes, with anything in them. */
  take(size: number): Buffer {
    return size > BLOCK_BYTES ? Buffer.allocUnsafeSlow(size) : (this.free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES))
  }

  give(block: Buffer): void {
    if (POISON !== undefined) block.fill(POISON)
    if (block.length === BLOCK_BYTES && this.free.length < MOST_FREE) this.free.push(block)
  }

  clear(): void {
    this.free.length = 0
  }
}
