/** Pipelines of the smallest components there can be, for tests of what stands between components. */
import { z } from 'zod'
import { Batch, type Signal } from '../../proto/batch.js'
import { type Component, type Consume, component, type Lifecycle } from '../component.js'
import { buildGraph, type GraphPlan, type PipelinePlan } from '../graph.js'
import { HEALTH, type Health } from '../health.js'
import { harness } from './harness.js'
import type { Recorder } from './recorder.js'

export const OTLP: readonly Signal[] = ['traces', 'metrics', 'logs']
export const ALL: readonly Signal[] = [...OTLP, 'events']
/** One resource without anything, said to hold `items`. */
export const batch = (signal: Signal = 'traces', items = 2) => Batch.of(signal, [new Uint8Array([10, 0])], items, { transport: 'grpc' })
/** A deadline that does not come. */
export const never = () => new AbortController().signal
/** What a component for a test says of itself. */
export const about = { summary: 'For a test.', stability: 'stable', config: z.strictObject({}), examples: {} } as const

/** A factory of small components whose lifecycle is written to `journal`. */
export const world = () => {
  const { context, clock, log, meter } = harness('graph')
  const journal: string[] = []
  const failures = new Map<string, Error>()
  const lifecycle = (id: string): Lifecycle => ({
    async start() {
      journal.push(`start ${id}`)
      const failure = failures.get(`start ${id}`)
      if (failure) throw failure
    },
    async stop() {
      journal.push(`stop ${id}`)
      const failure = failures.get(`stop ${id}`)
      if (failure) throw failure
    },
  })
  const entrances = new Map<string, Consume>()
  let created = 0
  const receiver = component({
    ...about,
    kind: 'receiver',
    type: 'in',
    signals: ALL,
    create(_, { id, next }) {
      created += 1
      entrances.set(id, next)
      return lifecycle(id)
    },
  })
  const processor = (signals: readonly Signal[], work: (given: Batch, next: Consume) => Promise<void> = (given, next) => next(given)) =>
    component({
      ...about,
      kind: 'processor',
      type: 'mid',
      signals,
      create(_, { id, next, pipeline }) {
        created += 1
        return { ...lifecycle(`${id}@${pipeline}`), consume: given => work(given, next) }
      },
    })
  const exporter = (out: Recorder, signals: readonly Signal[] = OTLP) =>
    component({
      ...about,
      kind: 'exporter',
      type: 'out',
      signals,
      create(_, { id }) {
        created += 1
        return { ...lifecycle(id), consume: out.consume }
      },
    })
  let health: Health | undefined
  const extension = component({
    ...about,
    kind: 'extension',
    type: 'ext',
    signals: [],
    create(_, { id, host }) {
      health = host.get(HEALTH)
      return lifecycle(id)
    },
  })
  const graph = (
    pipelines: Record<string, PipelinePlan>,
    parts: { processors?: Record<string, Component<'processor'>>; exporters: Record<string, Component<'exporter'>> },
  ) => {
    const plan: GraphPlan = {
      receivers: { in: { component: receiver, config: {} }, 'in/b': { component: receiver, config: {} } },
      processors: Object.fromEntries(Object.entries(parts.processors ?? {}).map(([id, made]) => [id, { component: made, config: {} }])),
      exporters: Object.fromEntries(Object.entries(parts.exporters).map(([id, made]) => [id, { component: made, config: {} }])),
      extensions: { ext: { component: extension, config: {} } },
      pipelines,
    }
    return buildGraph(plan, { log, meter, clock, host: context.host })
  }
  const send = (given: Batch, receiverId = 'in') => entrances.get(receiverId)!(given)
  return { graph, processor, exporter, send, journal, failures, log, meter, clock, count: () => created, health: () => health! }
}
