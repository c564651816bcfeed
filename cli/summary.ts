/** What a ready gateway says: what it listens on and where it sends. */

import type { Kind } from '../runtime/component.js'
import type { GraphPlan, Planned } from '../runtime/graph.js'

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

export const summary = ({ receivers, exporters, pipelines }: GraphPlan): { listens: string[]; sends: string[]; pipelines: string[] } => {
  const all = Object.values(pipelines)
  const used = (ids: string[], plans: Readonly<Record<string, Planned<Kind>>>) => [...new Set(ids)].map(id => named(id, plans[id]!))
  return {
    listens: used(
      all.flatMap(pipeline => [...pipeline.receivers]),
      receivers,
    ),
    sends: used(
      all.flatMap(pipeline => [...pipeline.exporters]),
      exporters,
    ),
    pipelines: Object.keys(pipelines),
  }
}
