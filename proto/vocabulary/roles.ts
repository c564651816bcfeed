/**
 * What series mean, as data: exposition name → role. To teach the gateway another exporter, add rows; no code reads a name of its own.
 * Sources: NVIDIA/dcgm-exporter 4.5.3-4.8.2 default-counters.csv and NVIDIA/DCGM v4.6.0 dcgm_fields.h (old and new names);
 * vllm-project/vllm v0.26.0 vllm/v1/metrics/loggers.py.
 */

export type RoleKind = 'gauge' | 'counter' | 'histogram'
export type Level = 'device' | 'engine'

export interface Role {
  /** What the value is, whoever measured it. */
  readonly role: RoleName
  readonly kind: RoleKind
  /** UCUM, after scaling. */
  readonly unit: string
  /** Written value × scale = value in `unit`. */
  readonly scale: number
  readonly level: Level
  /** Tells apart counters of one role that the name tells apart (`power`, `thermal`); values are never added across them. */
  readonly variant?: string
  /** Label whose values tell apart counters of one role (`finished_reason`); values are added. */
  readonly variantLabel?: string
  /** The source writes a ratio or a percentage under the same name: above 1 it is read as a percentage. */
  readonly percentAboveOne?: boolean
}

export type DeviceRole =
  | 'gpu.utilization'
  | 'gpu.engine.active'
  | 'gpu.sm.active'
  | 'gpu.tensor.active'
  | 'gpu.dram.active'
  | 'gpu.memory.used'
  | 'gpu.memory.free'
  | 'gpu.memory.reserved'
  | 'gpu.memory.total'
  | 'gpu.power'
  | 'gpu.energy'
  | 'gpu.temperature'
  | 'gpu.throttle'
  | 'gpu.clock.sm'
export type EngineRole =
  | 'engine.waiting'
  | 'engine.running'
  | 'engine.kv_cache'
  | 'engine.tokens.input'
  | 'engine.tokens.output'
  | 'engine.tokens.cached'
  | 'engine.requests'
  | 'engine.preemptions'
  | 'engine.time_to_first_token'
  | 'engine.inter_token_latency'
  | 'engine.time_per_output_token'
  | 'engine.request_duration'
  | 'engine.queue_duration'
  | 'engine.prefill_duration'
  | 'engine.decode_duration'
export type RoleName = DeviceRole | EngineRole

type Shared = Omit<Role, 'variant'>
const device = (role: DeviceRole, kind: RoleKind, unit: string, scale = 1): Shared => ({ role, kind, unit, scale, level: 'device' })
const engine = (role: EngineRole, kind: RoleKind, unit: string): Shared => ({ role, kind, unit, scale: 1, level: 'engine' })

const MEBIBYTE = 1_048_576
const ratio = (role: DeviceRole) => device(role, 'gauge', '1')
const percent = (role: DeviceRole) => device(role, 'gauge', '1', 0.01)
const memory = (role: DeviceRole) => device(role, 'gauge', 'By', MEBIBYTE)
const watts = device('gpu.power', 'gauge', 'W')
const celsius = device('gpu.temperature', 'gauge', 'Cel')
/** Counters of nanoseconds during which the clocks were held down. Low utilisation (LOW_UTIL) is not throttling and is left out. */
const throttle = (variant: string): Role => ({ ...device('gpu.throttle', 'counter', 's', 1e-9), variant })

/** DCGM exporter. Names of DCGM 4.6 and the older aliases, without the `DCGM_FI_` that all share. */
const DCGM: Readonly<Record<string, Role>> = {
  DEV_GPU_UTIL: percent('gpu.utilization'),
  DEV_GPU_UTIL_RATIO: { ...ratio('gpu.utilization'), percentAboveOne: true },
  PROF_GR_ENGINE_ACTIVE: ratio('gpu.engine.active'),
  PROF_GR_ENGINE_UTIL_RATIO: ratio('gpu.engine.active'),
  PROF_SM_ACTIVE: ratio('gpu.sm.active'),
  PROF_SM_UTIL_RATIO: ratio('gpu.sm.active'),
  PROF_PIPE_TENSOR_ACTIVE: ratio('gpu.tensor.active'),
  PROF_TENSOR_UTIL_RATIO: ratio('gpu.tensor.active'),
  PROF_DRAM_ACTIVE: ratio('gpu.dram.active'),
  PROF_DRAM_UTIL_RATIO: ratio('gpu.dram.active'),
  DEV_FB_USED: memory('gpu.memory.used'),
  DEV_FB_FREE: memory('gpu.memory.free'),
  DEV_FB_RESERVED: memory('gpu.memory.reserved'),
  DEV_FB_TOTAL: memory('gpu.memory.total'),
  DEV_POWER_USAGE: watts,
  DEV_BOARD_POWER_WATTS: watts,
  DEV_TOTAL_ENERGY_CONSUMPTION: device('gpu.energy', 'counter', 'J', 0.001),
  DEV_GPU_TEMP: celsius,
  DEV_GPU_TEMP_CELSIUS: celsius,
  DEV_SM_CLOCK: device('gpu.clock.sm', 'gauge', 'Hz', 1e6),
  DEV_POWER_VIOLATION: throttle('power'),
  DEV_THERMAL_VIOLATION: throttle('thermal'),
  DEV_SYNC_BOOST_VIOLATION: throttle('sync_boost'),
  DEV_BOARD_LIMIT_VIOLATION: throttle('board_limit'),
  DEV_RELIABILITY_VIOLATION: throttle('reliability'),
  DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS: throttle('power'),
  DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS: throttle('sync_boost'),
  DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS: throttle('thermal'),
  DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS: throttle('hw_thermal'),
  DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS: throttle('power_brake'),
}

const tokens = (role: EngineRole) => engine(role, 'counter', '{token}')
const seconds = (role: EngineRole) => engine(role, 'histogram', 's')

/** vLLM, without the `vllm:` before and the `_total` that the Prometheus client adds to counters. */
const VLLM: Readonly<Record<string, Role>> = {
  num_requests_waiting: engine('engine.waiting', 'gauge', '{request}'),
  num_requests_running: engine('engine.running', 'gauge', '{request}'),
  kv_cache_usage_perc: engine('engine.kv_cache', 'gauge', '1'),
  gpu_cache_usage_perc: engine('engine.kv_cache', 'gauge', '1'),
  prompt_tokens: tokens('engine.tokens.input'),
  generation_tokens: tokens('engine.tokens.output'),
  prompt_tokens_cached: tokens('engine.tokens.cached'),
  request_success: { ...engine('engine.requests', 'counter', '{request}'), variantLabel: 'finished_reason' },
  num_preemptions: engine('engine.preemptions', 'counter', '1'),
  time_to_first_token_seconds: seconds('engine.time_to_first_token'),
  inter_token_latency_seconds: seconds('engine.inter_token_latency'),
  // The old name of inter_token_latency: a gap between tokens, not a request's mean.
  time_per_output_token_seconds: seconds('engine.inter_token_latency'),
  request_time_per_output_token_seconds: seconds('engine.time_per_output_token'),
  e2e_request_latency_seconds: seconds('engine.request_duration'),
  request_queue_time_seconds: seconds('engine.queue_duration'),
  request_prefill_time_seconds: seconds('engine.prefill_duration'),
  request_decode_time_seconds: seconds('engine.decode_duration'),
}

/** Under Ray the same families carry Ray's prefix, with or without the colon. */
const VLLM_PREFIXES = ['vllm:', 'ray_vllm:', 'ray_vllm_']

/** Every known exposition name → what it is. */
export const ROLES: ReadonlyMap<string, Role> = new Map([
  ...Object.entries(DCGM).map(([name, role]) => [`DCGM_FI_${name}`, role] as const),
  ...VLLM_PREFIXES.flatMap(prefix =>
    Object.entries(VLLM).flatMap(([name, role]) => {
      const names = role.kind === 'counter' ? [`${prefix}${name}`, `${prefix}${name}_total`] : [`${prefix}${name}`]
      return names.map(full => [full, role] as const)
    }),
  ),
])

/**
 * What older exporters print for "no value" (dcgm_structs.h): blank, not found, not supported, not permitted, as int32, int64 and double.
 * The four int64 values cannot be told apart as doubles, hence the bound.
 */
export const isBlank = (value: number): boolean =>
  !Number.isFinite(value) ||
  (value >= 2147483632 && value <= 2147483635) ||
  (value >= 140737488355328 && value <= 140737488355331) ||
  value >= 9.22e18

/** What a source writes in a label for "no value". */
export const BLANK_LABELS: ReadonlySet<string> = new Set(['', '<<<NULL>>>', '<<<NOT_FOUND>>>', '<<<NOT_SUPPORTED>>>', '<<<NOT_PERM>>>'])

/** What of an identity a label or attribute tells. */
export type IdentityPart = 'uuid' | 'slice' | 'index' | 'host' | 'pod' | 'instance' | 'engine' | 'model' | 'share' | 'board'

/**
 * Label or attribute → part of the identity and rank; of several that are present the lowest rank counts. `exported_*` come first: where a
 * scrape did not honour labels, the plain ones name the exporter's own pod.
 */
export const IDENTITY: ReadonlyMap<string, { readonly part: IdentityPart; readonly rank: number }> = new Map(
  Object.entries({
    uuid: ['UUID', 'uuid', 'gpu_uuid', 'hw.id'],
    slice: ['GPU_I_ID'],
    index: ['gpu'],
    host: ['Hostname', 'hostname', 'k8s.node.name', 'host.name'],
    pod: ['exported_pod', 'pod', 'pod_name', 'k8s.pod.name'],
    instance: ['service.instance.id', 'instance'],
    engine: ['engine'],
    model: ['model_name'],
    share: ['ai_factory.gpu.share'],
    board: ['modelName', 'hw.name', 'hw.model', 'card_model'],
  } satisfies Record<IdentityPart, string[]>).flatMap(([part, names]) =>
    names.map((name, rank) => [name, { part: part as IdentityPart, rank }] as const),
  ),
)

/** Labels and attributes that tell a part, the one that counts first. */
export const namesOf = (part: IdentityPart): readonly string[] => [...IDENTITY].filter(([, it]) => it.part === part).map(([name]) => name)
