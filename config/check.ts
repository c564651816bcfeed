/** Tree + schema → typed value, or every problem with its place. */
import type { z } from 'zod'
import { type Issue, problemsOf } from './explain.js'
import { ConfigError } from './problem.js'
import { schemasAt, takesMap } from './schema.js'
import { locate, type Node, type Path, replaceAt, toPlain } from './tree.js'

/** Issues of all branches of a union: any of them may tell how to read what was written. */
const everyIssue = (issues: readonly Issue[], prefix: Path = []): Issue[] =>
  issues.flatMap(issue => {
    const path = [...prefix, ...issue.path]
    const nested = issue.code === 'invalid_union' ? issue.errors.flatMap(branch => everyIssue(branch, path)) : []
    return [{ ...issue, path }, ...nested]
  })

/** `grpc:` with nothing behind it is an empty map where a map may stand, as in the Collector. */
const fillEmpty = (node: Node, schema: z.ZodType, path: Path = []): Node => {
  if (node.kind === 'scalar')
    return node.value === null && takesMap(schemasAt(schema, path)) ? { kind: 'map', at: node.at, entries: new Map() } : node
  if (node.kind === 'list') return { ...node, items: node.items.map((item, index) => fillEmpty(item, schema, [...path, index])) }
  const entries = Array.from(
    node.entries,
    ([key, entry]) => [key, { ...entry, node: fillEmpty(entry.node, schema, [...path, key]) }] as const,
  )
  return { ...node, entries: new Map(entries) }
}

/**
 * What the Collector reads kindly is read kindly here: a key with nothing behind it takes the default where a value is meant; what came
 * whole out of `${env:X}` is text where text is meant, even if it looks like a number.
 */
const reread = (root: Node, issues: readonly Issue[]): Node => {
  let tree = root
  for (const issue of everyIssue(issues)) {
    const { node } = locate(tree, issue.path)
    if (!node) continue
    const expected = issue.code === 'invalid_type' ? issue.expected : undefined
    if (expected === 'string' && node.raw !== undefined && !(node.kind === 'scalar' && typeof node.value === 'string'))
      tree = replaceAt(tree, issue.path, {
        kind: 'scalar',
        at: node.at,
        value: node.raw,
        ...(node.reference && { reference: node.reference }),
      })
    else if (node.kind === 'scalar' && node.value === null && (expected !== undefined || issue.code === 'invalid_value'))
      tree = withoutEntry(tree, issue.path)
  }
  return tree
}

const withoutEntry = (tree: Node, path: Path): Node =>
  locate(tree, path.slice(0, -1)).node?.kind === 'map' && path.length > 0 ? replaceAt(tree, path, undefined) : tree

/** `path` is where `node` stands in the whole configuration, for messages. Throws ConfigError. */
export const check = <S extends z.ZodType>(schema: S, node: Node, path: Path = []): z.output<S> => {
  for (let tree = fillEmpty(node, schema); ; ) {
    const result = schema.safeParse(toPlain(tree))
    if (result.success) return result.data
    const again = reread(tree, result.error.issues)
    if (again === tree) throw new ConfigError(problemsOf(result.error.issues, schema, node, path))
    tree = again
  }
}
