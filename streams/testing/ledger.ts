/**
 * A handler to test streams with. Facts wait, samples do not. It books each fact to its window (a late one to the earliest that is open), and a
 * fact that leaves says how much of its key's samples it saw in the SIGHT before it: state that must come out alike after any restart.
 */
import type { Handler, Moment, Release, StreamRecord, Windowing } from '../handler.js'

export const FACT = 16
export const SAMPLE = 17
/** How far back a fact looks. */
export const SIGHT = 300

export interface Told {
  readonly text: string
  /** Exactly these bytes of the value leave. */
  readonly value: Uint8Array
  readonly items: number
}

export class Ledger implements Handler<Told> {
  private readonly books = new Map<number, Map<string, number>>()
  private readonly samples = new Map<string, { time: number; items: number }[]>()
  /** No window begins before. */
  private from = -Infinity

  constructor(private windowing: Windowing) {}

  fold(record: StreamRecord, at: Moment): boolean {
    const { key, lastTime: time, items } = record
    if (key === 'poison') throw new Error('poison')
    if (record.kind === SAMPLE) {
      const samples = this.samples.get(key) ?? []
      this.samples.set(key, samples)
      samples.push({ time, items })
      return false
    }
    const earliest = Math.max(this.grid(at.watermark), this.from)
    const own = Math.max(this.grid(time), this.from)
    const book = time <= at.watermark ? `late ${key}` : key
    const start = Math.max(own, earliest)
    const books = this.books.get(start) ?? new Map<string, number>()
    this.books.set(start, books)
    books.set(book, (books.get(book) ?? 0) + items)
    return true
  }

  release(record: StreamRecord, why: Release, _folded: Moment, now: Moment): Told | undefined {
    const { key, kind, lastTime: time, items, flagged, value } = record
    if (kind === SAMPLE) return undefined
    let seen = 0
    for (const sample of this.samples.get(key) ?? [])
      if (sample.time <= time && sample.time > time - SIGHT && sample.time > now.watermark - 2 * SIGHT) seen += sample.items
    return { text: `${why} ${key}@${time} x${items} saw ${seen}${flagged ? ' flagged' : ''}`, value: Buffer.from(value), items }
  }

  close(start: number, end: number, at: Moment, _muted: boolean, cut: boolean): Told | undefined {
    for (const [key, samples] of this.samples) {
      const kept = samples.filter(({ time }) => time > at.watermark - 2 * SIGHT)
      if (kept.length > 0) this.samples.set(key, kept)
      else this.samples.delete(key)
    }
    const books = this.books.get(start)
    this.books.delete(start)
    if (!books) return undefined
    const lines = [...books].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, items]) => `${key}=${items}`)
    const items = [...books.values()].reduce((sum, each) => sum + each, 0)
    return { text: `window ${start}-${end} ${lines.join(' ')}${cut ? ' cut' : ''}`, value: new Uint8Array(0), items }
  }

  change(windowing: Windowing, from: number): void {
    this.windowing = windowing
    this.from = from
  }

  stateBytes(): number {
    let samples = 0
    for (const each of this.samples.values()) samples += each.length
    return 16 * samples + 64 * this.books.size
  }

  private grid(time: number): number {
    const { window } = this.windowing
    return Math.floor(time / window) * window
  }
}
