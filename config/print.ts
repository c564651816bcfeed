/** The effective configuration as YAML that can be shown to anybody. */
import { stringify } from 'yaml'
import { withoutCredentials } from './explain.js'
import { isSecret, type Schema, schemasAt } from './schema.js'
import type { Node, Path } from './tree.js'

export const REDACTED = '[REDACTED]'

/** What stands where `schema` says secret, and credentials in URLs, are `[REDACTED]`. `node` must have passed `check` with the same schema. */
export const print = (node: Node, schema: Schema): string => {
  const masked = (part: Node, path: Path, secret: boolean): unknown => {
    const hidden = secret || isSecret(schemasAt(schema, path))
    if (part.kind === 'map')
      return Object.fromEntries(Array.from(part.entries, ([key, entry]) => [key, masked(entry.node, [...path, key], hidden)]))
    if (part.kind === 'list') return part.items.map((item, index) => masked(item, [...path, index], hidden))
    if (hidden && part.value !== null && part.value !== '') return REDACTED
    return typeof part.value === 'string' ? withoutCredentials(part.value) : part.value
  }
  return stringify(masked(node, [], false), { lineWidth: 0 })
}
