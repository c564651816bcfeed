/** Builds the running pipelines from a plan, from the exporters backwards: each part is made already knowing where to send. */
import type { Tracer } from '@opentelemetry/api'
import { type Batch, SIGNALS, type Signal } from '../proto/batch.js'
import type { Clock, Component, Consume, Context, Host, Kind, Meter } from './component.js'
import { edge } from './edge.js'
import { PermanentError } from './errors.js'
import { HEALTH, Health } from './health.js'
import { TokenMap } from './host.js'
import { type Part, Stages } from './lifecycle.js'
import type { RootLog } from './log.js'
import { type Exporter, outlet, takenBy, toAll } from './outlet.js'
import { droppedItems, Ledger, perSignal } from './telemetry/ledger.js'
import { countOutgoing, processorObserver, receiverObserver } from './telemetry/observers.js'
import { traced } from './telemetry/traced.js'

export interface Planned<K extends Kind> {
  readonly component: Component<K>
  /** Options as the component's schema gave them. */
  readonly config: unknown
}
type ById<T> = Readonly<Record<string, T>>

export interface PipelinePlan {
  readonly receivers: readonly string[]
  readonly processors: readonly string[]
  readonly exporters: readonly string[]
}

/** A checked configuration: every id that a pipeline names is there. Receivers and exporters that no pipeline names are not made. */
export interface GraphPlan {
  readonly receivers: ById<Planned<'receiver'>>
  readonly processors: ById<Planned<'processor'>>
  readonly exporters: ById<Planned<'exporter'>>
  readonly extensions: ById<Planned<'extension'>>
  readonly pipelines: ById<PipelinePlan>
}

export interface Services {
  readonly log: RootLog
  readonly meter: Meter
  readonly clock: Clock
  readonly host: Host
  /** Present when the gateway traces itself. */
  readonly tracer?: Tracer | undefined
}

export interface Graph {
  /** Downstream first. Rejects with the id of the component that could not start; whatever had started is stopped again. */
  start(): Promise<void>
  /** Upstream first, until `deadline` and at most `FAREWELL_MS` longer. Safe without start and twice; failures are logged. */
  stop(deadline: AbortSignal): Promise<void>
}

/** `traces`, `metrics/x` and `logs/y` carry one signal, any other name carries all. */
export const signalsOf = (pipeline: string): readonly Signal[] => {
  const type = pipeline.split('/', 1)[0]
  return type === 'traces' || type === 'metrics' || type === 'logs' ? [type] : SIGNALS
}

/** What follows a processor, and the signals that anything there reads. */
interface Behind {
  readonly consume: Consume
  readonly signals: readonly Signal[]
}

interface Pipeline {
  readonly signals: readonly Signal[]
  readonly receivers: readonly string[]
  readonly consume: Consume
}

/** What a component says against its options when it is made is told with its name. */
const make = <T>(name: string, create: () => T): T => {
  try {
    return create()
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

const planned = <T>(plans: ById<T>, kind: string, id: string): T => {
  if (!Object.hasOwn(plans, id)) throw new Error(`a pipeline names ${kind} "${id}", which is not configured`)
  return plans[id]!
}

class Builder {
  private readonly ledger: Ledger
  private readonly host: Host
  readonly healthPart: Part
  readonly exporterParts: Part[] = []
  readonly receiverParts: Part[] = []
  readonly extensionParts: Part[] = []
  /** By place in the pipeline: all first processors, all second ones, … */
  readonly processorParts: Part[][] = []

  constructor(
    private readonly plan: GraphPlan,
    private readonly services: Services,
  ) {
    this.ledger = new Ledger(services.meter)
    const health = new Health(services.clock)
    this.host = new TokenMap(services.host).put(HEALTH, health)
    this.healthPart = {
      name: 'health',
      log: services.log,
      instance: { start: async () => health.ready(), stop: async () => health.notReady() },
    }
  }

  build(): void {
    const exporters = new Map<string, Exporter>()
    const pipelines: Pipeline[] = []
    for (const [name, pipeline] of Object.entries(this.plan.pipelines)) {
      for (const id of pipeline.exporters) if (!exporters.has(id)) exporters.set(id, this.exporter(id))
      const ends = pipeline.exporters.map(id => exporters.get(id)!)
      const out = outlet(ends, signal => this.nobody(name, signal))
      pipelines.push({
        signals: signalsOf(name),
        receivers: pipeline.receivers,
        consume: this.throughProcessors(name, pipeline.processors, { consume: out, signals: takenBy(ends) }),
      })
    }
    for (const id of new Set(pipelines.flatMap(pipeline => pipeline.receivers))) this.receiver(id, pipelines)
    for (const id of Object.keys(this.plan.extensions)) this.extension(id)
  }

  private context(kind: Kind, id: string, pipeline?: string): Context & { log: RootLog } {
    const { log, meter, clock } = this.services
    return { id, log: log.with({ kind, component: id, ...(pipeline === undefined ? {} : { pipeline }) }), meter, clock, host: this.host }
  }

  private exporter(id: string): Exporter {
    const { component, config } = planned(this.plan.exporters, 'exporter', id)
    const context = this.context('exporter', id)
    const name = `exporter ${id}`
    const instance = make(name, () => component.create(config, context))
    this.exporterParts.push({ name, instance, log: context.log })
    const consume: Consume = batch => instance.consume(batch)
    const { temporality, signals = component.signals } = instance
    return { signals, temporality, consume: edge(consume, [this.ledger.account('exporter', id)], context.log) }
  }

  /** Nothing can be done with such a batch, now or later: refusing it would only make its sender, or the join, try for ever. */
  private nobody(pipeline: string, signal: Signal): Consume {
    const dropped = droppedItems(this.services.meter, 'pipeline', pipeline, signal, 'no_exporter')
    this.services.log.warn(`no exporter of this pipeline takes ${signal}; they are dropped and counted`, { pipeline })
    return async batch => dropped.add(batch.items)
  }

  private throughProcessors(pipeline: string, ids: readonly string[], out: Behind): Consume {
    return ids.reduceRight((behind, id, place) => this.processor(pipeline, id, place, behind), out).consume
  }

  private processor(pipeline: string, id: string, place: number, { consume: next, signals }: Behind): Behind {
    const { meter } = this.services
    const { component, config } = planned(this.plan.processors, 'processor', id)
    const context = { ...this.context('processor', id, pipeline), pipeline, next: countOutgoing(meter, id, next), signals }
    const name = `processor ${id} in pipeline ${pipeline}`
    const instance = make(name, () => component.create(config, context))
    const parts = (this.processorParts[place] ??= [])
    parts.push({ name, instance, log: context.log, answers: true })
    const into = edge(batch => instance.consume(batch), [this.ledger.account('processor', id), processorObserver(meter, id)], context.log)
    const worksOn = (signal: Signal): boolean => component.signals.includes(signal)
    return {
      consume: SIGNALS.every(worksOn) ? into : batch => (worksOn(batch.signal) ? into(batch) : next(batch)),
      signals: SIGNALS.filter(signal => worksOn(signal) || signals.includes(signal)),
    }
  }

  private receiver(id: string, pipelines: readonly Pipeline[]): void {
    const { meter, tracer } = this.services
    const { component, config } = planned(this.plan.receivers, 'receiver', id)
    const context = this.context('receiver', id)
    const fed = pipelines.filter(({ receivers }) => receivers.includes(id))
    const signals = SIGNALS.filter(signal => fed.some(pipeline => pipeline.signals.includes(signal)))
    const entries = perSignal(
      signal =>
        toAll(fed.filter(({ signals }) => signals.includes(signal)).map(({ consume }) => consume)) ??
        this.noPipeline(id, signal, context.log),
    )
    const observers = [this.ledger.account('receiver', id), receiverObserver(meter, id)]
    const observed = edge((batch: Batch) => entries(batch.signal)(batch), observers, context.log)
    const next = tracer ? traced(tracer, id, observed) : observed
    const name = `receiver ${id}`
    const instance = make(name, () => component.create(config, { ...context, next, signals }))
    this.receiverParts.push({ name, instance, log: context.log, answers: true })
  }

  /** The sender is told: what it sends can go nowhere until the configuration changes. */
  private noPipeline(receiver: string, signal: Signal, log: RootLog): Consume {
    log.warn(`no pipeline of this receiver carries ${signal}; they are refused`)
    return async () => {
      throw new PermanentError(`no pipeline behind receiver ${receiver} carries ${signal}`, 'no_pipeline')
    }
  }

  private extension(id: string): void {
    const { component, config } = planned(this.plan.extensions, 'extension', id)
    const context = this.context('extension', id)
    const name = `extension ${id}`
    this.extensionParts.push({ name, instance: make(name, () => component.create(config, context)), log: context.log })
  }
}

export const buildGraph = (plan: GraphPlan, services: Services): Graph => {
  const built = new Builder(plan, services)
  built.build()
  const { extensionParts, exporterParts, processorParts, receiverParts, healthPart } = built
  return new Stages([extensionParts, exporterParts, ...processorParts.toReversed(), receiverParts, [healthPart]], services.clock)
}
