/**
 * Where spans say how many tokens a request took, as data. Several spellings of one figure are the same figure: the first that is present
 * counts, they are never added. Sources: semantic-conventions v1.41.1 gen_ai registry; vllm-project/vllm vllm/tracing/utils.py; OpenInference.
 */

export type Figure = 'input' | 'output' | 'cached'

export const TOKEN_KEYS: Readonly<Record<Figure, readonly string[]>> = {
  input: ['gen_ai.usage.input_tokens', 'gen_ai.usage.prompt_tokens', 'llm.token_count.prompt', 'llm.usage.prompt_tokens'],
  output: ['gen_ai.usage.output_tokens', 'gen_ai.usage.completion_tokens', 'llm.token_count.completion', 'llm.usage.completion_tokens'],
  cached: ['gen_ai.usage.cache_read.input_tokens', 'gen_ai.usage.cached_tokens', 'llm.token_count.prompt_details.cache_read'],
}

/**
 * Seconds from a request to its first token, as engines and clients say on their spans. Sources: vllm/tracing/utils.py; semantic-conventions v1.41.1
 * (`gen_ai.response.time_to_first_chunk`).
 */
export const FIRST_TOKEN_KEYS: readonly string[] = ['gen_ai.latency.time_to_first_token', 'gen_ai.response.time_to_first_chunk']
/** Seconds of a whole request as the engine says; without it the span's own duration counts. */
export const REQUEST_SECONDS_KEY = 'gen_ai.latency.e2e'
/** How a request ended that its client gave up: a value of `error.type`, or of FINISH_REASONS_KEY. */
export const CANCELLED: ReadonlySet<string> = new Set([
  'client_disconnect',
  'cancelled',
  'canceled',
  'CancelledError',
  'AbortError',
  'abort',
])
export const ERROR_TYPE_KEY = 'error.type'
export const FINISH_REASONS_KEY = 'gen_ai.response.finish_reasons'

/** Where spans, or their resources, name the tenant unless somebody says otherwise. */
export const TENANT_KEYS: readonly string[] = ['ai_factory.tenant.id', 'tenant.id']

export const OPERATION_KEY = 'gen_ai.operation.name'

/** Operations whose usage repeats that of the calls inside them: never counted. */
export const AGGREGATES: readonly string[] = ['invoke_agent', 'invoke_workflow', 'create_agent', 'execute_tool']
