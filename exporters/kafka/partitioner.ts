/** Which partition a record goes to: by its key, exactly as other clients choose it, so that what they and we write of one key lies in one place. */

/** Java's default partitioner (org.apache.kafka.common.utils.Utils.murmur2): MurmurHash2 of 32 bits with Kafka's seed. */
export const murmur2 = (key: Uint8Array): number => {
  const { length } = key
  const view = new DataView(key.buffer, key.byteOffset, length)
  let hash = 0x9747b28c ^ length
  const whole = length & ~3
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(view.getInt32(at, true), MURMUR)
    word = Math.imul(word ^ (word >>> 24), MURMUR)
    hash = Math.imul(hash, MURMUR) ^ word
  }
  if (length > whole) {
    for (let at = length - 1; at >= whole; at--) hash ^= key[at]! << (8 * (at - whole))
    hash = Math.imul(hash, MURMUR)
  }
  hash = Math.imul(hash ^ (hash >>> 13), MURMUR)
  return hash ^ (hash >>> 15)
}
const MURMUR = 0x5bd1e995

/** FNV-1a of 32 bits. */
export const fnv1a = (key: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash | 0
}

/** Sarama's hash partitioner takes the remainder first and its sign away after; Java takes the sign bit away first. */
const BY_HASH = {
  sarama_compat: (key: Uint8Array, partitions: number) => Math.abs(fnv1a(key) % partitions),
  murmur2: (key: Uint8Array, partitions: number) => (murmur2(key) & 0x7fffffff) % partitions,
} as const

export type Hasher = keyof typeof BY_HASH

export const partitionOf = (hasher: Hasher, key: Uint8Array, partitions: number): number => BY_HASH[hasher](key, partitions)
