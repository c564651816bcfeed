/** Character classes of RE2 as the inside of a JavaScript class (flag `u`). RE2's are ASCII; JavaScript's `\s` is not. */
import { literalSource, type Scanner } from './scanner.js'

const PERL: Readonly<Record<string, string>> = {
  d: '0-9',
  D: '\\D',
  s: '\\t\\n\\f\\r ',
  S: '\\0-\\u{8}\\u{b}\\u{e}-\\u{1f}!-\\u{10ffff}',
  w: '0-9A-Za-z_',
  W: '\\W',
}
const POSIX: Readonly<Record<string, [inside: string, outside: string]>> = {
  alnum: ['0-9A-Za-z', '\\0-\\u{2f}:-@\\[-`\\{-\\u{10ffff}'],
  alpha: ['A-Za-z', '\\0-@\\[-`\\{-\\u{10ffff}'],
  ascii: ['\\0-\\u{7f}', '\\u{80}-\\u{10ffff}'],
  blank: ['\\t ', '\\0-\\u{8}\\n-\\u{1f}!-\\u{10ffff}'],
  cntrl: ['\\0-\\u{1f}\\u{7f}', ' -~\\u{80}-\\u{10ffff}'],
  digit: ['0-9', '\\D'],
  graph: ['!-~', '\\0- \\u{7f}-\\u{10ffff}'],
  lower: ['a-z', '\\0-`\\{-\\u{10ffff}'],
  print: [' -~', '\\0-\\u{1f}\\u{7f}-\\u{10ffff}'],
  punct: ['!-\\/:-@\\[-`\\{-~', '\\0- 0-9A-Za-z\\u{7f}-\\u{10ffff}'],
  space: ['\\t-\\r ', '\\0-\\u{8}\\u{e}-\\u{1f}!-\\u{10ffff}'],
  upper: ['A-Z', '\\0-@\\[-\\u{10ffff}'],
  word: ['0-9A-Za-z_', '\\W'],
  xdigit: ['0-9A-Fa-f', '\\0-\\u{2f}:-@G-`g-\\u{10ffff}'],
}

/** After a backslash: `d`, `s`, `w`, `p…` and their negations as the inside of a class; undefined for anything else, nothing stepped over. */
export const readClassEscape = (reader: Scanner): string | undefined => {
  const letter = reader.peek()
  if (letter === 'p' || letter === 'P') {
    reader.takeCharacter()
    return unicodeClass(reader, letter === 'P')
  }
  if (letter === undefined || !Object.hasOwn(PERL, letter)) return undefined
  reader.takeCharacter()
  return PERL[letter]
}

const unicodeClass = (reader: Scanner, negated: boolean): string => {
  let name = reader.take('{') ? reader.takeUntil('}') : reader.takeCharacter()
  const caret = name.startsWith('^')
  if (caret) name = name.slice(1)
  const letter = negated !== caret ? 'P' : 'p'
  for (const property of [name, `Script=${name}`]) {
    const source = `\\${letter}{${property}}`
    if (/^\w+$/.test(name) && compiles(`[${source}]`)) return source
  }
  throw reader.error(`unknown Unicode class ${JSON.stringify(name)}`)
}

const compiles = (source: string): boolean => {
  try {
    return new RegExp(source, 'u').source !== ''
  } catch {
    return false
  }
}

/** After `[`: the class as JavaScript, brackets included. */
export const readClass = (reader: Scanner): string => {
  let source = reader.take('^') ? '[^' : '['
  for (let first = true; first || reader.peek() !== ']'; first = false) {
    if (reader.take('[:')) {
      const negated = reader.take('^')
      const name = reader.takeUntil(':')
      if (!Object.hasOwn(POSIX, name) || !reader.take(']')) throw reader.error(`unknown class [:${name}:]`)
      source += POSIX[name]![negated ? 1 : 0]
      continue
    }
    const low = readMember(reader)
    if (typeof low === 'string') {
      source += low
      continue
    }
    if (reader.peek() === '-' && reader.peek(1) !== ']') {
      reader.takeCharacter()
      const high = readMember(reader)
      if (typeof high === 'string' || high < low) throw reader.error('bad range in a class')
      source += `${literalSource(low)}-${literalSource(high)}`
    } else source += literalSource(low)
  }
  reader.takeCharacter()
  return `${source}]`
}

/** A code point, or the inside of a class. */
const readMember = (reader: Scanner): number | string => {
  const character = reader.takeCharacter()
  if (character !== '\\') return character.codePointAt(0)!
  return readClassEscape(reader) ?? reader.escapedCodePoint()
}
