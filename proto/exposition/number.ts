/**
 * The numbers of an exposition: what Go's ParseFloat takes, without hexadecimal and underscores.
 * Source: prometheus/docs exposition_formats.md; OpenMetrics 1.0, "Numbers".
 */
import { readString } from '../wire.js'

const POWERS = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent)
const SHAPE = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)$/i

const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e

/**
 * The number written in `bytes[start, end)`; undefined when it is none.
 *
 * A mantissa below 2^53 and a power of ten up to 22 are both exact doubles, so one multiplication or division rounds correctly (Clinger 1990).
 * That covers what exporters print; all else takes the slow way.
 */
export const readNumber = (bytes: Uint8Array, start: number, end: number): number | undefined => {
  let at = start
  const sign = bytes[at]
  if (sign === MINUS || sign === PLUS) at++
  let mantissa = 0
  let digits = 0
  let decimals = 0
  let dotted = false
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit
      digits++
      if (dotted) decimals++
    } else if (bytes[at] === DOT && !dotted) dotted = true
    else break
  }
  if (digits === 0 || digits > 15) return readSlowly(bytes, start, end)
  let exponent = -decimals
  if (at < end) {
    const written = readExponent(bytes, at, end)
    if (written === undefined) return readSlowly(bytes, start, end)
    exponent += written
  }
  if (exponent < -22 || exponent > 22) return readSlowly(bytes, start, end)
  const magnitude = exponent < 0 ? mantissa / POWERS[-exponent]! : mantissa * POWERS[exponent]!
  return sign === MINUS ? -magnitude : magnitude
}

/** `e+09` as 9; undefined for anything but an exponent of one to three digits. */
const readExponent = (bytes: Uint8Array, start: number, end: number): number | undefined => {
  if ((bytes[start]! | 0x20) !== 0x65) return undefined
  let at = start + 1
  const sign = bytes[at]
  if (sign === MINUS || sign === PLUS) at++
  if (at === end || end - at > 3) return undefined
  let exponent = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return undefined
    exponent = exponent * 10 + digit
  }
  return sign === MINUS ? -exponent : exponent
}

const readSlowly = (bytes: Uint8Array, start: number, end: number): number | undefined =>
  end - start > 1024 ? undefined : parseNumber(readString(bytes, start, end))

/** The same for text: the bound in an `le` label, the quantile in a `quantile` label. */
export const parseNumber = (text: string): number | undefined => {
  if (!SHAPE.test(text)) return undefined
  const value = Number(text)
  if (!Number.isNaN(value)) return value
  if (/nan$/i.test(text)) return Number.NaN
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

/** As Prometheus' client libraries print it: `+Inf`, `-Inf`, `NaN`, else the shortest text that reads back as the same double. */
export const printNumber = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return Object.is(value, -0) ? '-0' : String(value)
}

/**
 * A bound in an `le` or `quantile` label as Prometheus 3 keeps it, whichever way it was scraped: `1.0`, `0.005`, `1e+06`.
 * Source: prometheus/prometheus model/labels, FormatOpenMetricsFloat (Go's %g, with a point or an exponent in any case).
 */
export const printBound = (value: number): string => {
  if (!Number.isFinite(value) || Object.is(value, -0)) return Object.is(value, -0) ? '-0.0' : printNumber(value)
  const size = Math.abs(value)
  const text = size === 0 || (size >= 1e-4 && size < 1e6) ? String(value) : value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  return /[.e]/.test(text) ? text : `${text}.0`
}
