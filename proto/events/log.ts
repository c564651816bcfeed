/** A correlated event as one log record: what a reader of one line wants to know. */
import { type AttributeValue, writeAttribute } from '../attribute.js'
import { ANY_VALUE, LOG_RECORD, SCOPE_GROUP } from '../fields.js'
import * as names from '../vocabulary/attributes.js'
import { Writer } from '../wire.js'
import { BUCKETS, type CorrelatedEvent, type Efficiency, type GpuFigures, type ServingFigures } from './event.js'
import { beginGroup, endGroup, LATENCY_METRICS } from './otlp.js'

const INFO = new Writer(16).uint(LOG_RECORD.severityNumber, 9).string(LOG_RECORD.severityText, 'INFO').finish()
const LIKELY_LENGTH = 1 << 11
/** Not a whole number, so that it is written as a double. */
const PLACE = 0.5

/** An attribute that is a double, encoded but for its last eight bytes, which are the number. */
const double = (name: string): Uint8Array => {
  const writer = new Writer(64)
  writeAttribute(writer, LOG_RECORD.attributes, name, PLACE)
  return writer.finish().subarray(0, -8)
}

type Row<K extends string> = readonly [attribute: Uint8Array, figure: K]

const WINDOW_LENGTH = double('ai_factory.window.length')
const GPU: readonly Row<Exclude<keyof GpuFigures, 'ids'>>[] = [
  [double(names.GPU_UTILIZATION), 'utilization'],
  [double(names.GPU_SM_ACTIVE), 'smActive'],
  [double(names.GPU_MEMORY_UTILIZATION), 'memoryUtilization'],
  [double(names.GPU_MEMORY_USAGE), 'memoryUsageBytes'],
  [double(names.GPU_POWER), 'powerWatts'],
  [double(names.GPU_ENERGY), 'energyJoules'],
  [double('ai_factory.gpu.energy.late'), 'lateEnergyJoules'],
  [double(names.GPU_TEMPERATURE_MAX), 'temperatureMaxCelsius'],
  [double(names.GPU_THROTTLED), 'throttled'],
  [double('ai_factory.gpu.coverage'), 'coverage'],
  [double('ai_factory.gpu.carried'), 'carriedSeconds'],
]
const ENGINE: readonly Row<Exclude<keyof ServingFigures, 'latencies'>>[] = [
  [double(names.ENGINE_QUEUE_DEPTH), 'queueDepth'],
  [double(names.ENGINE_RUNNING), 'running'],
  [double(names.ENGINE_KV_CACHE_UTILIZATION), 'kvCacheUtilization'],
]
const MEANS = new Map([...LATENCY_METRICS].map(([latency, name]) => [latency, double(`${name}.mean`)]))
const ENGINE_COVERAGE: typeof ENGINE = [
  [double('ai_factory.engine.coverage'), 'coverage'],
  [double('ai_factory.engine.carried'), 'carriedSeconds'],
]
const TOKENS = [
  [double('ai_factory.tokens.input'), 'input'],
  [double('ai_factory.tokens.output'), 'output'],
  [double(names.TOKENS_CACHED), 'cached'],
  [double('ai_factory.tokens.input.late'), 'lateInput'],
  [double('ai_factory.tokens.output.late'), 'lateOutput'],
] as const
const BUCKET_TIMES = BUCKETS.map(bucket => [bucket, double(`${names.GPU_TIME}.${bucket}`)] as const)
const EFFICIENCY: readonly Row<Exclude<keyof Efficiency, 'currency' | 'priceSource' | 'costSplit'>>[] = [
  [double(names.COST), 'cost'],
  [double(`${names.COST}.active`), 'activeCost'],
  [double(`${names.COST}.idle`), 'idleCost'],
  [double(`${names.COST}.unknown`), 'unknownCost'],
  [double(`${names.COST}.unattributed`), 'unattributedCost'],
  [double(`${names.COST}.input`), 'inputCost'],
  [double(`${names.COST}.output`), 'outputCost'],
  [double(names.IDLE_ENERGY), 'idleJoules'],
  [double(names.HOST_ENERGY), 'hostJoules'],
  [double(names.FACILITY_ENERGY), 'facilityJoules'],
  [double(names.CARBON), 'carbonGrams'],
  [double(names.ENERGY_PER_TOKEN), 'joulesPerToken'],
  [double(names.ENERGY_PER_OUTPUT_TOKEN), 'joulesPerOutputToken'],
  [double(names.TOKEN_RATE_PER_GPU), 'tokensPerSecondPerGpu'],
  [double(names.MODEL_FLOPS_UTILIZATION), 'modelFlopsUtilization'],
  [double(names.COST_PER_GOOD_TOKEN), 'costPerGoodToken'],
]
const REQUESTS = double(names.REQUESTS)
const SPANS = [
  [double(names.SPANS), 'count'],
  [double('ai_factory.spans.errors'), 'errors'],
  [double('ai_factory.spans.late'), 'lateCount'],
] as const
const EXEMPLARS = (['slowest', 'error'] as const).map(reason => [reason, `ai_factory.exemplar.${reason}.trace_ids`] as const)

/** Appends the ResourceLogs of one event. `id`: its id in hex. */
export const writeLog = (writer: Writer, event: CorrelatedEvent, id: string, resource: Uint8Array): void => {
  const { windowStartMs: start, windowLengthMs: length } = event
  const end = start + length
  beginGroup(writer, resource)
  writer.begin(SCOPE_GROUP.items, LIKELY_LENGTH).millis(LOG_RECORD.time, end).raw(INFO)
  const body = `workload ${event.workloadId}, ${new Date(start).toISOString()} + ${length / 1000} s`
  writer.begin(LOG_RECORD.body).string(ANY_VALUE.string, body).end()
  write(writer, names.EVENT_ID, id)
  write(writer, 'ai_factory.event.schema_version', event.schemaVersion)
  writeDouble(writer, WINDOW_LENGTH, length / 1000)
  if (event.flags.length > 0) write(writer, 'ai_factory.event.flags', event.flags)
  if (event.headlineSource !== '') write(writer, names.FIGURE_SOURCE, event.headlineSource)
  if (event.gpu) writeGpu(writer, event.gpu)
  if (event.serving) writeServing(writer, event.serving)
  writeCounts(writer, event)
  writeEfficiency(writer, event)
  for (const [reason, name] of EXEMPLARS) {
    const ids = event.exemplars.filter(exemplar => exemplar.reason === reason).map(({ traceId }) => Buffer.from(traceId).toString('hex'))
    if (ids.length > 0) write(writer, name, ids)
  }
  writer.millis(LOG_RECORD.observedTime, end).string(LOG_RECORD.eventName, names.EVENT_NAME).end()
  endGroup(writer)
}

/** Device time by bucket, whatever the model, and what it cost. */
const writeEfficiency = (writer: Writer, { gpuTime, efficiency, slo }: CorrelatedEvent): void => {
  for (const [bucket, attribute] of BUCKET_TIMES) {
    let seconds: number | undefined
    for (const row of gpuTime) if (row.bucket === bucket) seconds = (seconds ?? 0) + row.seconds
    writeDouble(writer, attribute, seconds)
  }
  for (const { source, eligible, good } of slo) if (eligible > 0) write(writer, `${names.SLO_ATTAINMENT}.${source}`, good / eligible)
  if (!efficiency) return
  write(writer, names.CURRENCY, efficiency.currency)
  if (efficiency.priceSource !== '') write(writer, 'ai_factory.price.source', efficiency.priceSource)
  if (efficiency.costSplit !== '') write(writer, names.COST_SPLIT, efficiency.costSplit)
  writeDoubles(writer, EFFICIENCY, efficiency)
}

const writeGpu = (writer: Writer, gpu: GpuFigures): void => {
  write(writer, names.GPU_COUNT, gpu.count)
  write(writer, names.GPU_IDS, gpu.ids)
  writeDoubles(writer, GPU, gpu)
}

const writeServing = (writer: Writer, serving: ServingFigures): void => {
  write(writer, 'ai_factory.engine.count', serving.engines)
  writeDoubles(writer, ENGINE, serving)
  for (const { name, sum, count, late } of serving.latencies)
    if (!late && count > 0) writeDouble(writer, MEANS.get(name) ?? double(`${name}.mean`), sum / count)
  writeDoubles(writer, ENGINE_COVERAGE, serving)
}

const writeCounts = (writer: Writer, { tokens, requests, spans, headlineSource }: CorrelatedEvent): void => {
  const headline = tokens.find(({ source }) => source === headlineSource)
  if (headline) writeDoubles(writer, TOKENS, headline)
  let finished: number | undefined
  for (const { source, count } of requests) if (source === headlineSource) finished = (finished ?? 0) + count
  writeDouble(writer, REQUESTS, finished)
  if (spans) writeDoubles(writer, SPANS, spans)
}

const write = (writer: Writer, name: string, value: AttributeValue): void => writeAttribute(writer, LOG_RECORD.attributes, name, value)

/** Nothing when the value is not known. */
const writeDouble = (writer: Writer, attribute: Uint8Array, value: number | undefined): void => {
  if (value !== undefined) writer.raw(attribute).doubleValue(value)
}

const writeDoubles = <K extends string>(writer: Writer, rows: readonly Row<K>[], figures: { readonly [key in K]?: number }): void => {
  for (const [attribute, figure] of rows) writeDouble(writer, attribute, figures[figure])
}
