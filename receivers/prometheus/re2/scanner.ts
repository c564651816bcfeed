/** The characters of an expression, one after the other. */

/** The expression is not RE2. The message quotes it and says what is wrong where. */
export class PatternError extends Error {
  override readonly name = 'PatternError'
}

const ESCAPED_CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }

/** JavaScript source (with flag `u`) for one code point, inside or outside of a class. */
export const literalSource = (codePoint: number): string => {
  if (codePoint < 0x20 || codePoint > 0x7e) return `\\u{${codePoint.toString(16)}}`
  const character = String.fromCodePoint(codePoint)
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character === '-' ? '\\u{2d}' : character
}

export class Scanner {
  protected at = 0
  protected readonly characters: readonly string[]

  constructor(protected readonly pattern: string) {
    this.characters = Array.from(pattern)
  }

  error(what: string): PatternError {
    return new PatternError(`the regular expression ${JSON.stringify(this.pattern)} is not valid RE2: ${what}, at character ${this.at + 1}`)
  }

  peek(ahead = 0): string | undefined {
    return this.characters[this.at + ahead]
  }

  /** Steps over `text` if it comes next. */
  take(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.peek(i) !== text[i]) return false
    this.at += text.length
    return true
  }

  takeCharacter(): string {
    const character = this.peek()
    if (character === undefined) throw this.error('it ends too early')
    this.at++
    return character
  }

  /** What stands up to `close`, which is stepped over. */
  takeUntil(close: string): string {
    let text = ''
    while (this.peek() !== close) text += this.takeCharacter()
    this.at++
    return text
  }

  /** After a backslash: the code point it stands for. */
  escapedCodePoint(): number {
    const character = this.takeCharacter()
    const control = ESCAPED_CONTROL[character]
    if (control !== undefined && Object.hasOwn(ESCAPED_CONTROL, character)) return control
    if (character === 'x') {
      const digits = this.take('{') ? this.takeUntil('}') : this.takeCharacter() + this.takeCharacter()
      const codePoint = /^[0-9a-f]{1,8}$/i.test(digits) ? Number.parseInt(digits, 16) : Number.NaN
      if (!(codePoint <= 0x10ffff)) throw this.error(`"\\x{${digits}}" is no code point`)
      return codePoint
    }
    if (character >= '0' && character <= '7' && (character === '0' || /[0-7]/.test(this.peek() ?? ''))) {
      let octal = character
      while (octal.length < 3 && /[0-7]/.test(this.peek() ?? '')) octal += this.takeCharacter()
      return Number.parseInt(octal, 8)
    }
    if (/[1-9]/.test(character)) throw this.error('RE2 has no backreferences')
    if (/[0-9A-Za-z]/.test(character)) throw this.error(`unknown escape "\\${character}"`)
    return character.codePointAt(0)!
  }
}
