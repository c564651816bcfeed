/** What stands after `#` on an OpenMetrics sample: `{trace_id="…"} 0.67 1520879607.789`. */
import { ExpositionError } from './error.js'
import { readNumber } from './number.js'
import { isBlank, type Label, quotedEnd, readSeries } from './series.js'

export interface ExemplarText {
  labels: readonly Label[]
  value: number
  /** Milliseconds since the epoch. */
  timestamp?: number
}

const OPEN = 0x7b
const CLOSE = 0x7d
const QUOTE = 0x22

/** Throws ExpositionError. */
export const readExemplar = (bytes: Buffer, start: number, end: number, line: number): ExemplarText => {
  const malformed = (): ExpositionError =>
    new ExpositionError('expected an exemplar {label="value",…} value [timestamp]', 'malformed', line)
  if (bytes[start] !== OPEN) throw malformed()
  let at = start + 1
  while (bytes[at] !== CLOSE) {
    at = bytes[at] === QUOTE ? quotedEnd(bytes, at, end) : at + 1
    if (at < 0 || at >= end) throw malformed()
  }
  at++
  // An exemplar's labels are a series without a name.
  const labels = readSeries(Buffer.concat([Buffer.from('exemplar'), bytes.subarray(start, at)]), 0, at - start + 8, line).labels
  const numbers: number[] = []
  while (at < end) {
    while (at < end && isBlank(bytes[at])) at++
    const wordStart = at
    while (at < end && !isBlank(bytes[at])) at++
    if (wordStart === at) break
    const number = readNumber(bytes, wordStart, at)
    if (number === undefined) throw malformed()
    numbers.push(number)
  }
  const [value, seconds, ...more] = numbers
  if (value === undefined || more.length > 0 || (seconds !== undefined && !Number.isFinite(seconds))) throw malformed()
  return seconds === undefined ? { labels, value } : { labels, value, timestamp: Math.round(seconds * 1e6) / 1000 }
}
