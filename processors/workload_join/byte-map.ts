/** A map whose keys are stretches of bytes: looked up without making a string. Keys are copied when they are added. */
import { sameBytes } from '../../proto/wire.js'

export class ByteMap<V> {
  /** An entry a place. */
  private keys: Uint8Array[] = []
  private hashes: number[] = []
  private kept: V[] = []
  /** Open addressing: index of an entry + 1, 0 = free. */
  private slots = new Int32Array(16)
  bytes = 0

  get size(): number {
    return this.keys.length
  }

  get(bytes: Uint8Array, start: number, end: number): V | undefined {
    const hash = hashOf(bytes, start, end)
    const mask = this.slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = this.slots[slot]! - 1
      if (index < 0) return undefined
      const key = this.keys[index]!
      if (this.hashes[index] === hash && sameBytes(key, 0, key.length, bytes, start, end)) return this.kept[index]
    }
  }

  /** Adds a key that is not there yet, with what `make` makes of the map's own copy of it. */
  add(bytes: Uint8Array, start: number, end: number, make: (key: Uint8Array) => V): V {
    const key = Buffer.from(bytes.subarray(start, end))
    const value = make(key)
    this.keys.push(key)
    this.hashes.push(hashOf(key, 0, key.length))
    this.kept.push(value)
    this.bytes += key.length + 120
    if (this.keys.length * 2 > this.slots.length) this.index(this.slots.length * 2)
    else this.place(this.keys.length - 1)
    return value
  }

  values(): readonly V[] {
    return this.kept
  }

  /** Forgets the keys whose value is not kept. */
  retain(keep: (value: V) => boolean): void {
    let count = 0
    for (let index = 0; index < this.keys.length; index++) {
      const key = this.keys[index]!
      if (!keep(this.kept[index]!)) {
        this.bytes -= key.length + 120
        continue
      }
      this.keys[count] = key
      this.hashes[count] = this.hashes[index]!
      this.kept[count++] = this.kept[index]!
    }
    if (count === this.keys.length) return
    this.keys.length = this.hashes.length = this.kept.length = count
    this.index(this.slots.length)
  }

  private index(capacity: number): void {
    this.slots = new Int32Array(capacity)
    for (let index = 0; index < this.keys.length; index++) this.place(index)
  }

  private place(index: number): void {
    const mask = this.slots.length - 1
    let slot = this.hashes[index]! & mask
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask
    this.slots[slot] = index + 1
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
