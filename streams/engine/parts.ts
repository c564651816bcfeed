/** Items that lie in several records (rule 2): cut when appended, laid together when read. A part has no effect before its last one. */
import type { Outgoing, Raw } from '../driver.js'

/** Cuts a record into parts of at most `max` bytes of value; one that fits comes back as it is. Only the last part carries items, so sums stay true. */
export const cutInParts = (record: Outgoing, bytes: number, max: number): readonly Outgoing[] => {
  if (bytes <= max) return [record]
  const parts = Math.ceil(bytes / max)
  const cuts: Uint8Array[][] = Array.from({ length: parts }, () => [])
  let at = 0
  for (const slice of record.value) {
    for (let from = 0; from < slice.length; ) {
      const part = Math.floor(at / max)
      const length = Math.min(slice.length - from, (part + 1) * max - at)
      cuts[part]!.push(slice.subarray(from, from + length))
      from += length
      at += length
    }
  }
  return cuts.map((value, part) => ({ ...record, value, part, parts, items: part === parts - 1 ? record.items : 0 }))
}

/**
 * Where nothing lies between the parts the item begins at the first one, so that its extent holds all of them. Else (another sender's records lie there) it is
 * its last part: time passes from record to record, and what was taken in between came before it.
 */
const joined = (parts: readonly Raw[], last: Raw): Raw => {
  const all = [...parts, last]
  const together = parts.every((part, index) => part.end === all[index + 1]!.offset)
  return { ...last, offset: together ? parts[0]!.offset : last.offset, value: Buffer.concat(all.map(part => part.value)) }
}

/** Senders whose unfinished items are kept, per partition: one that dies in the middle never finishes. */
const MOST_UNFINISHED = 16

/** Reads one partition's records in order and gives whole items. */
export class Assembly {
  /** By sender. */
  private readonly unfinished = new Map<number, Raw[]>()
  /** Items whose parts did not all arrive, since the last call of `takeLost`. */
  private lost = 0

  /** The whole item, or undefined while parts are missing. */
  add(raw: Raw): Raw | undefined {
    const { sender } = raw
    const parts = (raw.part > 0 && this.unfinished.get(sender)) || []
    this.unfinished.delete(sender)
    if (raw.parts === 1) return raw
    const whole = parts.length === raw.part
    if (raw.part === raw.parts - 1) {
      if (whole) return joined(parts, raw)
      this.lost += raw.items
    } else if (whole) {
      // It waits for later reads, which may write over what this one was handed.
      this.unfinished.set(sender, [...parts, { ...raw, value: Buffer.from(raw.value) }])
      if (this.unfinished.size > MOST_UNFINISHED) this.unfinished.delete(this.unfinished.keys().next().value!)
    }
    return undefined
  }

  takeLost(): number {
    const { lost } = this
    this.lost = 0
    return lost
  }
}

/** The whole item of an extent read again; undefined when something of it is gone. */
export const assembled = (records: readonly Raw[]): Raw | undefined => {
  const assembly = new Assembly()
  let whole: Raw | undefined
  for (const record of records) whole = assembly.add(record)
  return whole
}
