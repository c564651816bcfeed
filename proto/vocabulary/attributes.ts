/**
 * Names this gateway writes: attributes, metrics and the event. One place, so that a name is spelled once and found by everyone.
 * What others write (DCGM, vLLM, semantic conventions) is data in roles.ts or a constant beside its reader.
 */

/** On a resource: which workload it belongs to. Set by the `workload_id` processor, or by the sender. */
export const WORKLOAD_ID = 'ai_factory.workload.id'
/** Source of the id `unallocated/<host>`: devices of a host, as far as nobody owns them. */
export const UNALLOCATED = 'unallocated'
/** The rule or table that gave the id. */
export const WORKLOAD_SOURCE = 'ai_factory.workload.source'
/** `exact`, `derived`, `shared` or `unknown`. */
export const WORKLOAD_CONFIDENCE = 'ai_factory.workload.confidence'
/** On a client span's resource: the workload that calls; WORKLOAD_ID is the one that is called. */
export const CALLER_ID = 'ai_factory.caller.id'

/** On a device sample's resource or point: the part of the device that is this workload's, 0 to 1. Absent = 1. */
export const GPU_SHARE = 'ai_factory.gpu.share'
/** How GPU_SHARE was found: `mig_slices`, `process` or `equal`. */
export const GPU_SHARE_BASIS = 'ai_factory.gpu.share.basis'
/** On a device sample's resource: the other workloads that own the device too, each with the same share. */
export const GPU_OWNERS = 'ai_factory.gpu.owners'
/** Boolean on a resource: a copy for the join alone; the raw sample is passed on from another record. */
export const JOIN_ONLY = 'ai_factory.join.only'

/** Written on each span by the join. */
export const JOIN_OUTCOME = 'ai_factory.join.outcome'
/** Observed seconds of the span's GPUs and engine / seconds, 0 to 1. */
export const JOIN_COVERAGE = 'ai_factory.join.coverage'
/** Seconds filled by carrying the last value forward. */
export const JOIN_CARRIED = 'ai_factory.join.carried'

/** Written on each request's span by the `slo` processor: whether every objective was met, those that were not, and the share that should be. */
export const SLO_GOOD = 'ai_factory.slo.good'
export const SLO_MISSED = 'ai_factory.slo.missed'
export const SLO_TARGET = 'ai_factory.slo.target'

/** Attributes on spans and, where one number says it, metrics of the correlated event. */
export const GPU_COUNT = 'ai_factory.gpu.count'
export const GPU_IDS = 'ai_factory.gpu.ids'
export const GPU_UTILIZATION = 'ai_factory.gpu.utilization'
export const GPU_SM_ACTIVE = 'ai_factory.gpu.sm.active'
export const GPU_MEMORY_UTILIZATION = 'ai_factory.gpu.memory.utilization'
export const GPU_MEMORY_USAGE = 'ai_factory.gpu.memory.usage'
export const GPU_POWER = 'ai_factory.gpu.power'
export const GPU_TEMPERATURE_MAX = 'ai_factory.gpu.temperature.max'
export const GPU_THROTTLED = 'ai_factory.gpu.throttled'
export const GPU_ENERGY = 'ai_factory.gpu.energy'
export const ENGINE_QUEUE_DEPTH = 'ai_factory.engine.queue.depth'
export const ENGINE_RUNNING = 'ai_factory.engine.running'
export const ENGINE_KV_CACHE_UTILIZATION = 'ai_factory.engine.kv_cache.utilization'

/** Metrics of the correlated event alone. */
export const TOKENS = 'ai_factory.tokens'
export const TOKENS_CACHED = 'ai_factory.tokens.cached'
export const TOKENS_BY_SOURCE = 'ai_factory.tokens.by_source'
export const REQUESTS = 'ai_factory.requests'
export const REQUESTS_BY_SOURCE = 'ai_factory.requests.by_source'
export const PREEMPTIONS = 'ai_factory.engine.preemptions'
export const SPANS = 'ai_factory.spans'
export const WINDOW_COVERAGE = 'ai_factory.window.coverage'
export const WINDOW_CARRIED = 'ai_factory.window.carried'

/** What device time, money and energy went into. */
export const GPU_TIME = 'ai_factory.gpu.time'
export const GPU_TIME_COST = 'ai_factory.gpu.time.cost'
export const COST = 'ai_factory.cost'
export const COST_TOKENS = 'ai_factory.cost.tokens'
export const HOST_ENERGY = 'ai_factory.host.energy'
export const FACILITY_ENERGY = 'ai_factory.facility.energy'
export const IDLE_ENERGY = 'ai_factory.gpu.energy.idle'
export const CARBON = 'ai_factory.carbon'
export const ENERGY_PER_TOKEN = 'ai_factory.energy_per_token'
export const ENERGY_PER_OUTPUT_TOKEN = 'ai_factory.energy_per_output_token'
export const TOKEN_RATE_PER_GPU = 'ai_factory.token_rate_per_gpu'
export const MODEL_FLOPS_UTILIZATION = 'ai_factory.model_flops_utilization'
export const UNPRICED_TIME = 'ai_factory.gpu.time.unpriced'
export const SLO_REQUESTS = 'ai_factory.slo.requests'
export const SLO_MISSES = 'ai_factory.slo.misses'
export const SLO_GOOD_TOKENS = 'ai_factory.slo.tokens.good'
export const SLO_ATTAINMENT = 'ai_factory.slo.attainment'
export const SLO_BURN_RATE = 'ai_factory.slo.burn_rate'
export const COST_PER_GOOD_TOKEN = 'ai_factory.cost_per_good_token'
export const TENANT_SLO_REQUESTS = 'ai_factory.tenant.slo.requests'
export const TENANT_COST = 'ai_factory.tenant.cost'
export const TENANT_ENERGY = 'ai_factory.tenant.energy'
export const TENANT_REQUESTS = 'ai_factory.tenant.requests'
export const TENANT_TOKENS = 'ai_factory.tenant.tokens'

/** Attributes of those metrics. */
export const BUCKET = 'ai_factory.gpu.time.bucket'
export const GPU_MODEL = 'ai_factory.gpu.model'
export const TENANT_ID = 'ai_factory.tenant.id'
/** Part of a cost: `active`, `idle`, `unknown`. */
export const COST_PART = 'ai_factory.cost.part'
export const CURRENCY = 'ai_factory.currency'
/** `error`, `time_to_first_token`, `time_per_output_token` or `duration`. */
export const SLO_OBJECTIVE = 'ai_factory.slo.objective'
/** How a cost was split between input and output: `compute_time` or `multiplier`. */
export const COST_SPLIT = 'ai_factory.cost.split'

export const TOKEN_TYPE = 'gen_ai.token.type'
export const FINISH_REASON = 'ai_factory.finish_reason'
/** `engine_metrics`, `engine_spans` or `client_spans`. */
export const FIGURE_SOURCE = 'ai_factory.source'
/** Boolean: the amount belongs to a window that had closed, or to a gap nobody observed. */
export const LATE = 'ai_factory.late'
export const SPAN_STATUS = 'ai_factory.span.status'
/** What a coverage is of: `gpu` or `engine`. */
export const COVERAGE_OF = 'ai_factory.coverage.of'

/** The log record of a correlated event. */
export const EVENT_NAME = 'ai_factory.workload.window'
export const EVENT_ID = 'ai_factory.event.id'
/** Scope name of everything rendered from correlated events. */
export const SCOPE = 'ai-factory-gateway'

/** Every name above starts so: a cheap way to see that a span was enriched before. */
export const PREFIX = 'ai_factory.'
