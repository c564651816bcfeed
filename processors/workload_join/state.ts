/** What the join remembers of one workload: its devices and engines with their samples, and the figures of windows that are open. */
import type { Exemplar, FigureSource } from '../../proto/events/event.js'
import { WORKLOAD_CONFIDENCE, WORKLOAD_SOURCE } from '../../proto/vocabulary/attributes.js'
import type { Role, RoleName } from '../../proto/vocabulary/roles.js'
import type { Arena } from './arena.js'
import { ByteMap } from './byte-map.js'
import { DEVICE, ENGINE } from './columns.js'
import type { Counter } from './counter.js'
import type { Identity } from './identity.js'
import type { Templates } from './template.js'
import { Track } from './track.js'

/** A counter of a target with what its amounts mean. */
export interface Booked {
  readonly role: RoleName
  /** `stop`, `length`… where the role's series are told apart. */
  readonly variant: string
  readonly counter: Counter
  /** Amount = raw growth × scale. */
  readonly scale: number
  /** Of a histogram: its upper bounds; components are buckets, sum. Empty otherwise. */
  readonly bounds: readonly number[]
  /** Role and bounds: histograms of one family are added up. */
  readonly family: string
  /** Orders the sums, so that they come out the same in every run. */
  readonly key: string
  /** False once the target has forgotten it. */
  alive: boolean
}

const NO_COUNTERS: Booked[] = []

export class Target {
  /** False once the workload has forgotten it. */
  alive = true
  /** Part of the device that is the workload's, as told last. */
  share = 1
  readonly track: Track
  /** In the order of their keys. */
  counters: Booked[] = NO_COUNTERS
  /** Last raw value and time of each throttling counter: [time, value]. */
  throttles: Map<string, [number, number]> | undefined

  constructor(
    readonly identity: Identity,
    columns: number,
    arena: Arena,
  ) {
    this.track = new Track(columns, arena)
  }

  get model(): string {
    return this.identity.model
  }

  counter(key: string): Booked | undefined {
    return this.counters.find(booked => booked.key === key)
  }

  book(booked: Booked): Booked {
    this.counters = [...this.counters, booked].sort((a, b) => (a.key < b.key ? -1 : 1))
    return booked
  }

  forget(oldest: number, coarseBefore: number, spacing: number): boolean {
    let alive = this.track.forget(oldest)
    let dropped = false
    for (const booked of this.counters) {
      if (booked.counter.forget(oldest, coarseBefore, spacing)) alive = true
      else {
        booked.counter.release()
        booked.alive = false
        dropped = true
      }
    }
    if (dropped) this.counters = this.counters.filter(({ alive }) => alive)
    if (this.throttles) for (const [reason, [time]] of this.throttles) if (time < oldest) this.throttles.delete(reason)
    return alive
  }

  /** The workload has forgotten it. */
  release(): void {
    this.alive = false
    this.track.release()
  }

  get bytes(): number {
    let bytes = 400 + this.track.bytes + 150 * (this.throttles?.size ?? 0)
    for (const { counter } of this.counters) bytes += 300 + counter.bytes
    return bytes
  }
}

/** Devices and engines that a span ran on. */
export interface Targets {
  readonly devices: readonly Target[]
  readonly engines: readonly Target[]
}

export interface SourceFigures {
  input: number
  output: number
  cached: number
  requests: number
}
export const noFigures = (): SourceFigures => ({ input: 0, output: 0, cached: 0, requests: 0 })

/** Whose figures those of too many are: of workloads beyond `max_workloads`, of tenants beyond MOST_TENANTS. */
export const OVERFLOW = 'ai_factory.overflow'

/** What was judged of requests, by the processor `slo`. */
export interface Judged {
  eligible: number
  good: number
}
export class SloSums implements Judged {
  target = 0
  eligible = 0
  good = 0
  goodOutput = 0
  /** By SLO_OBJECTIVES. */
  readonly missed = [0, 0, 0, 0]
  readonly tenants = new Map<string, Judged>()
}
/** Names on a span of what it missed. */
export const SLO_OBJECTIVES = ['error', 'time_to_first_token', 'time_per_output_token', 'duration'] as const

/** What the spans of one source say of requests. */
export class SourceSums {
  readonly figures = noFigures()
  /** The same by tenant that a span names. */
  readonly tenants = new Map<string, SourceFigures>()
  /** Absent while nothing was judged. */
  slo: SloSums | undefined
}

/** What spans say about one window, or about windows that had closed. */
export class SpanSums {
  count = 0
  errors = 0
  private readonly engine = new SourceSums()
  private readonly client = new SourceSums()
  readonly slowest: Exemplar[] = []
  readonly failed: Exemplar[] = []

  of(source: SpanSource): SourceSums {
    return source === 'engine_spans' ? this.engine : this.client
  }
}

export type SpanSource = Exclude<FigureSource, 'engine_metrics'>

interface CachedTemplates {
  readonly devices: readonly Target[]
  readonly source: string
  readonly confidence: string
  readonly templates: Templates
}

export class Workload {
  /** In the order of their ids. */
  devices: Target[] = []
  engines: Target[] = []
  readonly deviceById = new Map<string, Target>()
  readonly engineById = new Map<string, Target>()
  /** Changes when a device or engine comes or goes. */
  generation = 0
  /** Resource bytes → what their points stand for. */
  readonly resources = new ByteMap<ResourceState>()
  /** Window index → figures of its spans. */
  readonly windows = new Map<number, SpanSums>()
  late: SpanSums | undefined
  /** What its latest sender said of the identity. */
  source = ''
  confidence = ''
  /** Latest sample and latest record of any kind, in event time. */
  lastSample = Number.NEGATIVE_INFINITY
  lastFact = Number.NEGATIVE_INFINITY
  /** When each source of tokens and requests was last seen. */
  readonly seen: Record<FigureSource, number> = {
    engine_metrics: Number.NEGATIVE_INFINITY,
    engine_spans: Number.NEGATIVE_INFINITY,
    client_spans: Number.NEGATIVE_INFINITY,
  }

  private cached: { generation: number; made: CachedTemplates[] } = { generation: 0, made: [] }

  constructor(
    readonly id: string,
    readonly arena: Arena,
    readonly overflow = false,
  ) {}

  /** Templates for spans on these devices whose sender says this of its identity; made anew when devices have come or gone. */
  templates(devices: readonly Target[], source: string, confidence: string, make: () => Templates): Templates {
    if (this.cached.generation !== this.generation || this.cached.made.length > 64) this.cached = { generation: this.generation, made: [] }
    const { made } = this.cached
    for (const known of made)
      if (known.source === source && known.confidence === confidence && sameTargets(known.devices, devices)) return known.templates
    const templates = make()
    made.push({ devices, source, confidence, templates })
    return templates
  }

  target(level: 'device' | 'engine', identity: Identity, columns: number = level === 'device' ? DEVICE.columns : ENGINE.columns): Target {
    const byId = level === 'device' ? this.deviceById : this.engineById
    let target = byId.get(identity.id)
    if (!target) {
      target = new Target(shared(identity, this.devices[0] ?? this.engines[0]), columns, this.arena)
      byId.set(identity.id, target)
      this.order()
    }
    return target
  }

  window(index: number): SpanSums {
    let sums = this.windows.get(index)
    if (!sums) {
      sums = new SpanSums()
      this.windows.set(index, sums)
    }
    return sums
  }

  /** Forgets what is older than `oldest`. Returns whether anything is left. */
  forget(oldest: number, coarseBefore: number, spacing: number): boolean {
    let gone = false
    for (const byId of [this.deviceById, this.engineById])
      for (const [id, target] of byId)
        if (!target.forget(oldest, coarseBefore, spacing)) {
          byId.delete(id)
          target.release()
          gone = true
        }
    if (gone) this.order()
    this.resources.retain(resource => resource.forget(oldest))
    return this.deviceById.size > 0 || this.engineById.size > 0 || this.windows.size > 0 || this.lastFact >= oldest
  }

  get bytes(): number {
    let bytes = 1500 + this.resources.bytes + 400 * this.windows.size
    for (const target of this.deviceById.values()) bytes += target.bytes
    for (const target of this.engineById.values()) bytes += target.bytes
    for (const { points } of this.resources.values()) bytes += points.bytes + 160 * points.size + 600
    return bytes
  }

  private order(): void {
    const sorted = (targets: Map<string, Target>) => [...targets.values()].sort((a, b) => (a.identity.id < b.identity.id ? -1 : 1))
    this.devices = sorted(this.deviceById)
    this.engines = sorted(this.engineById)
    this.generation++
  }
}

/** Strings that another target has too are kept once: thousands of devices have few pods, hosts and models. */
const shared = (identity: Identity, like: Target | undefined): Identity => {
  if (!like) return identity
  const { pod, host, instance, model } = like.identity
  return {
    id: identity.id,
    pod: identity.pod === pod ? pod : identity.pod,
    host: identity.host === host ? host : identity.host,
    instance: identity.instance === instance ? instance : identity.instance,
    model: identity.model === model ? model : identity.model,
  }
}

const sameTargets = (a: readonly Target[], b: readonly Target[]): boolean =>
  a.length === b.length && a.every((target, i) => target === b[i])

/** A link of a chain. */
export interface CounterOf {
  readonly role: Role
  booked: Booked
  readonly next: CounterOf | undefined
}

/** What the points with one set of attributes stand for, found once and remembered by the bytes of the attributes. */
export interface PointState {
  device: Target | undefined
  engine: Target | undefined
  /** Counters of these attributes by role: mostly one. */
  counters: CounterOf | undefined
  /** Part of the device that is the workload's. */
  readonly share: number
  /** The attributes as they came, to be read again when a target or counter is made. */
  readonly attributes: Uint8Array
  lastTime: number
}

/** One resource that sends samples of the workload. */
export class ResourceState {
  readonly source: string
  readonly confidence: string
  readonly points = new ByteMap<PointState>()
  /** Those met last, by place in their metric: mostly they come in this order again. No longer than `points`. */
  readonly order: (PointState | undefined)[] = []
  lastTime = Number.NEGATIVE_INFINITY

  /**
   * `use`: of samples that `unallocated/<host>` sees only energy counts; `board`: of whole devices, whoever owns them and by whichever labels.
   */
  constructor(
    readonly labels: ReadonlyMap<string, string>,
    readonly use: 'all' | 'energy' | 'board' = 'all',
  ) {
    this.source = labels.get(WORKLOAD_SOURCE) ?? ''
    this.confidence = labels.get(WORKLOAD_CONFIDENCE) ?? ''
  }

  /** Targets of spans with this resource; found again when devices or engines have come or gone. */
  targets: Targets | undefined
  targetsGeneration = -1

  /** Forgets what was last seen before `oldest`. Returns whether the resource was seen since. */
  forget(oldest: number): boolean {
    const { size } = this.points
    this.points.retain(({ lastTime }) => lastTime >= oldest)
    if (this.points.size < size) this.order.length = 0
    return this.lastTime >= oldest
  }
}
