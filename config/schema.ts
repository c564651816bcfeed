/** Looking into zod schemas: which schema governs a path, which names it knows, whether it is a secret. */
import { z } from 'zod'
import type { Path } from './tree.js'

export type Schema = z.core.$ZodType
type Definition = z.core.$ZodTypes['_zod']['def']

const definition = (schema: Schema): Definition => (schema as z.core.$ZodTypes)._zod.def

/** What a wrapper (optional, default, pipe, union …) wraps; nothing for a schema that stands for itself. */
const wrapped = (schema: Schema): readonly Schema[] => {
  const def = definition(schema)
  switch (def.type) {
    case 'optional':
    case 'default':
    case 'prefault':
    case 'nullable':
    case 'nonoptional':
    case 'readonly':
    case 'catch':
      return [def.innerType]
    case 'pipe':
      return [definition(def.in).type === 'transform' ? def.out : def.in]
    case 'lazy':
      return [def.getter()]
    case 'union':
      return def.options
    case 'intersection':
      return [def.left, def.right]
    default:
      return []
  }
}

/** The schema and everything it wraps, outermost first. */
const layers = (schema: Schema): Schema[] => [schema, ...wrapped(schema).flatMap(layers)]

const childrenOf = (schema: Schema, key: PropertyKey): readonly Schema[] => {
  const def = definition(schema)
  if (def.type === 'object') {
    const member = def.shape[String(key)] ?? def.catchall
    return member ? [member] : []
  }
  if (def.type === 'record') return [def.valueType]
  if (def.type === 'array') return [def.element]
  if (def.type === 'tuple') return [def.items[Number(key)] ?? def.rest].filter(item => item != null)
  return []
}

/** Every schema that may govern `path`: several where unions branch. */
export const schemasAt = (schema: Schema, path: Path): Schema[] =>
  path.reduce<Schema[]>((schemas, key) => schemas.flatMap(layers).flatMap(layer => childrenOf(layer, key)), [schema])

/** Names that a map may have here; empty when any name may stand. */
export const knownKeys = (schemas: readonly Schema[]): string[] => {
  const names = schemas.flatMap(layers).flatMap(layer => {
    const def = definition(layer)
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(names)]
}

/** The literal and enum values that may stand here. */
export const knownValues = (schemas: readonly Schema[]): string[] => {
  const values = schemas.flatMap(layers).flatMap(layer => {
    const def = definition(layer)
    if (def.type === 'literal') return def.values.map(String)
    return def.type === 'enum' ? Object.values(def.entries).map(String) : []
  })
  return [...new Set(values)]
}

/** Whether what stands here must not be shown (see `secret` in options.ts). */
export const isSecret = (schemas: readonly Schema[]): boolean =>
  schemas.flatMap(layers).some(layer => z.globalRegistry.get(layer)?.secret === true)

/** Whether a map may stand here. */
export const takesMap = (schemas: readonly Schema[]): boolean =>
  schemas.flatMap(layers).some(layer => ['object', 'record'].includes(definition(layer).type))
