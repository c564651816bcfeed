/** A hash table whose keys are bytes, looked up in a buffer that holds them somewhere: no string is made. */

export interface Entry {
  /** The key is `bytes[start, end)`. */
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
  readonly hash: number
  /** The next entry of the same bucket; the table's own. */
  chain: Entry | undefined
}

/** FNV-1a from `seed`, which a process draws by chance, so that nobody can prepare keys that collide. */
export const hashOf = (bytes: Uint8Array, start: number, end: number, seed: number): number => {
  let hash = seed
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  return hash ^ (hash >>> 15)
}

export class ByteTable<E extends Entry> {
  size = 0
  private buckets: (E | undefined)[] = new Array(4).fill(undefined)

  /** `hash` is that of `bytes[start, end)`. */
  find(bytes: Buffer, start: number, end: number, hash: number): E | undefined {
    let entry = this.buckets[hash & (this.buckets.length - 1)]
    for (; entry; entry = entry.chain as E | undefined)
      if (entry.hash === hash && bytes.compare(entry.bytes, entry.start, entry.end, start, end) === 0) return entry
    return undefined
  }

  /** The caller has looked: no entry with this key is there. */
  add(entry: E): void {
    if (++this.size > this.buckets.length) this.grow()
    this.link(entry)
  }

  delete(entry: E): void {
    const index = entry.hash & (this.buckets.length - 1)
    let before: Entry | undefined
    for (let each: Entry | undefined = this.buckets[index]; each; before = each, each = each.chain) {
      if (each !== entry) continue
      if (before) before.chain = entry.chain
      else this.buckets[index] = entry.chain as E | undefined
      entry.chain = undefined
      this.size--
      return
    }
  }

  private link(entry: E): void {
    const index = entry.hash & (this.buckets.length - 1)
    entry.chain = this.buckets[index]
    this.buckets[index] = entry
  }

  private grow(): void {
    const old = this.buckets
    this.buckets = new Array(old.length * 2).fill(undefined)
    for (let entry of old)
      while (entry) {
        const next: E | undefined = entry.chain as E | undefined
        this.link(entry)
        entry = next
      }
  }
}
