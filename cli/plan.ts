/** A loaded configuration → what to build, or every problem with its place. Imports only the components that are named, and opens nothing. */
import { z } from 'zod'
import { check } from '../config/check.js'
import { ConfigError, type Problem } from '../config/problem.js'
import { suggestion } from '../config/suggest.js'
import { locate, type MapNode } from '../config/tree.js'
import type { Component } from '../runtime/component.js'
import type { GraphPlan } from '../runtime/graph.js'
import { streamsSection } from '../streams/index.js'
import { pipelineProblems, pipelineWarnings } from './pipelines.js'
import { find, KINDS, type Named, type Registries, registries, type Section, typeOf } from './registries.js'
import { type Service, serviceSection } from './service.js'

export interface Plan {
  readonly graph: GraphPlan
  readonly service: Service
  readonly streams: z.infer<typeof streamsSection>
  readonly root: MapNode
  /** Of the whole file as it names its components. */
  readonly schema: z.ZodType
  readonly warnings: readonly Problem[]
}

const ID = /^[A-Za-z][A-Za-z0-9_]*(\/[^\s/].*)?$/

const idsIn = (root: MapNode, section: Section): string[] => {
  const { node } = locate(root, [section])
  return node?.kind === 'map' ? [...node.entries.keys()] : []
}

const unknownType = (root: MapNode, section: Section, id: string, known: readonly string[]): Problem => {
  const what = ID.test(id) ? `unknown ${KINDS[section]}` : `expected an id such as "type" or "type/name"`
  return { at: locate(root, [section, id]).keyAt, path: `${section}.${id}`, message: `${what}${suggestion(typeOf(id), known)}` }
}

const nameComponents = async (root: MapNode, from: Registries, problems: Problem[]): Promise<Named> => {
  const name = async (section: Section): Promise<Map<string, Component>> => {
    const named = new Map<string, Component>()
    for (const id of idsIn(root, section)) {
      const component = ID.test(id) ? await find(from[section], typeOf(id)) : undefined
      if (component) named.set(id, component)
      else problems.push(unknownType(root, section, id, Object.keys(from[section])))
    }
    return named
  }
  return {
    receivers: await name('receivers'),
    processors: await name('processors'),
    exporters: await name('exporters'),
    extensions: await name('extensions'),
  }
}

/** The schema of one file: its ids with the options of their components. What could not be named has been told already and may hold anything. */
const schemaOf = (root: MapNode, named: Named) => {
  const section = (name: Section) =>
    z.strictObject(Object.fromEntries(idsIn(root, name).map(id => [id, named[name].get(id)?.config ?? z.unknown()]))).prefault({})
  return z.strictObject({
    receivers: section('receivers'),
    processors: section('processors'),
    exporters: section('exporters'),
    extensions: section('extensions'),
    streams: streamsSection,
    service: serviceSection,
  })
}

const inOrder = (problems: readonly Problem[]): Problem[] =>
  problems.toSorted((a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0))

/** Throws ConfigError with all problems, in the order in which they are written. */
export const makePlan = async (root: MapNode, from: Registries = registries): Promise<Plan> => {
  const problems: Problem[] = []
  const named = await nameComponents(root, from, problems)
  const schema = schemaOf(root, named)
  const checked = attempt(() => check(schema, root), problems)
  const service = checked?.service ?? attempt(() => check(z.looseObject({ service: serviceSection }), root).service, [])
  const options = (section: Section, id: string): unknown => checked?.[section][id]
  if (service) problems.push(...pipelineProblems(service, named, root, options, checked?.streams ?? {}))
  if (!checked || !service || problems.length > 0) throw new ConfigError(inOrder(problems))
  const planned = <S extends Section>(section: S, ids: Iterable<string>) =>
    Object.fromEntries(Array.from(ids, id => [id, { component: named[section].get(id)!, config: options(section, id) }])) as GraphPlan[S]
  const graph: GraphPlan = {
    receivers: planned('receivers', named.receivers.keys()),
    processors: planned('processors', named.processors.keys()),
    exporters: planned('exporters', named.exporters.keys()),
    extensions: planned('extensions', service.extensions),
    pipelines: service.pipelines,
  }
  return { graph, service, streams: checked.streams, root, schema, warnings: inOrder(pipelineWarnings(service, named, root)) }
}

const attempt = <T>(task: () => T, problems: Problem[]): T | undefined => {
  try {
    return task()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}
