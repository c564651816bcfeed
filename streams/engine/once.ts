/**
 * Fingerprints seen within a horizon of stream time (rule 11). Open addressing in typed arrays, 20 bytes a slot, one table per quarter of the
 * horizon, so that expiry drops a table and costs nothing per entry. Exact: each entry knows its time.
 */

const WORDS = 5
const FIRST_SLOTS = 64
const GENERATIONS = 4

class Table {
  private slots = FIRST_SLOTS
  private words = new Uint32Array(FIRST_SLOTS * WORDS)
  private count = 0

  constructor(readonly generation: number) {}

  get bytes(): number {
    return this.words.byteLength
  }

  /** Milliseconds + 1 after the generation's start at which it was seen; 0 = not here. */
  find(a: number, b: number, c: number, d: number): number {
    const { words } = this
    const mask = this.slots - 1
    for (let slot = a & mask; ; slot = (slot + 1) & mask) {
      const at = slot * WORDS
      const time = words[at + 4]!
      if (time === 0 || (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d)) return time
    }
  }

  add(a: number, b: number, c: number, d: number, time: number): void {
    if (3 * ++this.count > 2 * this.slots) this.grow()
    this.place(this.words, this.slots - 1, a, b, c, d, time)
  }

  private place(words: Uint32Array, mask: number, a: number, b: number, c: number, d: number, time: number): void {
    let at = (a & mask) * WORDS
    while (words[at + 4] !== 0) at = (at + WORDS) % words.length
    words[at] = a
    words[at + 1] = b
    words[at + 2] = c
    words[at + 3] = d
    words[at + 4] = time
  }

  private grow(): void {
    const { words } = this
    this.slots *= 2
    const larger = new Uint32Array(this.slots * WORDS)
    for (let at = 0; at < words.length; at += WORDS)
      if (words[at + 4] !== 0)
        this.place(larger, this.slots - 1, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, words[at + 4]!)
    this.words = larger
  }
}

export class Once {
  private readonly span: number
  /** Oldest first. */
  private tables: Table[] = []

  constructor(public horizon: number) {
    this.span = Math.max(1, Math.ceil(horizon / GENERATIONS))
  }

  get bytes(): number {
    return this.tables.reduce((sum, table) => sum + table.bytes, 0)
  }

  /** Whether the 16 bytes were seen at most `horizon` ago; if not, they are from now on. `now` is stream time and never goes back. */
  seen(fingerprint: Uint8Array, now: number): boolean {
    const a = word(fingerprint, 0)
    const b = word(fingerprint, 4)
    const c = word(fingerprint, 8)
    const d = word(fingerprint, 12)
    const { tables, span } = this
    while (tables.length > 0 && (tables[0]!.generation + 1) * span <= now - this.horizon) tables.shift()
    for (let at = tables.length - 1; at >= 0; at--) {
      const table = tables[at]!
      const time = table.find(a, b, c, d)
      // The newest sighting that counts lies in the newest table that has one.
      if (time !== 0) {
        if (table.generation * span + time - 1 >= now - this.horizon) return true
        break
      }
    }
    const generation = Math.floor(now / span)
    let current = tables.at(-1)
    if (current?.generation !== generation) tables.push((current = new Table(generation)))
    current.add(a, b, c, d, Math.floor(now) - generation * span + 1)
    return false
  }
}

const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
