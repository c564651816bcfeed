/**
 * Correlated events as OTLP: per event one ResourceMetrics and one ResourceLogs. Pure: the same event gives the same bytes (but for running
 * totals, which depend on the events before).
 * Metrics are deltas over the window (start and time are the window's); amounts of closed windows are points of their own with
 * `ai_factory.late`, so that the sum over all points is the sum that was measured.
 */
import { Batch, type Group } from '../batch.js'
import * as names from '../vocabulary/attributes.js'
import { decodeEvents } from './codec.js'
import type { RunningSums } from './cumulative.js'
import type { CorrelatedEvent, Exemplar, GpuFigures, Latency, LatencyName, ServingFigures } from './event.js'
import { type Attributes, logGroup, MetricsWriter, type NumberPoint } from './otlp.js'

/** A Map, because names come off the wire: `valueOf` is no latency we know. */
const LATENCY_METRICS: ReadonlyMap<LatencyName, string> = new Map([
  ['time_to_first_token', 'ai_factory.engine.time_to_first_token'],
  ['inter_token_latency', 'ai_factory.engine.inter_token_latency'],
  ['time_per_output_token', 'ai_factory.engine.time_per_output_token'],
  ['request_duration', 'ai_factory.engine.request.duration'],
  ['queue_duration', 'ai_factory.engine.queue.duration'],
  ['prefill_duration', 'ai_factory.engine.prefill.duration'],
  ['decode_duration', 'ai_factory.engine.decode.duration'],
])

/**
 * A batch of metrics and a batch of logs for a batch of the signal `events`; nothing for an empty one. With `sums`, sums and histograms are
 * cumulative: running totals within the batch's epoch. Throws WireError.
 */
export const renderEvents = (batch: Batch, sums?: RunningSums): Batch[] => {
  const events = decodeEvents(batch)
  if (events.length === 0) return []
  const metrics: Group[] = []
  let points = 0
  for (const event of events) {
    const window = { start: event.windowStartMs, end: event.windowStartMs + event.windowLengthMs }
    const writer = new MetricsWriter(window, sums?.event(batch.metadata.epoch ?? '', Buffer.from(event.id).toString('hex')))
    writeMetrics(writer, event)
    if (writer.points > 0) metrics.push(writer.finish(resourceOf(event), names.SCOPE))
    points += writer.points
  }
  const logs = Batch.ofGroups('logs', events.map(renderLog), events.length, batch.metadata)
  return points > 0 ? [Batch.ofGroups('metrics', metrics, points, batch.metadata), logs] : [logs]
}

const resourceOf = (event: CorrelatedEvent): Attributes => [
  ['service.name', event.workloadId],
  [names.WORKLOAD_ID, event.workloadId],
  [names.WORKLOAD_SOURCE, event.workloadSource || undefined],
  [names.WORKLOAD_CONFIDENCE, event.workloadConfidence || undefined],
]

const writeMetrics = (writer: MetricsWriter, event: CorrelatedEvent): void => {
  // Also on each point: many backends keep a resource's attributes apart from its series.
  const workload: Attributes = [[names.WORKLOAD_ID, event.workloadId]]
  const point = (value: number | undefined, attributes: Attributes = []): NumberPoint[] =>
    value === undefined ? [] : [{ attributes: [...workload, ...attributes], value }]
  const late: Attributes = [[names.LATE, true]]
  const { gpu, serving, spans } = event
  if (gpu) {
    writer.gauge(names.GPU_COUNT, '{gpu}', point(gpu.count))
    writer.gauge(names.GPU_UTILIZATION, '1', point(gpu.utilization))
    writer.gauge(names.GPU_SM_ACTIVE, '1', point(gpu.smActive))
    writer.gauge('ai_factory.gpu.tensor.active', '1', point(gpu.tensorActive))
    writer.gauge(names.GPU_MEMORY_UTILIZATION, '1', point(gpu.memoryUtilization))
    writer.gauge(names.GPU_MEMORY_USAGE, 'By', point(gpu.memoryUsageBytes))
    writer.gauge(names.GPU_POWER, 'W', point(gpu.powerWatts))
    writer.sum(names.GPU_ENERGY, 'J', [...point(gpu.energyJoules), ...point(gpu.lateEnergyJoules, late)])
    writer.gauge(names.GPU_TEMPERATURE_MAX, 'Cel', point(gpu.temperatureMaxCelsius))
    writer.gauge(names.GPU_THROTTLED, '1', point(gpu.throttled))
  }
  if (serving) {
    writer.gauge(names.ENGINE_QUEUE_DEPTH, '{request}', point(serving.queueDepth))
    writer.gauge(names.ENGINE_RUNNING, '{request}', point(serving.running))
    writer.gauge(names.ENGINE_KV_CACHE_UTILIZATION, '1', point(serving.kvCacheUtilization))
    writer.sum(names.PREEMPTIONS, '{preemption}', [...point(serving.preemptions), ...point(serving.latePreemptions, late)])
    for (const latency of serving.latencies) writeLatency(writer, workload, latency)
  }
  for (const figures of event.tokens) {
    const type = (name: string): Attributes => [[names.TOKEN_TYPE, name]]
    const of = (name: string): NumberPoint[] => [
      ...point(name === 'input' ? figures.input : figures.output, type(name)),
      ...point(name === 'input' ? figures.lateInput : figures.lateOutput, [...type(name), ...late]),
    ]
    if (figures.source === event.headlineSource) {
      writer.sum(names.TOKENS, '{token}', [...of('input'), ...of('output')])
      writer.sum(names.TOKENS_CACHED, '{token}', [...point(figures.cached), ...point(figures.lateCached, late)])
    } else writer.sum(names.TOKENS_BY_SOURCE, '{token}', withSource([...of('input'), ...of('output')], figures.source))
  }
  for (const { source, finishReason, count, lateCount } of event.requests) {
    const reason: Attributes = [[names.FINISH_REASON, finishReason || undefined]]
    const points = [...point(count, reason), ...point(lateCount || undefined, [...reason, ...late])]
    if (source === event.headlineSource) writer.sum(names.REQUESTS, '{request}', points)
    else writer.sum(names.REQUESTS_BY_SOURCE, '{request}', withSource(points, source))
  }
  if (spans) {
    const status = (text: string): Attributes => [[names.SPAN_STATUS, text]]
    writer.sum(names.SPANS, '{span}', [
      ...point(spans.count - spans.errors, status('ok')),
      ...point(spans.errors, status('error')),
      ...point(spans.lateCount - spans.lateErrors || undefined, [...status('ok'), ...late]),
      ...point(spans.lateErrors || undefined, [...status('error'), ...late]),
    ])
  }
  const of = (group: string): Attributes => [[names.COVERAGE_OF, group]]
  writer.gauge(names.WINDOW_COVERAGE, '1', [...point(gpu?.coverage, of('gpu')), ...point(serving?.coverage, of('engine'))])
  writer.gauge(names.WINDOW_CARRIED, 's', [...point(gpu?.carriedSeconds, of('gpu')), ...point(serving?.carriedSeconds, of('engine'))])
}

const withSource = (points: readonly NumberPoint[], source: string): NumberPoint[] =>
  points.map(({ attributes, value }) => ({ attributes: [...attributes, [names.FIGURE_SOURCE, source]], value }))

const writeLatency = (writer: MetricsWriter, workload: Attributes, latency: Latency): void =>
  writer.histogram(LATENCY_METRICS.get(latency.name) ?? `ai_factory.engine.${latency.name}`, 's', [
    {
      attributes: latency.late ? [...workload, [names.LATE, true]] : workload,
      count: latency.count,
      sum: latency.sum,
      bounds: latency.bounds,
      counts: latency.bucketCounts,
    },
  ])

const renderLog = (event: CorrelatedEvent): Group => {
  const end = event.windowStartMs + event.windowLengthMs
  const body = `workload ${event.workloadId}, ${new Date(event.windowStartMs).toISOString()} + ${event.windowLengthMs / 1000} s`
  return logGroup(resourceOf(event), names.SCOPE, end, names.EVENT_NAME, body, [
    [names.EVENT_ID, Buffer.from(event.id).toString('hex')],
    ['ai_factory.event.schema_version', BigInt(event.schemaVersion)],
    ['ai_factory.window.length', event.windowLengthMs / 1000],
    ['ai_factory.event.flags', event.flags.length > 0 ? event.flags : undefined],
    [names.FIGURE_SOURCE, event.headlineSource || undefined],
    ...gpuAttributes(event.gpu),
    ...servingAttributes(event.serving),
    ...countAttributes(event),
    ...exemplarAttributes(event.exemplars),
  ])
}

const gpuAttributes = (gpu: GpuFigures | undefined): Attributes =>
  gpu === undefined
    ? []
    : [
        [names.GPU_COUNT, BigInt(gpu.count)],
        [names.GPU_IDS, gpu.ids],
        [names.GPU_UTILIZATION, gpu.utilization],
        [names.GPU_SM_ACTIVE, gpu.smActive],
        [names.GPU_MEMORY_UTILIZATION, gpu.memoryUtilization],
        [names.GPU_MEMORY_USAGE, gpu.memoryUsageBytes],
        [names.GPU_POWER, gpu.powerWatts],
        [names.GPU_ENERGY, gpu.energyJoules],
        ['ai_factory.gpu.energy.late', gpu.lateEnergyJoules],
        [names.GPU_TEMPERATURE_MAX, gpu.temperatureMaxCelsius],
        [names.GPU_THROTTLED, gpu.throttled],
        ['ai_factory.gpu.coverage', gpu.coverage],
        ['ai_factory.gpu.carried', gpu.carriedSeconds],
      ]

const servingAttributes = (serving: ServingFigures | undefined): Attributes =>
  serving === undefined
    ? []
    : [
        ['ai_factory.engine.count', BigInt(serving.engines)],
        [names.ENGINE_QUEUE_DEPTH, serving.queueDepth],
        [names.ENGINE_RUNNING, serving.running],
        [names.ENGINE_KV_CACHE_UTILIZATION, serving.kvCacheUtilization],
        ...serving.latencies
          .filter(latency => !latency.late && latency.count > 0)
          .map(({ name, sum, count }) => [`${LATENCY_METRICS.get(name) ?? name}.mean`, sum / count] as const),
        ['ai_factory.engine.coverage', serving.coverage],
        ['ai_factory.engine.carried', serving.carriedSeconds],
      ]

const countAttributes = ({ tokens, requests, spans, headlineSource }: CorrelatedEvent): Attributes => {
  const headline = tokens.find(({ source }) => source === headlineSource)
  const finished = requests.filter(({ source }) => source === headlineSource)
  return [
    ['ai_factory.tokens.input', headline?.input],
    ['ai_factory.tokens.output', headline?.output],
    [names.TOKENS_CACHED, headline?.cached],
    ['ai_factory.tokens.input.late', headline?.lateInput],
    ['ai_factory.tokens.output.late', headline?.lateOutput],
    [names.REQUESTS, finished.length > 0 ? finished.reduce((sum, { count }) => sum + count, 0) : undefined],
    [names.SPANS, spans?.count],
    ['ai_factory.spans.errors', spans?.errors],
    ['ai_factory.spans.late', spans?.lateCount],
  ]
}

const exemplarAttributes = (exemplars: readonly Exemplar[]): Attributes =>
  (['slowest', 'error'] as const).map(reason => {
    const ids = exemplars.filter(exemplar => exemplar.reason === reason).map(({ traceId }) => Buffer.from(traceId).toString('hex'))
    return [`ai_factory.exemplar.${reason}.trace_ids`, ids.length > 0 ? ids : undefined] as const
  })
