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

const joined = (parts: readonly Raw[], last: Raw): Raw => ({
  ...last,
  offset: parts[0]!.offset,
  value: Buffer.concat([...parts, last].map(part => part.value)),
})

/** Reads one partition's records in order and gives whole items. */
export class Assembly {
  private waiting: Raw[] = []
  /** Items whose parts did not all arrive, since the last call of `takeLost`. */
  private lost = 0

  /** The whole item, or undefined while parts are missing. */
  add(raw: Raw): Raw | undefined {
    if (raw.parts === 1) {
      this.waiting = []
      return raw
    }
    if (raw.part === 0) this.waiting = []
    const whole = this.waiting.length === raw.part
    if (raw.part < raw.parts - 1) {
      // It waits for later reads, which may write over what this one was handed.
      if (whole) this.waiting.push({ ...raw, value: Buffer.from(raw.value) })
      return undefined
    }
    const parts = this.waiting
    this.waiting = []
    if (!whole) {
      this.lost += raw.items
      return undefined
    }
    return joined(parts, raw)
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
