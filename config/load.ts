/** Files and `--set` → one tree: read, merged in order, references put in. */
import { readFileSync, statSync } from 'node:fs'
import { parse } from './parse.js'
import { ConfigError, collectProblems, type Position } from './problem.js'
import { type Outside, substitute } from './substitute.js'
import { checkKey, type MapNode, merge, type Node } from './tree.js'

const LARGEST_FILE = 2 ** 20

const fail = (message: string, at?: Position, path = ''): never => {
  throw new ConfigError([{ at, path, message }])
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

/** A text file of at most 1 MiB in UTF-8. Throws ConfigError, at the place that names the file if there is one. */
export const readText = (file: string, at?: Position, path = ''): string => {
  try {
    const { size } = statSync(file)
    if (size > LARGEST_FILE) return fail(`cannot read ${file}: ${size} bytes, more than 1 MiB; split it`, at, path)
    const bytes = readFileSync(file)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const { code = 'unknown reason' } = error as NodeJS.ErrnoException
    const reason = WHY[code] ?? (code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : code)
    return fail(`cannot read ${file}: ${reason}`, at, path)
  }
}

const parseFile = (path: string): Node => {
  const node = parse(readText(path), path)
  if (node.kind === 'map') return node
  return fail(`expected a map such as "receivers: …", got a ${node.kind === 'list' ? 'list' : 'single value'}`, node.at)
}

/** `processors.batch.timeout=2s`; with `::` between the names, dots belong to them. The value is YAML. */
const parseSet = (setting: string): Node => {
  const equals = setting.indexOf('=')
  const key = (equals < 0 ? setting : setting.slice(0, equals)).trim()
  const at: Position = { source: `--set ${key}` }
  const names = key.includes('::') ? key.split('::') : key.split('.')
  if (equals < 0 || names.includes('')) return fail('expected a.b.c=value, such as processors.batch.timeout=2s', at)
  const value = unplaced(parse(setting.slice(equals + 1).trim() || 'null', at.source), at)
  return names.reduceRight<Node>(
    (node, name): MapNode => ({ kind: 'map', at, entries: new Map([[checkKey(name, at), { keyAt: at, node }]]) }),
    value,
  )
}

/** Lines and columns mean nothing on a command line. */
const unplaced = (node: Node, at: Position): Node => {
  if (node.kind === 'scalar') return { ...node, at }
  if (node.kind === 'list') return { ...node, at, items: node.items.map(item => unplaced(item, at)) }
  return { ...node, at, entries: new Map(Array.from(node.entries, ([key, entry]) => [key, { keyAt: at, node: unplaced(entry.node, at) }])) }
}

export interface Sources {
  /** Paths, merged in this order: maps merge, lists and single values are replaced. */
  readonly files: readonly string[]
  /** `--set` arguments; they win over the files, the last one over the others. */
  readonly sets?: readonly string[]
  readonly env?: Outside['env']
}

/** The effective configuration. Throws ConfigError with everything that is wrong. Opens nothing but the files named. */
export const load = ({ files, sets = [], env = process.env }: Sources): MapNode => {
  const tasks = [...files.map(path => () => parseFile(path)), ...sets.map(setting => () => parseSet(setting))]
  const trees = collectProblems(tasks)
  const empty: Node = { kind: 'map', at: { source: files[0] ?? '--set' }, entries: new Map() }
  const [first = empty, ...others] = trees
  const root = substitute(others.reduce(merge, first), { env, readFile: readText })
  return root.kind === 'map' ? root : fail('expected a map such as "receivers: …"', root.at)
}
