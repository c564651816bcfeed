/** Telemetry of a large AI factory as OTLP requests: for each workload spans of its engine, samples of its GPUs (DCGM names) and of its engine (vLLM names). */
import { writeAttribute } from '../proto/attribute.js'
import { GROUP, HISTOGRAM_POINT, METRIC, METRIC_DATA, NUMBER_POINT, REQUEST, RESOURCE, SCOPE, SCOPE_GROUP } from '../proto/fields.js'
import { Writer } from '../proto/wire.js'
import { frame } from './client.js'
import { spanRequest } from './payload.js'

const NAMESPACE = 'inference'
const CUMULATIVE = 2
const SERVER = 2

const pod = (workload: number): string => `llama-${workload}-7d9c5b6f4-x2x8p`
const host = (workload: number): string => `node-${String(workload).padStart(4, '0')}`

/** A framed request whose span ids and times are set anew before each sending. */
export interface SpanChunk {
  readonly framed: Buffer
  /** Writes ids from `firstId` + 1 up and end times from `now` back, `step` milliseconds apart. */
  stamp(firstId: number, now: number, step: number): void
  /** Resolves when it is not under way. */
  free: Promise<unknown>
}

export const spanChunk = (workload: number, spans: number): SpanChunk => {
  const resource = {
    'service.name': `llama-${workload}`,
    'service.namespace': NAMESPACE,
    'k8s.namespace.name': NAMESPACE,
    'k8s.pod.name': pod(workload),
    'host.name': host(workload),
  }
  const { bytes, idOffsets, startOffsets, endOffsets } = spanRequest(spans, 0, resource, { seed: 1 + workload * spans, kind: SERVER })
  const framed = frame(bytes, false)
  const message = framed.subarray(framed.length - bytes.length)
  const durations = startOffsets.map((at, i) => message.readBigUInt64LE(endOffsets[i]!) - message.readBigUInt64LE(at))
  return {
    framed,
    free: Promise.resolve(),
    stamp(firstId, now, step) {
      for (let i = 0; i < spans; i++) {
        const end = BigInt(Math.floor(now - i * step)) * 1_000_000n
        message.writeUInt32BE(firstId + i + 1, idOffsets[i]! + 4)
        message.writeBigUInt64LE(end, endOffsets[i]!)
        message.writeBigUInt64LE(end - durations[i]!, startOffsets[i]!)
      }
    },
  }
}

const ENERGY = 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION'
const GPU_GAUGES: Readonly<Record<string, number>> = {
  DCGM_FI_DEV_SM_CLOCK: 1980,
  DCGM_FI_DEV_MEM_CLOCK: 2619,
  DCGM_FI_DEV_GPU_TEMP: 61,
  DCGM_FI_DEV_MEMORY_TEMP: 70,
  DCGM_FI_DEV_POWER_USAGE: 540,
  DCGM_FI_DEV_GPU_UTIL: 87,
  DCGM_FI_DEV_FB_USED: 70_000,
  DCGM_FI_DEV_FB_FREE: 11_000,
  DCGM_FI_DEV_XID_ERRORS: 0,
  DCGM_FI_PROF_GR_ENGINE_ACTIVE: 0.87,
  DCGM_FI_PROF_PIPE_TENSOR_ACTIVE: 0.41,
  DCGM_FI_PROF_DRAM_ACTIVE: 0.52,
}
export const SERIES_PER_GPU = Object.keys(GPU_GAUGES).length + 1

/** What a host's DCGM exporter says at `now`: all of its GPUs, all of which serve one workload. */
export const gpuRequest = (workload: number, gpus: number, now: number): Uint8Array => {
  const labels = Array.from({ length: gpus }, (_, gpu) =>
    attributes(NUMBER_POINT.attributes, {
      gpu: String(gpu),
      UUID: `GPU-${String(workload).padStart(8, '0')}-aaaa-bbbb-cccc-00000000000${gpu}`,
      pci_bus_id: `00000000:${gpu}B:00.0`,
      device: `nvidia${gpu}`,
      modelName: 'NVIDIA H100 80GB HBM3',
      Hostname: host(workload),
      container: 'vllm',
      namespace: NAMESPACE,
      pod: pod(workload),
    }),
  )
  return metricRequest({ 'service.name': 'dcgm', 'service.instance.id': `${host(workload)}:9400` }, writer => {
    const point = (gpu: number, value: number) =>
      writer.begin(METRIC_DATA.dataPoints, 256).millis(NUMBER_POINT.time, now).double(NUMBER_POINT.asDouble, value).raw(labels[gpu]!).end()
    for (const [name, value] of Object.entries(GPU_GAUGES)) {
      writer.begin(SCOPE_GROUP.items, 2000).string(METRIC.name, name).begin(METRIC.gauge, 2000)
      for (let gpu = 0; gpu < gpus; gpu++) point(gpu, value * (0.9 + ((now / 1000 + gpu) % 10) / 50))
      writer.end().end()
    }
    writer.begin(SCOPE_GROUP.items, 2000).string(METRIC.name, ENERGY).begin(METRIC.sum, 2000)
    for (let gpu = 0; gpu < gpus; gpu++) point(gpu, now * 540 + gpu)
    writer.uint(METRIC_DATA.temporality, CUMULATIVE).uint(METRIC_DATA.isMonotonic, 1).end().end()
  })
}

const ENGINE_GAUGES = ['vllm:num_requests_running', 'vllm:num_requests_waiting', 'vllm:kv_cache_usage_perc']
const ENGINE_COUNTERS = [
  'vllm:prompt_tokens',
  'vllm:generation_tokens',
  'vllm:prompt_tokens_cached',
  'vllm:num_preemptions',
  'vllm:request_success',
]
const ENGINE_HISTOGRAMS = [
  'vllm:time_to_first_token_seconds',
  'vllm:inter_token_latency_seconds',
  'vllm:e2e_request_latency_seconds',
  'vllm:request_queue_time_seconds',
  'vllm:request_prefill_time_seconds',
  'vllm:request_decode_time_seconds',
]
const BOUNDS = [0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80]
export const SERIES_PER_ENGINE = ENGINE_GAUGES.length + ENGINE_COUNTERS.length + ENGINE_HISTOGRAMS.length

/** What a vLLM replica says at `now`; `since` is when it started. */
export const engineRequest = (workload: number, now: number, since: number): Uint8Array => {
  const identity = { engine: '0', model_name: 'meta-llama/Llama-3.1-70B-Instruct', namespace: NAMESPACE, pod: pod(workload) }
  const numberLabels = attributes(NUMBER_POINT.attributes, identity)
  const histogramLabels = attributes(HISTOGRAM_POINT.attributes, identity)
  const seconds = (now - since) / 1000
  return metricRequest({ 'service.name': 'vllm', 'service.instance.id': `${pod(workload)}:8000` }, writer => {
    const point = (value: number) =>
      writer.begin(METRIC_DATA.dataPoints, 160).millis(NUMBER_POINT.time, now).double(NUMBER_POINT.asDouble, value).raw(numberLabels).end()
    for (const name of ENGINE_GAUGES) {
      writer.begin(SCOPE_GROUP.items, 256).string(METRIC.name, name).begin(METRIC.gauge, 200)
      point((now / 1000) % 10)
      writer.end().end()
    }
    for (const name of ENGINE_COUNTERS) {
      writer.begin(SCOPE_GROUP.items, 256).string(METRIC.name, name).begin(METRIC.sum, 200)
      point(Math.floor(seconds * 900))
      writer.uint(METRIC_DATA.temporality, CUMULATIVE).uint(METRIC_DATA.isMonotonic, 1).end().end()
    }
    for (const name of ENGINE_HISTOGRAMS) {
      const each = Math.floor(seconds * 3)
      writer.begin(SCOPE_GROUP.items, 600).string(METRIC.name, name).begin(METRIC.histogram, 560).begin(METRIC_DATA.dataPoints, 540)
      writer.millis(HISTOGRAM_POINT.startTime, since).millis(HISTOGRAM_POINT.time, now)
      writer.count(HISTOGRAM_POINT.count, each * (BOUNDS.length + 1)).double(HISTOGRAM_POINT.sum, each * 60)
      writer.header(HISTOGRAM_POINT.bucketCounts, (BOUNDS.length + 1) * 8)
      for (let i = 0; i <= BOUNDS.length; i++) writer.countValue(each)
      writer.header(HISTOGRAM_POINT.explicitBounds, BOUNDS.length * 8)
      for (const bound of BOUNDS) writer.doubleValue(bound)
      writer.raw(histogramLabels).end().uint(METRIC_DATA.temporality, CUMULATIVE).end().end()
    }
  })
}

const attributes = (field: number, pairs: Readonly<Record<string, string>>): Uint8Array => {
  const writer = new Writer(512)
  for (const [key, value] of Object.entries(pairs)) writeAttribute(writer, field, key, value)
  return writer.finish()
}

const metricRequest = (resource: Readonly<Record<string, string>>, metrics: (writer: Writer) => void): Uint8Array => {
  const writer = new Writer(64 << 10)
  writer.begin(REQUEST.groups, 40_000).begin(GROUP.resource, 200)
  for (const [key, value] of Object.entries(resource)) writeAttribute(writer, RESOURCE.attributes, key, value)
  writer.end().begin(GROUP.scopes, 40_000).begin(SCOPE_GROUP.scope, 100).string(SCOPE.name, 'prometheusreceiver').end()
  metrics(writer)
  return writer.end().end().finish()
}
