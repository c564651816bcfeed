/** JSON Schema of pipeline.yaml for editors, made from the registries: every component's options under its type, its older spellings and their names. */
import { z } from 'zod'
import type { Component } from '../runtime/component.js'
import { streamsSection } from '../streams/index.js'
import { KINDS, loadAll, type Registries, SECTIONS, type Section } from './registries.js'
import { serviceSection } from './service.js'

type JsonSchema = Record<string, unknown>

/** What may be written, not what code gets: durations are text. Local `$ref`s would point nowhere once embedded, so schemas are inlined. */
const written = (schema: z.ZodType): JsonSchema => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-07', unrepresentable: 'any', reused: 'inline' })
  return rest
}

/** Nothing behind the id means all defaults. */
const optionsOf = (component: Component): JsonSchema => ({
  description: component.summary,
  anyOf: [written(component.config), { type: 'null' }],
})

const sectionOf = async (registries: Registries, section: Section): Promise<JsonSchema> => {
  const components = await loadAll(registries[section])
  return {
    type: ['object', 'null'],
    description: `Each ${KINDS[section]} under its id: a type, or type/name.`,
    additionalProperties: false,
    patternProperties: Object.fromEntries(
      components.flatMap(component => {
        const schema = optionsOf(component)
        return [component.type, ...(component.aliases ?? [])].map(type => [`^${type}(/.+)?$`, schema])
      }),
    ),
  }
}

export const fileSchema = async (registries: Registries): Promise<JsonSchema> => {
  const sections = await Promise.all(SECTIONS.map(async section => [section, await sectionOf(registries, section)] as const))
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'AI Factory Gateway configuration',
    type: 'object',
    additionalProperties: false,
    required: ['service'],
    properties: { ...Object.fromEntries(sections), streams: written(streamsSection), service: written(serviceSection) },
  }
}
