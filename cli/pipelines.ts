/** What must hold between pipelines and components, beyond each one's own options. */
import type { z } from 'zod'
import type { Problem } from '../config/problem.js'
import { closest, suggestion } from '../config/suggest.js'
import { locate, type MapNode, type Path, pathText } from '../config/tree.js'
import type { Component, Placement } from '../runtime/component.js'
import { signalsOf } from '../runtime/graph.js'
import type { streamsSection } from '../streams/index.js'
import { KINDS, type Named, type Section } from './registries.js'
import type { Service } from './service.js'

const PLACES = ['receivers', 'processors', 'exporters'] as const
type Place = (typeof PLACES)[number]

type Streams = z.infer<typeof streamsSection>

/** A component's checked options, undefined when they could not be read. */
type Options = (section: Section, id: string) => unknown

const at = (root: MapNode, path: Path, message: string): Problem => ({ at: locate(root, path).at, path: pathText(path), message })

/** Every id that a pipeline names, with where it is named. */
interface Naming {
  readonly pipeline: string
  readonly place: Place
  readonly id: string
  readonly path: Path
  readonly component: Component | undefined
}

const namings = (service: Service, named: Named): Naming[] =>
  Object.entries(service.pipelines).flatMap(([pipeline, parts]) =>
    PLACES.flatMap(place =>
      parts[place].map((id, index) => ({
        pipeline,
        place,
        id,
        path: ['service', 'pipelines', pipeline, place, index],
        component: named[place].get(id),
      })),
    ),
  )

const dangling = (root: MapNode, section: Section, id: string, path: Path): Problem | undefined => {
  const { node } = locate(root, [section])
  const known = node?.kind === 'map' ? [...node.entries.keys()] : []
  if (known.includes(id)) return undefined
  return at(root, path, `${KINDS[section]} "${id}" is not configured under ${section}${suggestion(id, known)}`)
}

const wrongSignal = ({ pipeline, place, id, path, component }: Naming, root: MapNode): Problem | undefined => {
  const carried = signalsOf(pipeline)
  if (!component || carried.some(signal => component.signals.includes(signal))) return undefined
  const takes = place === 'receivers' ? 'gives' : 'takes'
  return at(
    root,
    path,
    `${KINDS[place]} "${id}" ${takes} ${component.signals.join(', ')}, and this pipeline carries ${carried.join(', ')} only`,
  )
}

/** What components themselves say about where they stand: asked once a type, with all its places. */
const misplaced = (all: readonly Naming[], root: MapNode, options: Options): Problem[] => {
  const byComponent = new Map<Component, Naming[]>()
  for (const naming of all) {
    const { component } = naming
    if (component?.placement) byComponent.set(component, [...(byComponent.get(component) ?? []), naming])
  }
  return [...byComponent].flatMap(([component, uses]) => {
    const places: Placement[] = uses.map(({ id, pipeline, place }) => ({
      id,
      pipeline,
      signals: signalsOf(pipeline),
      config: options(place, id),
    }))
    if (places.some(({ config }) => config === undefined)) return []
    const wrong = component.placement?.(places)
    return wrong ? [at(root, uses[places.indexOf(wrong.place)]?.path ?? ['service', 'pipelines'], wrong.message)] : []
  })
}

/** A component that works on a stream names it in its option `stream`. */
const danglingStreams = (all: readonly Naming[], root: MapNode, options: Options, streams: readonly string[]): Problem[] =>
  all.flatMap(({ place, id }) => {
    const { stream } = (options(place, id) ?? {}) as { stream?: unknown }
    if (typeof stream !== 'string' || streams.includes(stream)) return []
    const path = [place, id, 'stream']
    return [at(root, path, `stream "${stream}" is not configured under streams${suggestion(stream, streams)}`)]
  })

/** Outputs of a stream that sends exactly once end in one exporter that writes inside its transactions, on its cluster. */
const notExactlyOnce = (all: readonly Naming[], root: MapNode, options: Options, streams: Streams): Problem[] =>
  all.flatMap(({ place, id, pipeline }) => {
    const { stream } = (options(place, id) ?? {}) as { stream?: unknown }
    const given = typeof stream === 'string' ? streams[stream] : undefined
    if (given?.driver !== 'kafka' || !given.exactly_once) return []
    const exporters = all.filter(each => each.pipeline === pipeline && each.place === 'exporters')
    const wrong = exporters.find(({ component }) => component && !component.transactional)
    const problem = (naming: Naming, message: string): Problem[] => [
      at(root, naming.path, `stream "${stream}" sends exactly once, ${message}`),
    ]
    if (wrong)
      return problem(
        wrong,
        `and exporter "${wrong.id}" cannot: let exporter kafka be the only one of pipeline "${pipeline}", or set exactly_once: false`,
      )
    const [first, second] = exporters
    if (second) return problem(second, `so pipeline "${pipeline}" has one exporter: take this one out, or set exactly_once: false`)
    const { brokers } = (first ? (options('exporters', first.id) ?? {}) : {}) as { brokers?: readonly string[] }
    if (!first || !brokers || brokers.some(broker => given.brokers.includes(broker))) return []
    return problem(first, `in transactions of one cluster: give exporter "${first.id}" the brokers of the stream`)
  })

const repeated = (all: readonly Naming[], root: MapNode): Problem[] => {
  const seen = new Set<string>()
  return all.flatMap(({ pipeline, place, id, path }) => {
    const key = JSON.stringify([pipeline, place, id])
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    return [at(root, path, `${KINDS[place]} "${id}" is named twice in this pipeline; name it once`)]
  })
}

export const pipelineProblems = (service: Service, named: Named, root: MapNode, options: Options, streams: Streams): Problem[] => {
  const all = namings(service, named)
  const problems = [
    ...all.map(({ place, id, path }) => dangling(root, place, id, path)),
    ...service.extensions.map((id, index) => dangling(root, 'extensions', id, ['service', 'extensions', index])),
    ...all.map(naming => wrongSignal(naming, root)),
    ...repeated(all, root),
    ...misplaced(all, root, options),
    ...danglingStreams(all, root, options, Object.keys(streams)),
    ...notExactlyOnce(all, root, options, streams),
  ]
  return problems.filter(problem => problem !== undefined)
}

/** Nothing that stops the gateway, but probably not what was meant. */
export const pipelineWarnings = (service: Service, named: Named, root: MapNode): Problem[] => {
  const used = (section: Section): ReadonlySet<string> =>
    new Set(section === 'extensions' ? service.extensions : Object.values(service.pipelines).flatMap(pipeline => pipeline[section]))
  const unused = (Object.keys(KINDS) as Section[]).flatMap(section =>
    [...named[section].keys()]
      .filter(id => !used(section).has(id))
      .map(id => {
        const where = section === 'extensions' ? 'service.extensions' : 'any pipeline'
        return { at: locate(root, [section, id]).keyAt, path: `${section}.${id}`, message: `not named in ${where}, so it is not started` }
      }),
  )
  const almost = Object.keys(service.pipelines).flatMap(name => {
    const near = signalsOf(name).length > 1 ? closest(name.split('/', 1)[0]!, ['traces', 'metrics', 'logs']) : undefined
    const path = ['service', 'pipelines', name]
    return near === undefined
      ? []
      : [
          {
            at: locate(root, path).keyAt,
            path: pathText(path),
            message: `a pipeline of this name carries all signals; did you mean "${near}"?`,
          },
        ]
  })
  return [...unused, ...almost]
}
