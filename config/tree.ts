/** A configuration as it was written: values that remember where they stand. Immutable. */
import { ConfigError, type Position } from './problem.js'

export type ScalarValue = string | number | boolean | null

interface Written {
  readonly at: Position
  /** The text as written, `${env:X}` unresolved, when any of it was put in from outside: shown in messages instead of the value. */
  readonly reference?: string
  /** When the whole value was put in from outside: its text, for options that are text whatever it looks like. */
  readonly raw?: string
}
export interface ScalarNode extends Written {
  readonly kind: 'scalar'
  readonly value: ScalarValue
}
export interface ListNode extends Written {
  readonly kind: 'list'
  readonly items: readonly Node[]
}
export interface Entry {
  readonly keyAt: Position
  readonly node: Node
}
export interface MapNode extends Written {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Entry>
}
export type Node = ScalarNode | ListNode | MapNode
export type Path = readonly PropertyKey[]

/** A name that would reach into JavaScript's own objects is refused where it is written. Throws ConfigError. */
export const checkKey = (key: string, at: Position): string => {
  if (key === '__proto__') throw new ConfigError([{ at, path: key, message: 'this name is reserved; choose another' }])
  return key
}

export const toPlain = (node: Node): unknown => {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(toPlain)
  return Object.fromEntries(Array.from(node.entries, ([key, entry]) => [key, toPlain(entry.node)]))
}

const child = (node: Node, key: PropertyKey): Entry | undefined => {
  if (node.kind === 'map') return node.entries.get(String(key))
  const item = node.kind === 'list' ? node.items[Number(key)] : undefined
  return item && { keyAt: item.at, node: item }
}

export interface Located {
  /** Undefined when nothing stands at the path. */
  readonly node: Node | undefined
  /** Of the value itself; of the innermost key that is there when it is missing. */
  readonly at: Position
  /** Of the key that names the value; of the value itself in a list and at the root. */
  readonly keyAt: Position
}

export const locate = (root: Node, path: Path): Located => {
  let node = root
  let keyAt = root.at
  for (const key of path) {
    const next = child(node, key)
    if (!next) return { node: undefined, at: keyAt, keyAt }
    node = next.node
    keyAt = next.keyAt
  }
  return { node, at: node.at, keyAt }
}

/** The tree with the value at `path` replaced; without a replacement a map's entry is taken out. */
export const replaceAt = (root: Node, path: Path, replacement: Node | undefined): Node => {
  const [key, ...rest] = path
  if (key === undefined) return replacement ?? root
  const found = child(root, key)
  if (!found) return root
  if (root.kind === 'list') {
    return { ...root, items: root.items.map((item, index) => (index === Number(key) ? replaceAt(item, rest, replacement) : item)) }
  }
  if (root.kind === 'scalar') return root
  const entries = new Map(root.entries)
  if (rest.length === 0 && replacement === undefined) entries.delete(String(key))
  else entries.set(String(key), { keyAt: found.keyAt, node: replaceAt(found.node, rest, replacement) })
  return { ...root, entries }
}

/** Maps merge key by key, everything else is replaced: what `over` says wins. */
export const merge = (base: Node, over: Node): Node => {
  if (base.kind !== 'map' || over.kind !== 'map') return over
  const entries = new Map(base.entries)
  for (const [key, entry] of over.entries) {
    const before = entries.get(key)
    entries.set(key, before ? { keyAt: entry.keyAt, node: merge(before.node, entry.node) } : entry)
  }
  return { ...base, entries }
}

/** `receivers.prometheus.config.scrape_configs[0].job_name` */
export const pathText = (path: Path): string =>
  path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('')
