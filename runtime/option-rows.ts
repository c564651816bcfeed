/** The options of a component as rows of a table, read from its schema: for READMEs, and for the test that every option is described. */
import { z } from 'zod'

export interface OptionRow {
  /** `sending_queue.batch.min_size`, `rules[].key`, `headers.<name>`. */
  readonly path: string
  readonly description: string | undefined
  /** As it would be written in pipeline.yaml; undefined when absent means something of its own, or for a map whose members have theirs. */
  readonly default: unknown
  readonly required: boolean
  /** Values that may stand here, when they can be told. */
  readonly choices: readonly unknown[]
}

type JsonSchema = z.core.JSONSchema.JSONSchema

const branchesOf = (schema: JsonSchema): JsonSchema[] => {
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].filter(branch => typeof branch === 'object')
  return [schema, ...inner.flatMap(branch => branchesOf(branch as JsonSchema))]
}

const choicesOf = (schema: JsonSchema): unknown[] => [
  ...new Set(branchesOf(schema).flatMap(branch => branch.enum ?? (branch.const === undefined ? [] : [branch.const]))),
]

/** Names below `schema`, each with what may stand there; several branches of a union may know the same name. */
const childrenOf = (schema: JsonSchema, path: string): { path: string; schema: JsonSchema; required: boolean }[] => {
  const named = path === '' ? '' : `${path}.`
  const found = new Map<string, { path: string; schema: JsonSchema; required: boolean }>()
  const add = (at: string, child: unknown, required: boolean) => {
    if (typeof child === 'object' && child !== null && !found.has(at)) found.set(at, { path: at, schema: child as JsonSchema, required })
  }
  for (const branch of branchesOf(schema)) {
    for (const [name, child] of Object.entries(branch.properties ?? {}))
      add(`${named}${name}`, child, branch.required?.includes(name) ?? false)
    for (const item of branch.items === undefined ? [] : [branch.items].flat()) {
      if (typeof item === 'object')
        for (const child of childrenOf(item as JsonSchema, `${path}[]`)) add(child.path, child.schema, child.required)
    }
    const { additionalProperties: other } = branch
    if (typeof other === 'object')
      for (const child of childrenOf(other as JsonSchema, `${named}<name>`)) add(child.path, child.schema, child.required)
  }
  return [...found.values()]
}

const rowsBelow = (schema: JsonSchema, path: string): OptionRow[] =>
  childrenOf(schema, path).flatMap(child => {
    const below = rowsBelow(child.schema, child.path)
    const fallback = child.schema.default
    const row: OptionRow = {
      path: child.path,
      description: child.schema.description,
      default: below.length > 0 && typeof fallback === 'object' && !Array.isArray(fallback) ? undefined : fallback,
      required: child.required && fallback === undefined,
      choices: choicesOf(child.schema),
    }
    return [row, ...below]
  })

/** Every option at every depth, in the order of the schema. */
export const optionRows = (config: z.ZodType): OptionRow[] =>
  rowsBelow(z.toJSONSchema(config, { io: 'input', unrepresentable: 'any', cycles: 'ref' }) as JsonSchema, '')
