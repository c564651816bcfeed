/** What must hold between pipelines and components, beyond each one's own options. */
import type { Problem } from '../config/problem.js'
import { closest, suggestion } from '../config/suggest.js'
import { locate, type MapNode, type Path, pathText } from '../config/tree.js'
import type { Component, Placement } from '../runtime/component.js'
import { signalsOf } from '../runtime/graph.js'
import { KINDS, type Named, type Section } from './registries.js'
import type { Service } from './service.js'

const PLACES = ['receivers', 'processors', 'exporters'] as const
type Place = (typeof PLACES)[number]

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

export const pipelineProblems = (
  service: Service,
  named: Named,
  root: MapNode,
  options: Options,
  /** Names under `streams:`. */
  streams: readonly string[],
): Problem[] => {
  const all = namings(service, named)
  const problems = [
    ...all.map(({ place, id, path }) => dangling(root, place, id, path)),
    ...service.extensions.map((id, index) => dangling(root, 'extensions', id, ['service', 'extensions', index])),
    ...all.map(naming => wrongSignal(naming, root)),
    ...repeated(all, root),
    ...misplaced(all, root, options),
    ...danglingStreams(all, root, options, streams),
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
