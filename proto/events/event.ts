/** The correlated event: what one window says about one workload. Its wire form is proto/schema/events.proto; field comments are there. */

export const SCHEMA_VERSION = 1

export type FigureSource = 'engine_metrics' | 'engine_spans' | 'client_spans'
/** In the order in which one of them becomes the headline. */
export const FIGURE_SOURCES: readonly FigureSource[] = ['engine_metrics', 'engine_spans', 'client_spans']

export type EventFlag = 'cut' | 'energy_from_power' | 'overflow'
export type LatencyName =
  | 'time_to_first_token'
  | 'inter_token_latency'
  | 'time_per_output_token'
  | 'request_duration'
  | 'queue_duration'
  | 'prefill_duration'
  | 'decode_duration'

/** What a GPU second can go into, in the order in which the first match wins (docs/efficiency.md). */
export const BUCKETS = [
  'unknown',
  'unavailable',
  'unallocated',
  'starting',
  'idle_held',
  'starved_data',
  'starved_comm',
  'checkpoint',
  'throttled',
  'redone',
  'inefficient',
  'productive',
] as const
export type Bucket = (typeof BUCKETS)[number]

export interface GpuTime {
  /** As the device calls itself; '' when it does not. */
  model: string
  bucket: Bucket
  seconds: number
  cost?: number
}

export interface TenantFigures {
  /** '' = none was named. */
  tenant: string
  source: Exclude<FigureSource, 'engine_metrics'>
  requests: number
  input: number
  output: number
  cached: number
  cost?: number
  idleCost?: number
  energyJoules?: number
  eligible?: number
  good?: number
}

export interface SloFigures {
  source: Exclude<FigureSource, 'engine_metrics'>
  target: number
  eligible: number
  good: number
  goodOutput: number
  errors: number
  missedTimeToFirstToken: number
  missedTimePerOutputToken: number
  missedDuration: number
}

export type CostSplit = 'compute_time' | 'multiplier'

export interface Efficiency {
  currency: string
  /** `contract`, `list` or `amortised`; `mixed` when prices of several kinds count; '' when nothing has a price. */
  priceSource: string
  cost?: number
  activeCost?: number
  idleCost?: number
  unknownCost?: number
  unattributedCost?: number
  unpricedSeconds: number
  inputCost?: number
  outputCost?: number
  costSplit: CostSplit | ''
  idleJoules?: number
  hostJoules?: number
  facilityJoules?: number
  carbonGrams?: number
  joulesPerToken?: number
  joulesPerOutputToken?: number
  tokensPerSecondPerGpu?: number
  modelFlopsUtilization?: number
  costPerGoodToken?: number
}

export interface GpuFigures {
  count: number
  ids: string[]
  utilization?: number
  smActive?: number
  tensorActive?: number
  memoryUtilization?: number
  memoryUsageBytes?: number
  powerWatts?: number
  energyJoules?: number
  lateEnergyJoules?: number
  temperatureMaxCelsius?: number
  throttled?: number
  coverage: number
  carriedSeconds: number
}

export interface Latency {
  name: LatencyName
  count: number
  sum: number
  bounds: readonly number[]
  bucketCounts: readonly number[]
  late: boolean
}

export interface ServingFigures {
  engines: number
  queueDepth?: number
  running?: number
  kvCacheUtilization?: number
  preemptions?: number
  latePreemptions?: number
  latencies: Latency[]
  coverage: number
  carriedSeconds: number
}

export interface TokenFigures {
  source: FigureSource
  input?: number
  output?: number
  cached?: number
  lateInput?: number
  lateOutput?: number
  lateCached?: number
}

export interface RequestFigures {
  source: FigureSource
  finishReason: string
  count: number
  lateCount: number
}

export interface SpanFigures {
  count: number
  errors: number
  lateCount: number
  lateErrors: number
}

export interface Exemplar {
  traceId: Uint8Array
  spanId: Uint8Array
  reason: 'slowest' | 'error'
  durationSeconds: number
}

export interface CorrelatedEvent {
  id: Uint8Array
  schemaVersion: number
  workloadId: string
  workloadSource: string
  workloadConfidence: string
  windowStartMs: number
  windowLengthMs: number
  flags: EventFlag[]
  /** Empty when no source of tokens or requests was seen. */
  headlineSource: FigureSource | ''
  gpu?: GpuFigures
  serving?: ServingFigures
  tokens: TokenFigures[]
  requests: RequestFigures[]
  spans?: SpanFigures
  exemplars: Exemplar[]
  gpuTime: GpuTime[]
  tenants: TenantFigures[]
  efficiency?: Efficiency
  slo: SloFigures[]
}
