/** Where decompressed values lie, one behind the other, until nobody reads any of them: then the memory is used again. */
import { BLOCK_BYTES, type BlockPool } from '../../storage/index.js'

export class Plain {
  private readonly blocks: Buffer[] = []
  private used = BLOCK_BYTES

  constructor(private readonly pool: BlockPool) {}

  readonly place = (size: number): Buffer => {
    if (this.used + size > BLOCK_BYTES) {
      const block = this.pool.take(size)
      if (size > BLOCK_BYTES) {
        // By itself; the block before it has room for others.
        this.blocks.unshift(block)
        return block
      }
      this.blocks.push(block)
      this.used = 0
    }
    const block = this.blocks.at(-1)!
    const start = this.used
    this.used += size
    return block.subarray(start, this.used)
  }

  /** Nobody reads the values any more. */
  release(): void {
    for (const block of this.blocks) this.pool.give(block)
    this.blocks.length = 0
    this.used = BLOCK_BYTES
  }
}
