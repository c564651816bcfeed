/** Keeps long integers exact through JSON.parse, which would round them to the nearest double. */

/** A run of digits this long may lie beyond 2^53. */
const LONG = 16
/** The same where a number may stand: not behind a quote, as the times of every OTLP text are. */
const LONG_DIGITS = /[\s:,[-]\d{16}/

const QUOTE = 0x22
const BACKSLASH = 0x5c
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39

/**
 * The same JSON text with every number that is a long integer put in quotes: readers of 64-bit integers take both forms.
 * Text without such numbers (the rule, as OTLP writes them as strings) comes back as it is.
 */
export const exactIntegers = (text: string): string => {
  if (!LONG_DIGITS.test(text)) return text
  let out = ''
  let copied = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at)
      continue
    }
    if (code !== MINUS && (code < ZERO || code > NINE)) continue
    const end = endOfNumber(text, at)
    const number = text.slice(at, end)
    if (number.length >= LONG && /^-?\d+$/.test(number)) {
      out += `${text.slice(copied, at)}"${number}"`
      copied = end
    }
    at = end - 1
  }
  return copied === 0 ? text : out + text.slice(copied)
}

/** Index of the closing quote (or the end of the text). */
const endOfString = (text: string, open: number): number => {
  for (let at = open + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at++
  }
  return text.length
}

const endOfNumber = (text: string, start: number): number => {
  let at = start + 1
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const digit = code >= ZERO && code <= NINE
    // | 0x20: E or e.
    if (!digit && code !== DOT && (code | 0x20) !== 0x65 && code !== PLUS && code !== MINUS) break
  }
  return at
}
