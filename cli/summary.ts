/** What a ready gateway says: what it listens on, what it keeps and where it sends. */

import { join } from 'node:path'
import type { Kind } from '../runtime/component.js'
import type { GraphPlan, Planned } from '../runtime/graph.js'
import type { Plan } from './plan.js'

/** Options that say where, by the names the Collector gives them. */
const WHERE: ReadonlySet<string> = new Set(['endpoint', 'path', 'brokers', 'directory'])

/** Every place named anywhere in a component's options. */
const placesIn = (options: unknown): string[] => {
  if (typeof options !== 'object' || options === null) return []
  return Object.entries(options).flatMap(([key, value]) => {
    if (WHERE.has(key) && typeof value === 'string') return [value.replace(/(:\/\/)[^/@\s]+@/, '$1')]
    if (WHERE.has(key) && Array.isArray(value)) return value.filter(item => typeof item === 'string')
    return placesIn(value)
  })
}

/** `otlp (localhost:4317, localhost:4318)` */
const named = (id: string, { config }: Planned<Kind>): string => {
  const places = [...new Set(placesIn(config))]
  return places.length > 0 ? `${id} (${places.join(', ')})` : id
}

const placeOf = (name: string, stream: Plan['streams'][string]): string =>
  stream.driver === 'kafka' ? `kafka ${stream.brokers.join(', ')}` : join(stream.directory, name)

/** Streams that a component works on, and where they lie. */
const streamsIn = ({ processors, pipelines }: GraphPlan, streams: Plan['streams']): string[] => {
  const used = new Set(Object.values(pipelines).flatMap(pipeline => [...pipeline.processors]))
  const names = [...used].map(id => (processors[id]?.config as { stream?: string } | undefined)?.stream)
  return [...new Set(names)].flatMap(name => (name !== undefined && streams[name] ? [`${name} (${placeOf(name, streams[name])})`] : []))
}

export const summary = ({
  graph,
  streams,
}: Pick<Plan, 'graph' | 'streams'>): { listens: string[]; streams?: string[]; sends: string[]; pipelines: string[] } => {
  const { receivers, exporters, pipelines } = graph
  const onStreams = streamsIn(graph, streams)
  const all = Object.values(pipelines)
  const used = (ids: string[], plans: Readonly<Record<string, Planned<Kind>>>) => [...new Set(ids)].map(id => named(id, plans[id]!))
  return {
    listens: used(
      all.flatMap(pipeline => [...pipeline.receivers]),
      receivers,
    ),
    ...(onStreams.length > 0 && { streams: onStreams }),
    sends: used(
      all.flatMap(pipeline => [...pipeline.exporters]),
      exporters,
    ),
    pipelines: Object.keys(pipelines),
  }
}
