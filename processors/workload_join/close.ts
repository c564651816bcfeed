/** A window of a workload that is over, as a correlated event (rules 9, 10, 12, 17). */
import { createHash } from 'node:crypto'
import {
  type CorrelatedEvent,
  FIGURE_SOURCES,
  type FigureSource,
  type GpuFigures,
  type RequestFigures,
  SCHEMA_VERSION,
  type ServingFigures,
  type TokenFigures,
} from '../../proto/events/event.js'
import { Lens } from './figures.js'
import { Ledger, Room } from './ledger.js'
import type { Remainder } from './remainder.js'
import type { SourceFigures, SpanSums, Target, Workload } from './state.js'
import { present } from './targets.js'

export interface Window {
  /** Name of the stream, part of the event's id. */
  readonly stream: string
  /** Milliseconds since the epoch: [start, end). */
  readonly start: number
  readonly end: number
  /** Windows are found by this. */
  readonly index: number
  readonly cut: boolean
  readonly maxGap: number
  /** A source seen before this is no longer one. */
  readonly oldest: number
}

const MAX_IDS = 128

/** Rule 17: the same window of the same workload has the same id wherever and however often it is computed. Shards are reserved. */
const eventId = ({ stream, start, end }: Window, workload: string): Uint8Array =>
  createHash('sha256')
    .update([stream, workload, '', start, end - start, SCHEMA_VERSION].join('\0'))
    .digest()
    .subarray(0, 16)

export class Closer {
  private readonly lens = new Lens()
  private readonly room = new Room()

  /**
   * Books what belongs to the window, which changes the state, and returns what there is to say; undefined when there is nothing, and when
   * `muted`: then nobody listens. `remainder`: what nobody owns of the energy, instead of what the workload's own samples say.
   */
  close(workload: Workload, window: Window, muted: boolean, remainder?: Remainder): CorrelatedEvent | undefined {
    const book = new Ledger(this.room)
    for (const target of workload.devices) book.take(target.counters, window.end)
    for (const target of workload.engines) book.take(target.counters, window.end)
    if (remainder) book.replace('gpu.energy', remainder.close(window.end, window.maxGap, new Ledger(this.room), new Ledger(this.room)))
    const spans = workload.windows.get(window.index)
    const { late } = workload
    workload.windows.delete(window.index)
    workload.late = undefined
    if (muted) return undefined
    const devices = present(workload.devices, window.start, window.end, window.maxGap)
    const engines = present(workload.engines, window.start, window.end, window.maxGap)
    if (devices.length === 0 && engines.length === 0 && !spans && !late && !book.any) return undefined
    this.lens.point(devices, engines, window.start, window.end, window.maxGap)
    this.lens.look(window.start, window.end)
    const gpu = this.gpu(devices, book, window)
    const serving = this.serving(engines, book, window)
    const alive = FIGURE_SOURCES.filter(source => workload.seen[source] >= window.oldest)
    const event: CorrelatedEvent = {
      id: eventId(window, workload.id),
      schemaVersion: SCHEMA_VERSION,
      workloadId: workload.id,
      workloadSource: workload.source,
      workloadConfidence: workload.confidence,
      windowStartMs: window.start,
      windowLengthMs: window.end - window.start,
      flags: [],
      headlineSource: alive[0] ?? '',
      tokens: tokensOf(alive, book, spans, late),
      requests: requestsOf(alive, book, spans, late),
      exemplars: spans ? [...spans.slowest, ...spans.failed] : [],
    }
    if (window.cut) event.flags.push('cut')
    if (gpu) {
      event.gpu = gpu
      if (gpu.energyJoules !== undefined && book.amounts('gpu.energy') === undefined) event.flags.push('energy_from_power')
    }
    if (workload.overflow) event.flags.push('overflow')
    if (serving) event.serving = serving
    if (spans || late)
      event.spans = {
        count: spans?.count ?? 0,
        errors: spans?.errors ?? 0,
        lateCount: late?.count ?? 0,
        lateErrors: late?.errors ?? 0,
      }
    return event
  }

  private gpu(devices: readonly Target[], book: Ledger, { start, end }: Window): GpuFigures | undefined {
    const energy = book.amounts('gpu.energy')
    if (devices.length === 0 && !(energy && (energy[0] > 0 || energy[1] > 0))) return undefined
    const { lens } = this
    const joules = energy ? energy[0] : lens.energyOfPower
    return {
      count: devices.length,
      ids: devices.slice(0, MAX_IDS).map(({ identity }) => identity.id),
      ...known('utilization', lens.utilization),
      ...known('smActive', lens.smActive),
      ...known('tensorActive', lens.tensorActive),
      ...known('memoryUtilization', lens.memoryUtilization),
      ...known('memoryUsageBytes', lens.memoryUsage),
      ...known('powerWatts', lens.power),
      ...known('energyJoules', joules),
      ...(energy && energy[1] > 0 ? { lateEnergyJoules: energy[1] } : {}),
      ...known('temperatureMaxCelsius', lens.temperatureMax),
      ...known('throttled', lens.throttled),
      coverage: devices.length > 0 ? lens.devices.observed / (devices.length * (end - start)) : 0,
      carriedSeconds: lens.devices.carried / 1000,
    }
  }

  private serving(engines: readonly Target[], book: Ledger, { start, end }: Window): ServingFigures | undefined {
    const latencies = book.latencies()
    const preemptions = book.amounts('engine.preemptions')
    if (engines.length === 0 && latencies.length === 0 && !(preemptions && preemptions[0] + preemptions[1] > 0)) return undefined
    const { lens } = this
    return {
      engines: engines.length,
      ...known('queueDepth', lens.queueDepth),
      ...known('running', lens.running),
      ...known('kvCacheUtilization', lens.kvCache),
      ...known('preemptions', preemptions?.[0]),
      ...(preemptions && preemptions[1] > 0 ? { latePreemptions: preemptions[1] } : {}),
      latencies,
      coverage: engines.length > 0 ? lens.engines.observed / (engines.length * (end - start)) : 0,
      carriedSeconds: lens.engines.carried / 1000,
    }
  }
}

/** The field, unless its value is not known. */
const known = <K extends string>(name: K, value: number | undefined): { [key in K]?: number } =>
  value === undefined || Number.isNaN(value) ? {} : ({ [name]: value } as { [key in K]: number })

const positive = <K extends string>(name: K, value: number | undefined): { [key in K]?: number } =>
  known(name, value !== undefined && value > 0 ? value : undefined)

const spanFigures = (source: FigureSource, sums: SpanSums | undefined): SourceFigures | undefined =>
  source === 'engine_spans' ? sums?.engine : sums?.client

const tokensOf = (alive: readonly FigureSource[], book: Ledger, spans: SpanSums | undefined, late: SpanSums | undefined): TokenFigures[] =>
  FIGURE_SOURCES.flatMap(source => {
    const figures = source === 'engine_metrics' ? tokensOfEngine(book) : tokensOfSpans(source, spans, late)
    const { source: _, ...amounts } = figures
    const living = alive.includes(source) && Object.keys(amounts).length > 0
    return living || Object.values(amounts).some(amount => amount > 0) ? [figures] : []
  })

const tokensOfEngine = (book: Ledger): TokenFigures => {
  const [input, output, cached] = [
    book.amounts('engine.tokens.input'),
    book.amounts('engine.tokens.output'),
    book.amounts('engine.tokens.cached'),
  ]
  return {
    source: 'engine_metrics',
    ...known('input', input?.[0]),
    ...known('output', output?.[0]),
    ...known('cached', cached?.[0]),
    ...positive('lateInput', input?.[1]),
    ...positive('lateOutput', output?.[1]),
    ...positive('lateCached', cached?.[1]),
  }
}

const tokensOfSpans = (source: FigureSource, spans: SpanSums | undefined, late: SpanSums | undefined): TokenFigures => {
  const now = spanFigures(source, spans)
  const before = spanFigures(source, late)
  return {
    source,
    input: now?.input ?? 0,
    output: now?.output ?? 0,
    cached: now?.cached ?? 0,
    ...positive('lateInput', before?.input),
    ...positive('lateOutput', before?.output),
    ...positive('lateCached', before?.cached),
  }
}

const requestsOf = (
  alive: readonly FigureSource[],
  book: Ledger,
  spans: SpanSums | undefined,
  late: SpanSums | undefined,
): RequestFigures[] => {
  const requests: RequestFigures[] = []
  for (const finishReason of [...book.finished.keys()].sort()) {
    const [count, lateCount] = book.finished.get(finishReason)!
    if (count > 0 || lateCount > 0 || alive.includes('engine_metrics'))
      requests.push({ source: 'engine_metrics', finishReason, count, lateCount })
  }
  for (const source of ['engine_spans', 'client_spans'] as const) {
    const count = spanFigures(source, spans)?.requests ?? 0
    const lateCount = spanFigures(source, late)?.requests ?? 0
    if (count > 0 || lateCount > 0 || alive.includes(source)) requests.push({ source, finishReason: '', count, lateCount })
  }
  return requests
}
