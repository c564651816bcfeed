/**
 * `${env:X}`, `${env:X:-default}`, `${X}`, `${file:path}` and `$$` inside values, as the OpenTelemetry Collector reads them.
 * A value that is one reference takes the type its text has in YAML (`8080` is a number); inside a longer text it stays text.
 * What an environment variable holds is not searched for further references.
 */
import { parse } from './parse.js'
import { ConfigError, collectProblems, type Position } from './problem.js'
import { closest, suggestion } from './suggest.js'
import { type Entry, type Node, type Path, pathText, type ScalarNode } from './tree.js'

/** The outside world that references may ask. */
export interface Outside {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The text of a file; throws ConfigError at the place that names it when it cannot be read. */
  readFile(file: string, at: Position, path: string): string
}

interface Reference {
  readonly inner: string
  /** Index after the closing brace. */
  readonly end: number
}
type Piece = { readonly text: string } | { readonly reference: Reference; readonly from: string }

/** Where a reference was written: for messages and for the values that come out of it. */
interface Place {
  readonly at: Position
  readonly path: Path
}

const fail = ({ at, path }: Place, message: string): never => {
  throw new ConfigError([{ at, path: pathText(path), message }])
}

const readReference = (text: string, start: number, place: Place): Reference => {
  let depth = 0
  for (let index = start; index < text.length; index++) {
    if (text.startsWith('${', index)) {
      depth++
      index++
    } else if (text[index] === '}' && --depth === 0) return { inner: text.slice(start + 2, index), end: index + 1 }
  }
  return fail(place, 'this "${" has no closing "}"; write $$ for a plain dollar sign')
}

const split = (text: string, place: Place): Piece[] => {
  const pieces: Piece[] = []
  let plain = ''
  let index = 0
  while (index < text.length) {
    if (text.startsWith('$$', index)) {
      plain += '$'
      index += 2
    } else if (text.startsWith('${', index)) {
      if (plain !== '') pieces.push({ text: plain })
      plain = ''
      const reference = readReference(text, index, place)
      pieces.push({ reference, from: text.slice(index, reference.end) })
      index = reference.end
    } else plain += text[index++]
  }
  if (plain !== '') pieces.push({ text: plain })
  return pieces
}

const SOURCE = /^([A-Za-z][A-Za-z0-9+.-]*):(?!-)(.*)$/s
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

class Substitution {
  constructor(
    private readonly outside: Outside,
    /** Files being read, outermost first: a file that includes itself would never end. */
    private readonly files: readonly string[],
  ) {}

  node(node: Node, path: Path): Node {
    if (node.kind === 'scalar') return this.scalar(node, path)
    if (node.kind === 'list')
      return { ...node, items: collectProblems(node.items.map((item, index) => () => this.node(item, [...path, index]))) }
    const tasks = Array.from(node.entries, ([key, entry]) => (): [string, Entry] => [
      key,
      { ...entry, node: this.node(entry.node, [...path, key]) },
    ])
    return { ...node, entries: new Map(collectProblems(tasks)) }
  }

  private scalar(node: ScalarNode, path: Path): Node {
    const { value, at } = node
    if (typeof value !== 'string' || !value.includes('$')) return node
    const place = { at, path }
    const pieces = split(value, place)
    const [only] = pieces
    if (pieces.length === 1 && only && 'reference' in only) return this.whole(only.reference.inner, value, place)
    const references = pieces.some(piece => 'reference' in piece)
    return { ...node, value: this.join(pieces, place), ...(references && { reference: value }) }
  }

  private join(pieces: readonly Piece[], place: Place): string {
    return pieces.map(piece => ('text' in piece ? piece.text : this.text(piece.reference.inner, place).text)).join('')
  }

  /** The value as YAML reads it; text that is no YAML, and text that YAML would fold, is taken as it is. */
  private whole(inner: string, reference: string, place: Place): Node {
    const { at, path } = place
    const { text, file } = this.text(inner, place)
    const raw = text.replace(/\r?\n$/, '')
    const asText: Node = { kind: 'scalar', at, value: raw, reference, raw }
    const parsed = parseIfYaml(text, file ?? at.source) ?? asText
    if (parsed.kind === 'scalar') return typeof parsed.value === 'string' ? asText : { ...asText, value: parsed.value }
    if (file === undefined) return { ...hideBehind(parsed, reference, at), raw }
    if (this.files.includes(file)) return fail(place, `${reference} includes itself`)
    return { ...new Substitution(this.outside, [...this.files, file]).node(parsed, path), raw }
  }

  private text(inner: string, place: Place): { text: string; file?: string } {
    const [, source, rest] = SOURCE.exec(inner) ?? []
    if (source === undefined || rest === undefined) return { text: this.variable(inner, inner, place) }
    if (source === 'env') return { text: this.variable(rest, inner, place) }
    if (source !== 'file') return fail(place, `\${${source}:…} is no known source${suggestion(source, ['env', 'file'])}`)
    const file = this.join(split(rest, place), place)
    return { text: this.outside.readFile(file, place.at, pathText(place.path)), file }
  }

  private variable(written: string, inner: string, place: Place): string {
    const [, name, otherwise] = VARIABLE.exec(written) ?? []
    if (name === undefined)
      return fail(place, `\${${inner}} does not name an environment variable; write $\${${inner}} for that text itself`)
    const value = this.outside.env[name]
    if (value !== undefined) return value
    if (otherwise !== undefined) return this.join(split(otherwise, place), place)
    const near = closest(name, Object.keys(this.outside.env))
    const guess = near === undefined ? '' : `; did you mean ${near}?`
    return fail(place, `environment variable ${name} is not set${guess || `; set it, or give a default: \${env:${name}:-value}`}`)
  }
}

/** The text as YAML: undefined when it is none; nothing at all is null. */
const parseIfYaml = (text: string, source: string): Node | undefined => {
  if (text.trim() === '') return { kind: 'scalar', at: { source }, value: null }
  try {
    return parse(text, source)
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}

/** A map or list that came out of a variable: everything in it stands where the reference stands, and is not shown. */
const hideBehind = (node: Node, reference: string, at: Position): Node => {
  if (node.kind === 'scalar') return { ...node, at, reference }
  if (node.kind === 'list') return { ...node, at, reference, items: node.items.map(item => hideBehind(item, reference, at)) }
  const entries = Array.from(node.entries, ([key, entry]): [string, Entry] => [
    key,
    { keyAt: at, node: hideBehind(entry.node, reference, at) },
  ])
  return { ...node, at, reference, entries: new Map(entries) }
}

/** Throws ConfigError with every reference that cannot be resolved. */
export const substitute = (node: Node, outside: Outside): Node => new Substitution(outside, []).node(node, [])
