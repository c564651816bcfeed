/** A window of a workload that is over, as a correlated event (rules 9, 10, 12, 17). */
import { hash } from 'node:crypto'
import {
  type CorrelatedEvent,
  FIGURE_SOURCES,
  type FigureSource,
  type GpuFigures,
  type Latency,
  type RequestFigures,
  SCHEMA_VERSION,
  type ServingFigures,
  type TokenFigures,
} from '../../proto/events/event.js'
import { DeviceTime } from './device_time.js'
import { Lens } from './figures.js'
import { type Amounts, Ledger } from './ledger.js'
import type { Remainder } from './remainder.js'
import { sloOf, tenantsOf } from './span-figures.js'
import type { SpanSums, Target, Workload } from './state.js'
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
  hash('sha256', [stream, workload, '', start, end - start, SCHEMA_VERSION].join('\0'), 'buffer').subarray(0, 16)

export class Closer {
  private readonly lens = new Lens()
  private readonly deviceTime = new DeviceTime()
  private readonly book = new Ledger()
  /** For what a remainder books. */
  private readonly used = new Ledger()
  private readonly taken = new Ledger()

  /**
   * Books what belongs to the window, which changes the state, and returns what there is to say; undefined when there is nothing, and when
   * `muted`: then nobody listens. `remainder`: what nobody owns of the energy, instead of what the workload's own samples say.
   */
  close(workload: Workload, window: Window, muted: boolean, remainder?: Remainder): CorrelatedEvent | undefined {
    const book = this.book.clear()
    for (const target of workload.devices) book.take(target.counters, window.end)
    for (const target of workload.engines) book.take(target.counters, window.end)
    if (remainder) book.replace('gpu.energy', remainder.close(window.end, window.maxGap, this.used.clear(), this.taken.clear()))
    const spans = workload.windows.get(window.index)
    const { late } = workload
    workload.windows.delete(window.index)
    workload.late = undefined
    if (muted) return undefined
    const devices = present(workload.devices, window.start, window.end, window.maxGap)
    const engines = present(workload.engines, window.start, window.end, window.maxGap)
    const latencies = book.latencies()
    const grew = book.grew || latencies.length > 0
    const gpuTime = remainder ? remainder.time(this.deviceTime, window) : this.deviceTime.owned(workload.devices, window)
    if (devices.length === 0 && engines.length === 0 && gpuTime.length === 0 && !spans && !late && !grew) return undefined
    this.lens.point(devices, engines, window.start, window.end, window.maxGap)
    this.lens.look(window.start, window.end)
    const gpu = this.gpu(devices, book, window)
    const serving = this.serving(engines, book, latencies, window)
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
      gpuTime,
      tenants: tenantsOf(spans, late),
      slo: sloOf(spans, late),
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
    const gpu: GpuFigures = {
      count: devices.length,
      ids: devices.slice(0, MAX_IDS).map(({ identity }) => identity.id),
      coverage: devices.length > 0 ? lens.devices.observed / (devices.length * (end - start)) : 0,
      carriedSeconds: lens.devices.carried / 1000,
    }
    know(gpu, 'utilization', lens.utilization)
    know(gpu, 'smActive', lens.smActive)
    know(gpu, 'tensorActive', lens.tensorActive)
    know(gpu, 'memoryUtilization', lens.memoryUtilization)
    know(gpu, 'memoryUsageBytes', lens.memoryUsage)
    know(gpu, 'powerWatts', lens.power)
    know(gpu, 'energyJoules', energy ? energy[0] : lens.energyOfPower)
    know(gpu, 'lateEnergyJoules', unlessZero(energy?.[1]))
    know(gpu, 'temperatureMaxCelsius', lens.temperatureMax)
    know(gpu, 'throttled', lens.throttled)
    return gpu
  }

  private serving(engines: readonly Target[], book: Ledger, latencies: Latency[], { start, end }: Window): ServingFigures | undefined {
    const preemptions = book.amounts('engine.preemptions')
    if (engines.length === 0 && latencies.length === 0 && !(preemptions && preemptions[0] + preemptions[1] > 0)) return undefined
    const { lens } = this
    const serving: ServingFigures = {
      engines: engines.length,
      latencies,
      coverage: engines.length > 0 ? lens.engines.observed / (engines.length * (end - start)) : 0,
      carriedSeconds: lens.engines.carried / 1000,
    }
    know(serving, 'queueDepth', lens.queueDepth)
    know(serving, 'running', lens.running)
    know(serving, 'kvCacheUtilization', lens.kvCache)
    know(serving, 'preemptions', preemptions?.[0])
    know(serving, 'latePreemptions', unlessZero(preemptions?.[1]))
    return serving
  }
}

/** Sets the figure, unless its value is not known. */
const know = <K extends string>(figures: { [key in K]?: number }, name: K, value: number | undefined): void => {
  if (value !== undefined && !Number.isNaN(value)) figures[name] = value
}
const unlessZero = (amount: number | undefined): number | undefined => (amount !== undefined && amount > 0 ? amount : undefined)

/** Of every source that is alive and says anything at all, or that has said something more than zero. */
const tokensOf = (
  alive: readonly FigureSource[],
  book: Ledger,
  spans: SpanSums | undefined,
  late: SpanSums | undefined,
): TokenFigures[] => {
  const tokens: TokenFigures[] = []
  for (const source of FIGURE_SOURCES) {
    const figures: TokenFigures = { source }
    if (source === 'engine_metrics') {
      tell(figures, 'input', 'lateInput', book.amounts('engine.tokens.input'))
      tell(figures, 'output', 'lateOutput', book.amounts('engine.tokens.output'))
      tell(figures, 'cached', 'lateCached', book.amounts('engine.tokens.cached'))
    } else {
      const now = spans?.of(source).figures
      const before = late?.of(source).figures
      tell(figures, 'input', 'lateInput', [now?.input ?? 0, before?.input ?? 0])
      tell(figures, 'output', 'lateOutput', [now?.output ?? 0, before?.output ?? 0])
      tell(figures, 'cached', 'lateCached', [now?.cached ?? 0, before?.cached ?? 0])
    }
    const { input, output, cached, lateInput, lateOutput, lateCached } = figures
    const said = [input, output, cached, lateInput, lateOutput, lateCached]
    if (said.some(amount => amount !== undefined && (amount > 0 || alive.includes(source)))) tokens.push(figures)
  }
  return tokens
}

type Amount = Exclude<keyof TokenFigures, 'source'>
const tell = (figures: TokenFigures, name: Amount, lateName: Amount, amounts: Amounts): void => {
  know(figures, name, amounts?.[0])
  know(figures, lateName, unlessZero(amounts?.[1]))
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
    const count = spans?.of(source).figures.requests ?? 0
    const lateCount = late?.of(source).figures.requests ?? 0
    if (count > 0 || lateCount > 0 || alive.includes(source)) requests.push({ source, finishReason: '', count, lateCount })
  }
  return requests
}
