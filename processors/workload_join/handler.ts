/** The join on one partition of the stream: a deterministic function of records and moments (streams/handler.ts). */
import { Batch, type Group, type Signal } from '../../proto/batch.js'
import { eventsBatch } from '../../proto/events/codec.js'
import type { CorrelatedEvent } from '../../proto/events/event.js'
import { ResourceView } from '../../proto/views/resource.js'
import { UNALLOCATED } from '../../proto/vocabulary/attributes.js'
import { WireError } from '../../proto/wire.js'
import type { Handler, Moment, Release, StreamRecord, Windowing } from '../../streams/index.js'
import { Arena } from './arena.js'
import { Closer, type Window } from './close.js'
import { Enricher } from './enrich.js'
import { type FoldTime, type Ignored, MetricFold } from './fold-metrics.js'
import { SpanFold } from './fold-spans.js'
import { resourceLabels } from './identity.js'
import { KIND } from './kinds.js'
import type { Output, Outputs } from './outputs.js'
import { Remainder } from './remainder.js'
import { OVERFLOW, ResourceState, Workload } from './state.js'
import { targetsOf } from './targets.js'
import type { Enrich } from './template.js'

export interface HandlerOptions {
  readonly stream: string
  readonly enrich: Enrich
  readonly holdSpans: boolean
  /** Whether the state of all partitions together may grow. */
  readonly room: () => boolean
  readonly maxWorkloads: number
  /** Signals that somebody behind the join takes. */
  readonly wanted: ReadonlySet<Signal>
  /** Attributes that name the tenant of a span. */
  readonly tenants: readonly string[]
  readonly outputs: Outputs
}

export type Outcome = 'matched' | 'unmatched' | 'late' | 'no_workload' | 'no_target' | 'evicted' | 'too_late' | 'passed' | 'no_exporter'

/** What a handler counts; the processor makes counters of it. */
export interface Counts {
  outcome(signal: Signal, outcome: Outcome, items: number): void
  ignored(reason: keyof Ignored | 'unreadable' | 'workloads_full', items: number): void
  /** A bug: the items are passed on as they came. */
  failed(error: unknown, items: number): void
}

/** How the ids of devices begin that nobody owns. */
const UNHELD = `${UNALLOCATED}/`

export class JoinHandler implements Handler<Output> {
  private readonly workloads = new Map<string, Workload>()
  private sorted: Workload[] | undefined
  /** Of the workloads `unallocated/<host>`. */
  private readonly remainders = new Map<string, Remainder>()
  private readonly arena = new Arena()
  private readonly metrics = new MetricFold()
  private readonly spans: SpanFold
  private readonly closer = new Closer()
  private readonly enricher: Enricher
  private readonly resource = new ResourceView()
  /** Windows up to here are closed. */
  private closedTo = Number.NEGATIVE_INFINITY
  private bytes = 0

  constructor(
    private readonly options: HandlerOptions,
    private windowing: Windowing,
    private readonly counts: Counts,
  ) {
    this.spans = new SpanFold(options.tenants)
    this.enricher = new Enricher(options.enrich, options.outputs)
  }

  fold(record: StreamRecord, at: Moment): boolean {
    if (record.kind === KIND.logs || !KIND.joined(record.kind)) return false
    const workload = this.workloadOf(record.key, record)
    if (!workload) return false
    const time = this.foldTime(record, at)
    try {
      for (const group of requestOf(record).groups) this.foldGroup(workload, group, record.kind, time)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.counts.ignored('unreadable', record.items)
    }
    this.report()
    const { holdSpans, wanted } = this.options
    return record.kind === KIND.traces && holdSpans && wanted.has('traces') && workload.lastSample >= time.oldest
  }

  release(record: StreamRecord, why: Release, folded: Moment): Output | undefined {
    const signal = KIND.signal(record.kind)
    if (KIND.copy(record.kind)) return undefined
    const { outputs, wanted } = this.options
    if (!wanted.has(signal)) {
      this.counts.outcome(signal, 'no_exporter', record.items)
      return undefined
    }
    const plain = (outcome: Outcome): Output => {
      this.counts.outcome(signal, outcome, record.items)
      return outputs.finish(Batch.of(signal, [outputs.copy(record.value)], record.items))
    }
    if (why === 'evicted' || why === 'too_late') return plain(why)
    if (!KIND.joined(record.kind)) return plain(KIND.outcome(record.kind))
    if (record.kind !== KIND.traces) return plain(why === 'late' ? 'late' : 'passed')
    try {
      return this.enriched(record, why === 'late', this.foldTime(record, folded))
    } catch (error) {
      // Passed on all the same: what was promised to its sender is not lost to a fault of ours.
      if (error instanceof WireError) this.counts.ignored('unreadable', record.items)
      else this.counts.failed(error, record.items)
      return plain('unmatched')
    }
  }

  close(start: number, end: number, at: Moment, muted: boolean, cut: boolean): Output | undefined {
    const { window: length, maxGap, history } = this.windowing
    const oldest = at.streamTime - history
    const window: Window = { stream: this.options.stream, start, end, index: Math.floor(start / length), cut, maxGap, oldest }
    this.closedTo = end
    const events: CorrelatedEvent[] = []
    this.bytes = 0
    this.metrics.recall.grown = 0
    for (const workload of this.inOrder()) {
      const remainder = this.remainders.get(workload.id)
      const event = this.closer.close(workload, window, muted, remainder)
      if (event) events.push(event)
      const left = remainder?.forget(oldest, end - maxGap, maxGap) ?? false
      if (remainder && !left) this.remainders.delete(workload.id)
      if (workload.forget(oldest, end - maxGap, maxGap) || left) this.bytes += workload.bytes + (left && remainder ? remainder.bytes : 0)
      else {
        this.workloads.delete(workload.id)
        this.sorted = undefined
      }
    }
    return events.length > 0 ? this.options.outputs.finish(eventsBatch(events)) : undefined
  }

  change(windowing: Windowing, from: number): void {
    this.windowing = windowing
    this.closedTo = from
  }

  stateBytes(): number {
    return this.bytes + this.metrics.recall.grown
  }

  /** End of the last closed window; windows that were left out because nothing could be in them count as closed. */
  private boundary(at: Moment): number {
    const { window } = this.windowing
    return Math.max(this.closedTo, Math.floor(at.watermark / window) * window)
  }

  private foldTime({ appendTime }: StreamRecord, at: Moment): FoldTime {
    const { grace, history } = this.windowing
    return {
      appendTime,
      latest: appendTime + grace,
      oldest: at.streamTime - history,
      boundary: this.boundary(at),
      limits: this.windowing,
      room: this.options.room(),
    }
  }

  private workloadOf(key: string, record: StreamRecord): Workload | undefined {
    const known = this.workloads.get(key)
    if (known) return known
    const full = this.workloads.size >= this.options.maxWorkloads
    if (full) this.counts.ignored('workloads_full', record.items)
    if (full && record.kind !== KIND.traces) return undefined
    const id = full ? OVERFLOW : key
    const workload = this.workloads.get(id) ?? new Workload(id, this.arena, full)
    this.workloads.set(id, workload)
    this.sorted = undefined
    return workload
  }

  private foldGroup(workload: Workload, group: Group, kind: number, time: FoldTime): void {
    if (kind !== KIND.traces && workload.id.startsWith(UNHELD)) {
      let remainder = this.remainders.get(workload.id)
      if (!remainder) this.remainders.set(workload.id, (remainder = new Remainder(this.arena)))
      remainder.fold(this.metrics, group, kind === KIND.owned, time)
      workload.source ||= UNALLOCATED
      workload.confidence ||= 'exact'
    }
    if (kind === KIND.owned) return
    const resource = this.resourceOf(workload, group, time)
    if (kind === KIND.traces) this.spans.fold(workload, group, time, this.windowing.window)
    else if (resource) this.metrics.fold(workload, resource, group, time)
  }

  private resourceOf(workload: Workload, { resource }: Group, time: FoldTime): ResourceState | undefined {
    let state = workload.resources.get(resource, 0, resource.length)
    if (!state) {
      if (!time.room) {
        this.metrics.ignored.state_full++
        return undefined
      }
      state = workload.resources.add(
        resource,
        0,
        resource.length,
        () => new ResourceState(resourceLabels(this.resource.read(resource).attributes)),
      )
      this.metrics.recall.grown += 1024 + resource.length
    }
    if (time.appendTime > state.lastTime) state.lastTime = time.appendTime
    workload.source = state.source
    workload.confidence = state.confidence
    return state
  }

  private enriched(record: StreamRecord, late: boolean, time: FoldTime): Output {
    const workload = this.workloads.get(record.key) ?? new Workload(record.key, this.arena)
    const request = requestOf(record)
    const { enricher } = this
    const { maxGap } = this.windowing
    const slices = request.groups.map(group => enricher.group(workload, this.sender(workload, group), group, time, maxGap, late))
    if (request.unknown.length > 0) slices.push(request.unknown)
    for (const outcome of ['matched', 'unmatched', 'late'] as const) {
      if (enricher.counts[outcome] > 0) this.counts.outcome('traces', outcome, enricher.counts[outcome])
      enricher.counts[outcome] = 0
    }
    return this.options.outputs.finish(Batch.of('traces', slices, record.items))
  }

  /** The group's resource with its targets found. */
  private sender(workload: Workload, { resource }: Group): ResourceState {
    const known = workload.resources.get(resource, 0, resource.length)
    const state = known ?? new ResourceState(resourceLabels(this.resource.read(resource).attributes))
    if (state.targets === undefined || state.targetsGeneration !== workload.generation) {
      state.targets = targetsOf(workload, state.labels)
      state.targetsGeneration = workload.generation
    }
    return state
  }

  private report(): void {
    const { ignored } = this.metrics
    for (const reason of ['state_full', 'delta_temporality'] as const) {
      if (ignored[reason] > 0) this.counts.ignored(reason, ignored[reason])
      ignored[reason] = 0
    }
  }

  /** In the order of their ids, so that the events of a window come in the same order in every run. */
  private inOrder(): readonly Workload[] {
    this.sorted ??= [...this.workloads.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return this.sorted
  }
}

const requestOf = ({ kind, value, items }: StreamRecord): Batch => Batch.of(KIND.signal(kind), [value], items)
