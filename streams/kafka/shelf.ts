/** Records that wait, by partition and offset: their values as they came, compressed (rule 15). */
import type { Place } from '../../kafka/index.js'
import type { Raw } from '../driver.js'
import { type Packed, unpack } from './record.js'

interface Kept {
  readonly raw: Omit<Raw, 'value'>
  readonly packed: Packed
}

export class Shelf {
  private readonly partitions = new Map<number, Map<number, Kept>>()

  /** Bytes that it takes. They are copied: what came lies in a buffer together with much else. */
  put(record: Raw, { bytes, compressed }: Packed): number {
    const { partition, offset, end, appendTime, key, kind, firstTime, lastTime, items, sender } = record
    const fingerprint = record.fingerprint && Buffer.from(record.fingerprint)
    // An item that came in parts is whole now.
    const raw = { partition, offset, end, appendTime, key, kind, firstTime, lastTime, items, sender, fingerprint, part: 0, parts: 1 }
    let kept = this.partitions.get(partition)
    if (!kept) this.partitions.set(partition, (kept = new Map()))
    kept.set(offset, { raw, packed: { bytes: Buffer.from(bytes), compressed } })
    return bytes.length
  }

  /** Its value comes to lie at a `place`. */
  get(partition: number, offset: number, place: Place): Raw | undefined {
    const kept = this.partitions.get(partition)?.get(offset)
    const value = kept && unpack(kept.packed, place)
    return value && { ...kept.raw, value }
  }

  remove(partition: number, offset: number): void {
    this.partitions.get(partition)?.delete(offset)
  }
}
