/** YAML text → tree with positions. What YAML allows and a configuration should not (duplicate keys, alias bombs, foreign tags) is refused. */
import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Pair,
  Parser,
  type YAMLMap,
  type Node as YamlNode,
} from 'yaml'
import { ConfigError, type Position, type Problem } from './problem.js'
import { checkKey, type Entry, type ListNode, type MapNode, type Node, type Path, pathText, type ScalarValue } from './tree.js'

/** Values a file may hold once its aliases are followed: far above any configuration, far below what hurts. */
const MOST_VALUES = 100_000
const DEEPEST = 100

/** What the YAML library's terse codes mean to somebody who mistyped. */
const ADVICE: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab cannot indent YAML; use spaces',
  BLOCK_AS_IMPLICIT_KEY: 'a second "key:" on one line; put it on its own line, or quote the text',
  BAD_SCALAR_START: 'a text cannot begin with this character unless it is quoted',
}

const fail = (at: Position, message: string, path: Path = []): never => {
  throw new ConfigError([{ at, path: pathText(path), message }])
}

class TreeBuilder {
  private readonly anchors = new Map<string, { node: Node; values: number }>()
  private values = 0

  constructor(
    private readonly positionOf: (offset: number) => Position,
    private readonly problems: Problem[],
  ) {}

  build(yaml: YamlNode | null, path: Path, fallbackAt: Position): Node {
    if (yaml === null) return { kind: 'scalar', at: fallbackAt, value: null }
    const at = yaml.range ? this.positionOf(yaml.range[0]) : fallbackAt
    if (isAlias(yaml)) return this.follow(yaml, path, at)
    const before = this.values++
    if (before > MOST_VALUES) return fail(at, `more than ${MOST_VALUES} values; split the file`, path)
    const node = this.content(yaml, path, at)
    if (yaml.anchor) this.anchors.set(yaml.anchor, { node, values: this.values - before })
    return node
  }

  /** An alias shares the tree of its anchor; what it stands for is counted, so that a bomb is refused before anything is expanded. */
  private follow(alias: Alias, path: Path, at: Position): Node {
    const target = this.anchors.get(alias.source)
    if (!target) return fail(at, `alias *${alias.source} has no finished anchor &${alias.source} before it`, path)
    this.values += target.values
    if (this.values > MOST_VALUES) return fail(at, `aliases expand to more than ${MOST_VALUES} values; write them out or use fewer`, path)
    return target.node
  }

  private content(yaml: Exclude<YamlNode, Alias>, path: Path, at: Position): Node {
    if (isScalar(yaml)) return { kind: 'scalar', at, value: scalarValue(yaml.value) }
    if (isMap(yaml)) return this.map(yaml as YAMLMap<YamlNode, YamlNode | null>, path, at)
    const items = yaml.items.map((item, index) => this.build(item as YamlNode, [...path, index], at))
    return { kind: 'list', at, items } satisfies ListNode
  }

  private map(yaml: YAMLMap<YamlNode, YamlNode | null>, path: Path, at: Position): MapNode {
    const entries = new Map<string, Entry>()
    const merged: Node[] = []
    for (const pair of yaml.items) {
      const keyAt = pair.key.range ? this.positionOf(pair.key.range[0]) : at
      const key = keyOf(pair, keyAt, path)
      const node = this.build(pair.value, [...path, key], keyAt)
      if (key === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') {
        merged.push(node)
        continue
      }
      const first = entries.get(key)
      if (first)
        this.problems.push({
          at: keyAt,
          path: pathText([...path, key]),
          message: `duplicate key, first written on line ${first.keyAt.line}; keep one`,
        })
      else entries.set(key, { keyAt, node })
    }
    for (const node of merged.flatMap(one => (one.kind === 'list' ? one.items : [one]))) {
      if (node.kind !== 'map') return fail(node.at, 'expected a map, or a list of maps, to merge with <<', path)
      for (const [key, entry] of node.entries) if (!entries.has(key)) entries.set(key, entry)
    }
    return { kind: 'map', at, entries }
  }
}

const scalarValue = (value: unknown): ScalarValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : value == null ? null : String(value)

const keyOf = ({ key }: Pair<YamlNode, unknown>, at: Position, path: Path): string => {
  if (!isScalar(key) || key.value === null) return fail(at, 'expected a name before the colon', path)
  return checkKey(typeof key.value === 'string' ? key.value : (key.source ?? String(key.value)), at)
}

/** The library quotes the offending text in some messages; it may be a secret, so the quote is cut. */
const syntaxProblem = (
  error: { code: string; message: string; pos: [number, number] },
  positionOf: (offset: number) => Position,
): Problem => ({
  at: positionOf(error.pos[0]),
  path: '',
  message: ADVICE[error.code] ?? `not valid YAML: ${error.message.replace(/: ".*$/s, '')}`,
})

/** How deep a token nests. Counted without recursion: the library composes by recursion, and a stack that runs out can take the process along. */
const depthOf = (token: CST.Token): number => {
  const waiting: [token: CST.Token, depth: number][] = [[token, 0]]
  let deepest = 0
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [current, depth] = next
    deepest = Math.max(deepest, depth)
    if (current.type === 'document') {
      if (current.value) waiting.push([current.value, depth])
    } else if ('items' in current) {
      for (const { key, value } of current.items) {
        if (key) waiting.push([key, depth + 1])
        if (value) waiting.push([value, depth + 1])
      }
    }
  }
  return deepest
}

const compose = (text: string, lines: LineCounter, positionOf: (offset: number) => Position): Document | undefined => {
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  const bottomless = tokens.find(token => depthOf(token) > DEEPEST)
  if (bottomless) return fail(positionOf(bottomless.offset), `nested deeper than ${DEEPEST} levels`)
  const [document, second] = new Composer({ prettyErrors: false, uniqueKeys: false }).compose(tokens, false, text.length)
  const [syntax] = [...(document?.errors ?? []), ...(document?.warnings ?? [])]
  if (syntax) throw new ConfigError([syntaxProblem(syntax, positionOf)])
  if (second)
    return fail(
      positionOf(second.range[0]),
      'a second YAML document begins here; keep one per file and give --config several times to merge files',
    )
  return document
}

/** Throws ConfigError. `source` is the name that messages show. An empty text is an empty map. */
export const parse = (text: string, source: string): Node => {
  const lines = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { source, line, column: Math.max(1, col) }
  }
  const document = compose(text, lines, positionOf)
  const start: Position = { source, line: 1, column: 1 }
  if (!document?.contents) return { kind: 'map', at: start, entries: new Map() }
  const problems: Problem[] = []
  const node = new TreeBuilder(positionOf, problems).build(document.contents as YamlNode, [], start)
  if (problems.length > 0) throw new ConfigError(problems)
  return node
}
