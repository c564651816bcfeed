/**
 * Correlated events as OTLP: per event one ResourceMetrics and one ResourceLogs. Pure: the same event gives the same bytes (but for running
 * totals, which depend on the events before).
 * Metrics are deltas over the window (start and time are the window's); amounts of closed windows are points of their own with
 * `ai_factory.late`, so that the sum over all points is the sum that was measured.
 */
import { Batch } from '../batch.js'
import * as names from '../vocabulary/attributes.js'
import { Writer } from '../wire.js'
import { decodeEvents } from './codec.js'
import type { RunningSums } from './cumulative.js'
import type { CorrelatedEvent, GpuFigures, ServingFigures, TokenFigures } from './event.js'
import { INPUT, OUTPUT, sourceLabel } from './labels.js'
import { writeLog } from './log.js'
import { gauge, histogram, type Label, label, type Metric, MetricsWriter, type Point, sum } from './metrics-writer.js'
import { LATENCY_METRICS, resourceOf } from './otlp.js'
import { writeEfficiency } from './render-efficiency.js'

/** About what the metrics and the log record of an event with one engine take. */
const METRICS_BYTES = 10 << 10
const LOG_BYTES = 3 << 10

/**
 * A batch of metrics and a batch of logs for a batch of the signal `events`; nothing for an empty one. With `sums`, sums and histograms are
 * cumulative: running totals within the batch's epoch. Throws WireError.
 */
export const renderEvents = (batch: Batch, sums?: RunningSums): Batch[] => {
  const events = decodeEvents(batch)
  if (events.length === 0) return []
  const { metadata } = batch
  const metrics = new Writer(events.length * METRICS_BYTES)
  const logs = new Writer(events.length * LOG_BYTES)
  let points = 0
  for (const event of events) {
    const id = Buffer.from(event.id).toString('hex')
    const resource = resourceOf(event)
    const writer = new MetricsWriter(metrics, {
      resource,
      workload: label(names.WORKLOAD_ID, event.workloadId),
      window: { start: event.windowStartMs, end: event.windowStartMs + event.windowLengthMs },
      sums: sums?.event(metadata.epoch ?? '', id),
    })
    writeMetrics(writer, event)
    writer.finish()
    points += writer.points
    writeLog(logs, event, id, resource)
  }
  const log = Batch.of('logs', [logs.finish()], events.length, metadata)
  return points > 0 ? [Batch.of('metrics', [metrics.finish()], points, metadata), log] : [log]
}

/** A figure of `K` as a metric; `late`: the part of a sum that belongs to closed windows. */
interface Row<K extends string> {
  readonly metric: Metric
  readonly value: K
  readonly late?: K
}

const GPU: readonly Row<Exclude<keyof GpuFigures, 'ids'>>[] = [
  { metric: gauge(names.GPU_COUNT, '{gpu}'), value: 'count' },
  { metric: gauge(names.GPU_UTILIZATION, '1'), value: 'utilization' },
  { metric: gauge(names.GPU_SM_ACTIVE, '1'), value: 'smActive' },
  { metric: gauge('ai_factory.gpu.tensor.active', '1'), value: 'tensorActive' },
  { metric: gauge(names.GPU_MEMORY_UTILIZATION, '1'), value: 'memoryUtilization' },
  { metric: gauge(names.GPU_MEMORY_USAGE, 'By'), value: 'memoryUsageBytes' },
  { metric: gauge(names.GPU_POWER, 'W'), value: 'powerWatts' },
  { metric: sum(names.GPU_ENERGY, 'J'), value: 'energyJoules', late: 'lateEnergyJoules' },
  { metric: gauge(names.GPU_TEMPERATURE_MAX, 'Cel'), value: 'temperatureMaxCelsius' },
  { metric: gauge(names.GPU_THROTTLED, '1'), value: 'throttled' },
]
const SERVING: readonly Row<Exclude<keyof ServingFigures, 'latencies'>>[] = [
  { metric: gauge(names.ENGINE_QUEUE_DEPTH, '{request}'), value: 'queueDepth' },
  { metric: gauge(names.ENGINE_RUNNING, '{request}'), value: 'running' },
  { metric: gauge(names.ENGINE_KV_CACHE_UTILIZATION, '1'), value: 'kvCacheUtilization' },
  { metric: sum(names.PREEMPTIONS, '{preemption}'), value: 'preemptions', late: 'latePreemptions' },
]
const LATENCIES = new Map([...LATENCY_METRICS].map(([latency, name]) => [latency, histogram(name, 's')]))
const TOKENS = sum(names.TOKENS, '{token}')
const TOKENS_CACHED = sum(names.TOKENS_CACHED, '{token}')
const TOKENS_BY_SOURCE = sum(names.TOKENS_BY_SOURCE, '{token}')
const REQUESTS = sum(names.REQUESTS, '{request}')
const REQUESTS_BY_SOURCE = sum(names.REQUESTS_BY_SOURCE, '{request}')
const SPANS = sum(names.SPANS, '{span}')
const COVERAGE = gauge(names.WINDOW_COVERAGE, '1')
const CARRIED = gauge(names.WINDOW_CARRIED, 's')

const NONE: readonly Label[] = []
const LATE = label(names.LATE, true)
const ONLY_LATE = [LATE]
const OK = label(names.SPAN_STATUS, 'ok')
const ERROR = label(names.SPAN_STATUS, 'error')
const OF_GPU = [label(names.COVERAGE_OF, 'gpu')]
const OF_ENGINE = [label(names.COVERAGE_OF, 'engine')]

const writeMetrics = (writer: MetricsWriter, event: CorrelatedEvent): void => {
  const { gpu, serving, spans, headlineSource } = event
  if (gpu) writeRows(writer, GPU, gpu)
  if (serving) {
    writeRows(writer, SERVING, serving)
    for (const latency of serving.latencies) {
      const metric = LATENCIES.get(latency.name) ?? histogram(`ai_factory.engine.${latency.name}`, 's')
      writer.latency(metric, latency, latency.late ? ONLY_LATE : NONE)
    }
  }
  for (const figures of event.tokens) writeTokens(writer, figures, figures.source === headlineSource)
  for (const { source, finishReason, count, lateCount } of event.requests) {
    const reason = finishReason === '' ? NONE : [label(names.FINISH_REASON, finishReason)]
    const from = source === headlineSource ? NONE : [sourceLabel(source)]
    writer.numbers(source === headlineSource ? REQUESTS : REQUESTS_BY_SOURCE, [
      { value: count, labels: [...reason, ...from] },
      { value: unlessZero(lateCount), labels: [...reason, LATE, ...from] },
    ])
  }
  if (spans)
    writer.numbers(SPANS, [
      { value: spans.count - spans.errors, labels: [OK] },
      { value: spans.errors, labels: [ERROR] },
      { value: unlessZero(spans.lateCount - spans.lateErrors), labels: [OK, LATE] },
      { value: unlessZero(spans.lateErrors), labels: [ERROR, LATE] },
    ])
  const ofBoth = (figure: 'coverage' | 'carriedSeconds'): Point[] => [
    { value: gpu?.[figure], labels: OF_GPU },
    { value: serving?.[figure], labels: OF_ENGINE },
  ]
  writeEfficiency(writer, event)
  writer.numbers(COVERAGE, ofBoth('coverage'))
  writer.numbers(CARRIED, ofBoth('carriedSeconds'))
}

const writeRows = <K extends string>(writer: MetricsWriter, rows: readonly Row<K>[], figures: { readonly [key in K]?: number }): void => {
  for (const { metric, value, late } of rows) {
    const points: Point[] = [{ value: figures[value], labels: NONE }]
    if (late) points.push({ value: figures[late], labels: ONLY_LATE })
    writer.numbers(metric, points)
  }
}

/** Only the headline's tokens count under the plain names; those of another source stand beside them with its name. */
const writeTokens = (writer: MetricsWriter, figures: TokenFigures, headline: boolean): void => {
  const { input, output, cached, lateInput, lateOutput, lateCached } = figures
  const from = headline ? NONE : [sourceLabel(figures.source)]
  writer.numbers(headline ? TOKENS : TOKENS_BY_SOURCE, [
    { value: input, labels: [INPUT, ...from] },
    { value: lateInput, labels: [INPUT, LATE, ...from] },
    { value: output, labels: [OUTPUT, ...from] },
    { value: lateOutput, labels: [OUTPUT, LATE, ...from] },
  ])
  if (!headline) return
  writer.numbers(TOKENS_CACHED, [
    { value: cached, labels: NONE },
    { value: lateCached, labels: ONLY_LATE },
  ])
}

const unlessZero = (value: number): number | undefined => value || undefined
