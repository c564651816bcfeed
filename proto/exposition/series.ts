/** The part of a sample line before its value: `name{label="value",…}`, and Prometheus 3's `{"quoted name","label"="value"}`. */
import { isUtf8 } from 'node:buffer'
import { readString } from '../wire.js'
import { ExpositionError } from './error.js'

export interface Label {
  readonly name: string
  readonly value: string
}
export interface SeriesText {
  readonly name: string
  /** In the order written. Names are unique; a value may be empty. */
  readonly labels: readonly Label[]
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = 0x7b
const CLOSE = 0x7d
const EQUAL = 0x3d
const COMMA = 0x2c
const COLON = 0x3a

export const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09
const isNameStart = (byte: number): boolean => (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a) || byte === 0x5f
const isNameByte = (byte: number): boolean => isNameStart(byte) || (byte >= 0x30 && byte <= 0x39)

/** One past the last byte of the unquoted name at `at`; `at` when there is none. Metric names may hold colons, label names may not. */
export const nameEnd = (bytes: Uint8Array, at: number, end: number, colons: boolean): number => {
  const start = at
  while (at < end) {
    const byte = bytes[at]!
    if (!(at === start ? isNameStart(byte) : isNameByte(byte)) && !(colons && byte === COLON)) break
    at++
  }
  return at
}

/** One past the closing quote of the string that opens at `at`; -1 when it does not end before `end`. */
export const quotedEnd = (bytes: Uint8Array, at: number, end: number): number => {
  for (let i = at + 1; i < end; i++) {
    const byte = bytes[i]
    if (byte === BACKSLASH) i++
    else if (byte === QUOTE) return i + 1
  }
  return -1
}

/** Text that must be UTF-8. Throws ExpositionError. */
export const readUtf8 = (bytes: Uint8Array, start: number, end: number, line: number): string => {
  const text = readString(bytes, start, end)
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) throw new ExpositionError('text is not UTF-8', 'invalid_utf8', line)
  return text
}

const ESCAPED = /\\(["\\n])/g
/** `\"`, `\\` and `\n` become what they stand for; any other backslash stays as it is. */
export const unescapeText = (text: string): string =>
  text.includes('\\') ? text.replace(ESCAPED, (_, character: string) => (character === 'n' ? '\n' : character)) : text

const HELP_ESCAPED = /\\([\\n])/g
/** In HELP lines of the text format quotes are not escaped. */
export const unescapeHelp = (text: string): string =>
  text.includes('\\') ? text.replace(HELP_ESCAPED, (_, character: string) => (character === 'n' ? '\n' : character)) : text

/** Reads `bytes[start, end)`, the series of line `line`, whole. Throws ExpositionError. */
export const readSeries = (bytes: Uint8Array, start: number, end: number, line: number): SeriesText => {
  const malformed = (what: string): ExpositionError => new ExpositionError(what, 'malformed', line)
  let at = nameEnd(bytes, start, end, true)
  let name = readString(bytes, start, at)
  while (at < end && isBlank(bytes[at])) at++
  const labels: Label[] = []
  if (at === end) {
    if (name === '') throw malformed('expected a metric name')
    return { name, labels }
  }
  if (bytes[at] !== OPEN) throw malformed(`expected "{" or a value after the metric name ${JSON.stringify(name)}`)
  const readQuoted = (): string => {
    const close = quotedEnd(bytes, at, end)
    if (close < 0) throw malformed('a quoted text has no end')
    const text = unescapeText(readUtf8(bytes, at + 1, close - 1, line))
    at = close
    return text
  }
  const skipBlanks = (): void => {
    while (at < end && isBlank(bytes[at])) at++
  }
  at++
  for (;;) {
    skipBlanks()
    if (bytes[at] === CLOSE) break
    const quoted = bytes[at] === QUOTE
    let word: string
    if (quoted) word = readQuoted()
    else {
      const wordStart = at
      at = nameEnd(bytes, at, end, false)
      word = readString(bytes, wordStart, at)
    }
    if (word === '') throw malformed('expected a label name')
    skipBlanks()
    if (bytes[at] === EQUAL) {
      at++
      skipBlanks()
      if (bytes[at] !== QUOTE) throw malformed(`expected a quoted value for label ${JSON.stringify(word)}`)
      const value = readQuoted()
      if (word === '__name__' || labels.some(label => label.name === word)) throw malformed(`label ${JSON.stringify(word)} appears twice`)
      labels.push({ name: word, value })
      skipBlanks()
    } else if (quoted && name === '') name = word
    else throw malformed(`expected "=" after label name ${JSON.stringify(word)}`)
    if (bytes[at] === COMMA) at++
    else if (bytes[at] !== CLOSE) throw malformed('expected "," or "}" after a label')
  }
  if (at + 1 !== end) throw malformed('expected a value after "}"')
  if (name === '') throw malformed('expected a metric name')
  return { name, labels }
}
