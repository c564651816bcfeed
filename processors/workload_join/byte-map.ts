/** A map whose keys are stretches of bytes: looked up without making a string. Keys are copied when they are added. */

interface Entry<V> {
  readonly key: Buffer
  readonly hash: number
  readonly value: V
}

export class ByteMap<V> {
  private entries: Entry<V>[] = []
  /** Open addressing: index into `entries` + 1, 0 = free. */
  private slots = new Int32Array(16)
  bytes = 0

  get size(): number {
    return this.entries.length
  }

  get(bytes: Uint8Array, start: number, end: number): V | undefined {
    const hash = hashOf(bytes, start, end)
    const mask = this.slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = this.slots[slot]!
      if (index === 0) return undefined
      const entry = this.entries[index - 1]!
      if (entry.hash === hash && sameBytes(entry.key, 0, entry.key.length, bytes, start, end)) return entry.value
    }
  }

  /** Adds a key that is not there yet. */
  add(bytes: Uint8Array, start: number, end: number, value: V): V {
    const key = Buffer.from(bytes.subarray(start, end))
    this.entries.push({ key, hash: hashOf(key, 0, key.length), value })
    this.bytes += key.length + 120
    if (this.entries.length * 2 > this.slots.length) this.index(this.slots.length * 2)
    else this.place(this.entries.length)
    return value
  }

  values(): V[] {
    return this.entries.map(({ value }) => value)
  }

  /** Forgets the keys whose value is not kept. */
  retain(keep: (value: V) => boolean): void {
    const kept = this.entries.filter(({ value }) => keep(value))
    if (kept.length === this.entries.length) return
    this.entries = kept
    this.bytes = kept.reduce((sum, { key }) => sum + key.length + 120, 0)
    this.index(this.slots.length)
  }

  private index(capacity: number): void {
    this.slots = new Int32Array(capacity)
    for (let number = 1; number <= this.entries.length; number++) this.place(number)
  }

  private place(number: number): void {
    const mask = this.slots.length - 1
    let slot = this.entries[number - 1]!.hash & mask
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask
    this.slots[slot] = number
  }
}

/** FNV-1a over 32-bit words, then bytes: fast, and good enough where keys are compared as well. */
const hashOf = (bytes: Uint8Array, start: number, end: number): number => {
  let hash = 0x811c9dc5 ^ (end - start)
  let at = start
  for (; at + 4 <= end; at += 4)
    hash = Math.imul(hash ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)), 0x01000193)
  for (; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}

/** Whether two stretches of bytes are equal. */
export const sameBytes = (a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean => {
  const length = aEnd - aStart
  if (length !== bEnd - bStart) return false
  // From the end: keys of one exporter share their beginnings.
  for (let i = length - 1; i >= 0; i--) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
