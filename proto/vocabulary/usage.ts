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

export const OPERATION_KEY = 'gen_ai.operation.name'

/** Operations whose usage repeats that of the calls inside them: never counted. */
export const AGGREGATES: readonly string[] = ['invoke_agent', 'invoke_workflow', 'create_agent', 'execute_tool']
