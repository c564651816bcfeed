/**
 * RE2 syntax, read into a tree: the expressions Prometheus users write.
 * Source: github.com/google/re2/wiki/Syntax. What RE2 has not (look-around, backreferences) is refused with a word on why.
 */
import { readClass, readClassEscape } from './classes.js'
import { literalSource, Scanner } from './scanner.js'

/** What matches one code point: `source` is JavaScript for it; `literal` is set when it is a single one and case counts. */
export interface One {
  kind: 'one'
  source: string
  literal: number | undefined
  /** Case does not count. */
  fold: boolean
}
export type Assertion = 'start' | 'end' | 'line_start' | 'line_end' | 'word_boundary' | 'no_word_boundary'
export type Node =
  | One
  | { kind: 'assert'; what: Assertion }
  | { kind: 'concat'; nodes: Node[] }
  | { kind: 'alternate'; nodes: Node[] }
  | { kind: 'repeat'; node: Node; min: number; max: number; greedy: boolean }
  | { kind: 'capture'; node: Node; index: number }

export interface Syntax {
  root: Node
  /** Number of capturing groups. */
  groups: number
  /** Group names → index. */
  names: ReadonlyMap<string, number>
}

interface Flags {
  i: boolean
  m: boolean
  s: boolean
  U: boolean
}

const MOST_REPEATS = 1000
const DEEPEST = 200
const ASSERTIONS: ReadonlyMap<string, Assertion> = new Map([
  ['A', 'start'],
  ['z', 'end'],
  ['b', 'word_boundary'],
  ['B', 'no_word_boundary'],
])

/** Throws PatternError. `.` matches a newline, as Prometheus has it. */
export const readSyntax = (pattern: string): Syntax => new Reader(pattern).read()

class Reader extends Scanner {
  private groups = 0
  private depth = 0
  private readonly names = new Map<string, number>()
  private flags: Flags = { i: false, m: false, s: true, U: false }

  read(): Syntax {
    const root = this.alternation()
    if (this.at < this.characters.length) throw this.error('unexpected ")"')
    return { root, groups: this.groups, names: this.names }
  }

  private alternation(): Node {
    if (++this.depth > DEEPEST) throw this.error('groups nest too deep')
    const branches = [this.concatenation()]
    while (this.take('|')) branches.push(this.concatenation())
    this.depth--
    return branches.length === 1 ? branches[0]! : { kind: 'alternate', nodes: branches }
  }

  private concatenation(): Node {
    const nodes: Node[] = []
    while (this.peek() !== undefined && this.peek() !== '|' && this.peek() !== ')') {
      if (this.take('\\Q')) {
        const quoted: Node[] = []
        while (this.peek() !== undefined && !this.take('\\E')) quoted.push(this.literal(this.takeCharacter().codePointAt(0)!))
        const last = quoted.pop()
        nodes.push(...quoted)
        if (last) nodes.push(this.repeated(last))
      } else {
        const node = this.atom()
        if (node) nodes.push(this.repeated(node))
      }
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'concat', nodes }
  }

  /** One element; undefined for a group that only sets flags. */
  private atom(): Node | undefined {
    const character = this.peek()!
    if (character === '(') return this.group()
    if ('*+?'.includes(character)) throw this.error(`nothing to repeat before "${character}"`)
    this.at++
    const { flags } = this
    if (character === '[') return { kind: 'one', source: readClass(this), literal: undefined, fold: flags.i }
    if (character === '.') return { kind: 'one', source: flags.s ? '[^]' : '[^\\n]', literal: undefined, fold: flags.i }
    if (character === '^') return { kind: 'assert', what: flags.m ? 'line_start' : 'start' }
    if (character === '$') return { kind: 'assert', what: flags.m ? 'line_end' : 'end' }
    if (character === '\\') return this.escape()
    return this.literal(character.codePointAt(0)!)
  }

  private literal(codePoint: number): One {
    const { i: fold } = this.flags
    return { kind: 'one', source: literalSource(codePoint), literal: fold ? undefined : codePoint, fold }
  }

  private escape(): Node {
    const assertion = ASSERTIONS.get(this.peek() ?? '')
    if (assertion) {
      this.at++
      return { kind: 'assert', what: assertion }
    }
    const inside = readClassEscape(this)
    if (inside !== undefined) return { kind: 'one', source: `[${inside}]`, literal: undefined, fold: this.flags.i }
    return this.literal(this.escapedCodePoint())
  }

  private group(): Node | undefined {
    this.at++
    const outer = this.flags
    let index = 0
    if (this.take('?')) {
      if (this.take('P<') || (this.peek() === '<' && this.peek(1) !== '=' && this.peek(1) !== '!' && this.take('<'))) {
        const name = this.takeUntil('>')
        if (!/^\w+$/.test(name) || this.names.has(name)) throw this.error(`bad or repeated group name ${JSON.stringify(name)}`)
        index = ++this.groups
        this.names.set(name, index)
      } else {
        this.flags = this.readFlags()
        if (this.take(')')) return undefined
        this.at++
      }
    } else index = ++this.groups
    const node = this.alternation()
    if (!this.take(')')) throw this.error('a group has no ")"')
    this.flags = outer
    return index > 0 ? { kind: 'capture', node, index } : node
  }

  /** `i-s` up to `:` or `)`, neither stepped over. */
  private readFlags(): Flags {
    const flags = { ...this.flags }
    let on = true
    for (;;) {
      const character = this.peek()
      if (character === ':' || character === ')') return flags
      if (character === '-' && on) on = false
      else if (character === 'i' || character === 'm' || character === 's' || character === 'U') flags[character] = on
      else if (character === '=' || character === '!' || character === '<')
        throw this.error('RE2 has no look-around such as (?=…) or (?!…)')
      else throw this.error(`unknown group "(?${character ?? ''}"`)
      this.at++
    }
  }

  private repeated(node: Node): Node {
    const bounds = this.readBounds()
    if (!bounds) return node
    const lazy = this.take('?')
    if (this.readBounds()) throw this.error('a repetition cannot be repeated; put it in (?:…)')
    return { kind: 'repeat', node, min: bounds[0], max: bounds[1], greedy: lazy === this.flags.U }
  }

  /** `*`, `+`, `?` or `{n,m}`; a brace that is no repetition is left for a literal. */
  private readBounds(): [number, number] | undefined {
    if (this.take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.take('?')) return [0, 1]
    if (this.peek() !== '{') return undefined
    const [whole, low, comma, high] = /^\{(\d{1,6})(,?)(\d{0,6})\}/.exec(this.characters.slice(this.at, this.at + 16).join('')) ?? []
    if (whole === undefined || (comma === '' && high !== '')) return undefined
    const min = Number(low)
    const max = comma === '' ? min : high === '' ? Number.POSITIVE_INFINITY : Number(high)
    if (min > max || min > MOST_REPEATS || (Number.isFinite(max) && max > MOST_REPEATS)) throw this.error(`bad repetition ${whole}`)
    this.at += whole.length
    return [min, max]
  }
}
