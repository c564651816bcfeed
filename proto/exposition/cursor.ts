/**
 * A cursor over the lines of an exposition, in place: text format 0.0.4 and 1.0.0 (`text`) and OpenMetrics 1.0 (`openmetrics`).
 *
 *     cursor.reset(bytes, start, end)                  // whole lines
 *     while ((kind = cursor.next()) !== END)
 *       if (kind === SAMPLE) {
 *         if (!cursor.isAt(known)) cursor.scanSeries() // bytes[seriesStart, seriesEnd) is `name{…}`
 *         cursor.readSample()                          // value, timestamp, exemplar
 *       }
 *
 * The two ways to find the series are the point: whoever remembers the last exposition knows what the next line will say, and one comparison
 * of memory replaces reading it.
 * Source: prometheus/docs exposition_formats.md; OpenMetrics 1.0; the lexers of prometheus/prometheus model/textparse.
 */
import { readString } from '../wire.js'
import { ExpositionError } from './error.js'
import { readNumber } from './number.js'
import { isBlank, nameEnd, quotedEnd, readUtf8, unescapeHelp, unescapeText } from './series.js'

export type Format = 'text' | 'openmetrics'
export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'info' | 'stateset' | 'gaugehistogram' | 'unknown'

export const END = 0
export const SAMPLE = 1
export const HELP = 2
export const TYPE = 3
export const UNIT = 4
export type LineKind = typeof END | typeof SAMPLE | typeof HELP | typeof TYPE | typeof UNIT

const KEYWORDS: ReadonlyMap<string, LineKind> = new Map([
  ['HELP', HELP],
  ['TYPE', TYPE],
  ['UNIT', UNIT],
])
const TYPES: ReadonlySet<string> = new Set<MetricType>([
  'counter',
  'gauge',
  'histogram',
  'summary',
  'info',
  'stateset',
  'gaugehistogram',
  'unknown',
])

const NEWLINE = 0x0a
const HASH = 0x23
const QUOTE = 0x22
const OPEN = 0x7b
const CLOSE = 0x7d

const NOTHING = Buffer.alloc(0)

export class Cursor {
  bytes: Buffer = NOTHING
  /** Of the whole exposition, across `reset`s; 1 is the first. */
  line = 0
  /** After HELP, TYPE and UNIT: the family's name and what is said of it. */
  name = ''
  text = ''
  /** After a SAMPLE and `isAt` or `scanSeries`. */
  seriesStart = 0
  seriesEnd = 0
  /** After `readSample`: milliseconds since the epoch, NaN when the line has none. */
  value = 0
  timestamp = Number.NaN
  /** After `readSample`: the exemplar `{…} value [timestamp]` is `bytes[exemplarStart, exemplarEnd)`; equal when there is none. */
  exemplarStart = 0
  exemplarEnd = 0
  /** OpenMetrics: `# EOF` was read. */
  complete = false
  private position = 0
  private limit = 0

  constructor(readonly format: Format) {}

  /** `bytes[start, end)`: whole lines, the last one ended too. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.position = start
    this.limit = end
  }

  /** The kind of the next line that says something. Of a SAMPLE only the start is known yet. Throws ExpositionError. */
  next(): LineKind {
    while (this.position < this.limit) {
      this.line++
      let at = this.position
      while (isBlank(this.bytes[at])) at++
      const byte = this.bytes[at]
      if (byte === NEWLINE && this.format === 'text') {
        this.position = at + 1
        continue
      }
      if (this.complete) throw this.malformed('text after # EOF')
      if (byte !== HASH) {
        this.seriesStart = at
        return SAMPLE
      }
      const kind = this.readComment(at)
      if (kind !== END) return kind
    }
    return END
  }

  /** Whether the sample's series is written exactly as `bytes[start, end)` of `known`. Sets `seriesEnd` if so. */
  isAt(known: Uint8Array, start: number, end: number): boolean {
    const at = this.seriesStart + end - start
    if (at >= this.limit || this.bytes.compare(known, start, end, this.seriesStart, at) !== 0) return false
    // `a` is also how `a_b` and `a {…}` begin.
    let after = at
    while (isBlank(this.bytes[after])) after++
    if (this.bytes[after] === OPEN || (after === at && this.bytes[at - 1] !== CLOSE)) return false
    this.seriesEnd = at
    return true
  }

  /** Finds where the series ends. Throws ExpositionError when it does not; what lies between is checked by `readSeries`. */
  scanSeries(): void {
    const { bytes } = this
    const end = bytes.indexOf(NEWLINE, this.seriesStart)
    let at = nameEnd(bytes, this.seriesStart, end, true)
    this.seriesEnd = at
    while (isBlank(bytes[at])) at++
    if (bytes[at] !== OPEN) {
      if (this.seriesEnd === this.seriesStart) throw this.malformed('expected a metric name')
      return
    }
    for (at++; bytes[at] !== CLOSE; ) {
      if (bytes[at] === QUOTE) at = quotedEnd(bytes, at, end)
      else at++
      if (at < 0 || at >= end) throw this.malformed('"{" without "}", or a quoted text without end')
    }
    this.seriesEnd = at + 1
  }

  /** Reads the rest of the line: value, timestamp, exemplar. Throws ExpositionError. */
  readSample(): void {
    const { bytes } = this
    let at = this.seriesEnd
    while (isBlank(bytes[at])) at++
    let start = at
    at = this.wordEnd(at)
    const value = readNumber(bytes, start, at)
    if (value === undefined) throw this.malformed(`expected a number, found ${this.quote(start, at)}`)
    this.value = value
    this.timestamp = Number.NaN
    this.exemplarStart = this.exemplarEnd = 0
    while (isBlank(bytes[at])) at++
    if (bytes[at] !== NEWLINE && bytes[at] !== HASH) {
      start = at
      at = this.wordEnd(at)
      this.timestamp = this.readTimestamp(start, at)
      while (isBlank(bytes[at])) at++
    }
    if (bytes[at] === HASH && this.format === 'openmetrics') {
      const end = bytes.indexOf(NEWLINE, at)
      do at++
      while (isBlank(bytes[at]))
      this.exemplarStart = at
      this.exemplarEnd = at = end
    }
    if (bytes[at] !== NEWLINE) throw this.malformed(`expected the end of the line, found ${this.quote(at, this.wordEnd(at))}`)
    this.position = at + 1
  }

  /** Text: whole milliseconds. OpenMetrics: seconds with a fraction. */
  private readTimestamp(start: number, end: number): number {
    const number = readNumber(this.bytes, start, end)
    if (number === undefined || !Number.isFinite(number) || (this.format === 'text' && !Number.isInteger(number)))
      throw this.malformed(`expected a timestamp, found ${this.quote(start, end)}`)
    // Whole microseconds: a product with 1000 would not come out even.
    return this.format === 'text' ? number : Math.round(number * 1e6) / 1000
  }

  /** A line that begins with `#`: END when it says nothing. */
  private readComment(hash: number): LineKind {
    const { bytes } = this
    const end = bytes.indexOf(NEWLINE, hash)
    this.position = end + 1
    const strict = this.format === 'openmetrics'
    let at = hash + 1
    while (isBlank(bytes[at])) at++
    let start = at
    at = Math.min(end, this.wordEnd(at))
    const word = readString(bytes, start, at)
    const kind = hash + 1 === start ? undefined : KEYWORDS.get(word)
    if (kind === undefined || (kind === UNIT && !strict)) {
      if (!strict) return END
      if (word !== 'EOF' || at !== end) throw this.malformed('a comment that is none of HELP, TYPE, UNIT and EOF')
      this.complete = true
      return END
    }
    while (isBlank(bytes[at])) at++
    start = at
    if (bytes[at] === QUOTE) {
      at = quotedEnd(bytes, at, end)
      if (at < 0) throw this.malformed('a quoted text has no end')
      this.name = unescapeText(readUtf8(bytes, start + 1, at - 1, this.line))
    } else {
      at = nameEnd(bytes, at, end, true)
      this.name = readString(bytes, start, at)
    }
    if (this.name === '' || (at < end && !isBlank(bytes[at]))) throw this.malformed(`expected a metric name after # ${word}`)
    const text = readUtf8(bytes, Math.min(at + 1, end), end, this.line)
    this.text = strict ? unescapeText(text) : unescapeHelp(text)
    if (kind === TYPE) this.text = this.checkType(this.text.trim())
    return kind
  }

  private checkType(type: string): MetricType {
    if (type === 'untyped') return 'unknown'
    if (!TYPES.has(type)) throw this.malformed(`unknown metric type ${JSON.stringify(type.slice(0, 40))}`)
    return type as MetricType
  }

  private wordEnd(at: number): number {
    const { bytes } = this
    for (;;) {
      const byte = bytes[at]
      if (byte === NEWLINE || byte === 0x20 || byte === 0x09 || byte === undefined) return at
      at++
    }
  }

  private quote(start: number, end: number): string {
    return JSON.stringify(readString(this.bytes, start, Math.min(end, start + 40)))
  }

  private malformed(what: string): ExpositionError {
    return new ExpositionError(what, 'malformed', this.line)
  }
}
