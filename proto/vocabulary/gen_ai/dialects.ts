/** The dialects, each with its source. */
import { type Dialect, NAME, PARAMETERS } from './table.js'

/** Names of semantic-conventions before v1.41.1 (v1.44.0 model/gen-ai/deprecated), and what its successor will call them. */
const otel: Dialect = {
  rows: [
    { from: 'gen_ai.usage.prompt_tokens', to: NAME.input, as: 'integer' },
    { from: 'gen_ai.usage.completion_tokens', to: NAME.output, as: 'integer' },
    { from: 'gen_ai.usage.cache_write.input_tokens', to: NAME.cacheCreation, as: 'integer' },
    { from: 'gen_ai.system', to: NAME.provider, as: 'provider' },
    { from: 'gen_ai.openai.request.seed', to: NAME.seed, as: 'integer' },
    { from: 'gen_ai.openai.request.response_format', to: NAME.outputType, as: { text: 'text', json_object: 'json', json_schema: 'json' } },
    { from: 'gen_ai.openai.request.service_tier', to: 'openai.request.service_tier', as: 'text' },
    { from: 'gen_ai.openai.response.service_tier', to: 'openai.response.service_tier', as: 'text' },
    { from: 'gen_ai.openai.response.system_fingerprint', to: 'openai.response.system_fingerprint', as: 'text' },
  ],
}

/** Arize-ai/openinference spec/semantic_conventions.md@1fe497f1d. Its prompt counts contain what was cached. */
const openinference: Dialect = {
  marker: 'openinference.span.kind',
  rows: [
    {
      from: 'openinference.span.kind',
      to: NAME.operation,
      as: {
        LLM: 'chat',
        EMBEDDING: 'embeddings',
        RETRIEVER: 'retrieval',
        TOOL: 'execute_tool',
        AGENT: 'invoke_agent',
        CHAIN: 'invoke_workflow',
      },
    },
    { from: 'llm.request.model_name', to: NAME.requestModel, as: 'text' },
    { from: 'llm.model_name', to: NAME.requestModel, as: 'text' },
    { from: 'embedding.model_name', to: NAME.requestModel, as: 'text' },
    { from: 'reranker.model_name', to: NAME.requestModel, as: 'text' },
    { from: 'llm.response.model_name', to: NAME.responseModel, as: 'text' },
    { from: 'llm.provider', to: NAME.provider, as: 'provider' },
    { from: 'llm.token_count.prompt', to: NAME.input, as: 'integer' },
    { from: 'llm.token_count.completion', to: NAME.output, as: 'integer' },
    { from: 'llm.token_count.prompt_details.cache_read', to: NAME.cacheRead, as: 'integer' },
    { from: 'llm.token_count.prompt_details.cache_write', to: NAME.cacheCreation, as: 'integer' },
    { from: 'llm.token_count.completion_details.reasoning', to: NAME.reasoning, as: 'integer' },
    { from: 'llm.finish_reason', to: NAME.finishReasons, as: 'finish_reasons' },
    { from: 'tool.name', to: NAME.toolName, as: 'text' },
    { from: 'tool.description', to: NAME.toolDescription, as: 'text' },
    { from: 'tool_call.id', to: NAME.toolCall, as: 'text' },
    { from: 'tool.id', to: NAME.toolCall, as: 'text' },
    { from: 'tool.parameters', to: NAME.toolArguments, as: 'same' },
    { from: 'session.id', to: NAME.conversation, as: 'text' },
    { from: 'agent.name', to: NAME.agent, as: 'text' },
  ],
  expansions: [{ from: 'llm.invocation_parameters', members: PARAMETERS }],
}

/** traceloop/openllmetry 0.62.1 semconv_ai and MIGRATION.md. Its Anthropic instrumentation has added cached tokens to the input already. */
const openllmetry: Dialect = {
  rows: [
    { from: 'llm.request.type', to: NAME.operation, as: { chat: 'chat', completion: 'text_completion', embedding: 'embeddings' } },
    { from: 'traceloop.span.kind', to: NAME.operation, as: { workflow: 'invoke_workflow', agent: 'invoke_agent', tool: 'execute_tool' } },
    { from: 'llm.usage.prompt_tokens', to: NAME.input, as: 'integer' },
    { from: 'llm.usage.completion_tokens', to: NAME.output, as: 'integer' },
    { from: 'llm.usage.reasoning_tokens', to: NAME.reasoning, as: 'integer' },
    { from: 'gen_ai.usage.reasoning_tokens', to: NAME.reasoning, as: 'integer' },
    { from: 'gen_ai.usage.cache_creation_input_tokens', to: NAME.cacheCreation, as: 'integer' },
    { from: 'gen_ai.usage.cache_read_input_tokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'llm.is_streaming', to: NAME.stream, as: 'boolean' },
    { from: 'gen_ai.is_streaming', to: NAME.stream, as: 'boolean' },
    { from: 'llm.top_k', to: NAME.topK, as: 'number' },
    { from: 'llm.frequency_penalty', to: NAME.frequencyPenalty, as: 'number' },
    { from: 'llm.presence_penalty', to: NAME.presencePenalty, as: 'number' },
    { from: 'llm.chat.stop_sequences', to: NAME.stopSequences, as: 'texts' },
    { from: 'llm.response.finish_reason', to: NAME.finishReasons, as: 'finish_reasons' },
    { from: 'gen_ai.response.finish_reason', to: NAME.finishReasons, as: 'finish_reasons' },
    { from: 'llm.response.stop_reason', to: NAME.finishReasons, as: 'finish_reasons' },
    { from: 'gen_ai.openai.system_fingerprint', to: 'openai.response.system_fingerprint', as: 'text' },
    { from: 'gen_ai.openai.api_base', to: NAME.server, as: 'host' },
    { from: 'gen_ai.request.n', to: NAME.choices, as: 'integer' },
    { from: 'gen_ai.request.max_completion_tokens', to: NAME.maxTokens, as: 'integer' },
    { from: 'llm.user', to: NAME.user, as: 'text' },
    { from: 'gen_ai.user', to: NAME.user, as: 'text' },
    { from: 'traceloop.association.properties.user_id', to: NAME.user, as: 'text' },
    { from: 'traceloop.association.properties.session_id', to: NAME.conversation, as: 'text' },
    { from: 'traceloop.association.properties.conversation_id', to: NAME.conversation, as: 'text' },
    { from: 'traceloop.association.properties.chat_id', to: NAME.conversation, as: 'text' },
    { from: 'traceloop.prompt.key', to: NAME.prompt, as: 'text' },
  ],
}

/** openlit/openlit ts-1.15.0 semcov and sdk/go/semconv/genai.go. */
const openlit: Dialect = {
  rows: [
    { from: 'gen_ai.usage.completion_tokens_details.reasoning_tokens', to: NAME.reasoning, as: 'integer' },
    { from: 'gen_ai.usage.completion_tokens_details.reasoning', to: NAME.reasoning, as: 'integer' },
    { from: 'gen_ai.usage.prompt_tokens_details.cached_tokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'gen_ai.usage.prompt_tokens_details.cache_read', to: NAME.cacheRead, as: 'integer' },
    { from: 'gen_ai.usage.cache.read_input_tokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'gen_ai.usage.prompt_tokens_details.cache_creation_tokens', to: NAME.cacheCreation, as: 'integer' },
    { from: 'gen_ai.usage.prompt_tokens_details.cache_write', to: NAME.cacheCreation, as: 'integer' },
    { from: 'gen_ai.usage.cache.creation_input_tokens', to: NAME.cacheCreation, as: 'integer' },
    { from: 'gen_ai.endpoint', to: NAME.server, as: 'host' },
    { from: 'gen_ai.request.is_stream', to: NAME.stream, as: 'boolean' },
    { from: 'gen_ai.request.user', to: NAME.user, as: 'text' },
    { from: 'gen_ai.request.choice_count', to: NAME.choices, as: 'integer' },
    { from: 'gen_ai.tool.args', to: NAME.toolArguments, as: 'same' },
    { from: 'gen_ai.tool.input', to: NAME.toolArguments, as: 'same' },
    { from: 'gen_ai.tool.output', to: NAME.toolResult, as: 'same' },
    { from: 'gen_ai.retrieval.query', to: NAME.query, as: 'text' },
  ],
}

const AGGREGATE = 'invoke_agent'
/** vercel/ai ai@7.0.77. The outer span repeats the usage of the inner `do…` ones: it is an aggregate, so that nobody adds it up. */
const vercel: Dialect = {
  rows: [
    {
      from: 'ai.operationId',
      to: NAME.operation,
      as: {
        'ai.generateText': AGGREGATE,
        'ai.streamText': AGGREGATE,
        'ai.generateObject': AGGREGATE,
        'ai.streamObject': AGGREGATE,
        'ai.embed': AGGREGATE,
        'ai.embedMany': AGGREGATE,
        'ai.generateText.doGenerate': 'chat',
        'ai.streamText.doStream': 'chat',
        'ai.generateObject.doGenerate': 'chat',
        'ai.streamObject.doStream': 'chat',
        'ai.embed.doEmbed': 'embeddings',
        'ai.embedMany.doEmbed': 'embeddings',
        'ai.toolCall': 'execute_tool',
      },
    },
    { from: 'ai.model.id', to: NAME.requestModel, as: 'text' },
    { from: 'ai.model.provider', to: NAME.provider, as: 'provider' },
    { from: 'ai.usage.inputTokens', to: NAME.input, as: 'integer' },
    { from: 'ai.usage.promptTokens', to: NAME.input, as: 'integer' },
    { from: 'ai.usage.tokens', to: NAME.input, as: 'integer' },
    { from: 'ai.usage.outputTokens', to: NAME.output, as: 'integer' },
    { from: 'ai.usage.completionTokens', to: NAME.output, as: 'integer' },
    { from: 'ai.usage.outputTokenDetails.reasoningTokens', to: NAME.reasoning, as: 'integer' },
    { from: 'ai.usage.reasoningTokens', to: NAME.reasoning, as: 'integer' },
    { from: 'ai.usage.inputTokenDetails.cacheReadTokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'ai.usage.cachedInputTokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'ai.usage.inputTokenDetails.cacheWriteTokens', to: NAME.cacheCreation, as: 'integer' },
    { from: 'ai.response.msToFirstChunk', to: NAME.firstChunk, as: 'milliseconds' },
    { from: 'ai.stream.msToFirstChunk', to: NAME.firstChunk, as: 'milliseconds' },
    { from: 'ai.response.id', to: NAME.responseId, as: 'text' },
    { from: 'ai.response.model', to: NAME.responseModel, as: 'text' },
    { from: 'ai.response.finishReason', to: NAME.finishReasons, as: 'finish_reasons' },
    { from: 'ai.settings.maxOutputTokens', to: NAME.maxTokens, as: 'integer' },
    { from: 'ai.settings.maxTokens', to: NAME.maxTokens, as: 'integer' },
    { from: 'ai.settings.temperature', to: NAME.temperature, as: 'number' },
    { from: 'ai.settings.topP', to: NAME.topP, as: 'number' },
    { from: 'ai.settings.topK', to: NAME.topK, as: 'number' },
    { from: 'ai.toolCall.name', to: NAME.toolName, as: 'text' },
    { from: 'ai.toolCall.id', to: NAME.toolCall, as: 'text' },
    { from: 'ai.toolCall.args', to: NAME.toolArguments, as: 'same' },
    { from: 'ai.toolCall.result', to: NAME.toolResult, as: 'same' },
    { from: 'ai.telemetry.metadata.sessionId', to: NAME.conversation, as: 'text' },
    { from: 'ai.telemetry.metadata.userId', to: NAME.user, as: 'text' },
  ],
}

/** langfuse/langfuse v4.16.0 packages/shared/src/server/otel. */
const langfuse: Dialect = {
  rows: [
    {
      from: 'langfuse.observation.type',
      to: NAME.operation,
      as: {
        generation: 'chat',
        embedding: 'embeddings',
        agent: 'invoke_agent',
        tool: 'execute_tool',
        retriever: 'retrieval',
        chain: 'invoke_workflow',
      },
    },
    { from: 'langfuse.observation.model.name', to: NAME.requestModel, as: 'text' },
    { from: 'langfuse.observation.prompt.name', to: NAME.prompt, as: 'text' },
    { from: 'langfuse.session.id', to: NAME.conversation, as: 'text' },
    { from: 'langfuse.user.id', to: NAME.user, as: 'text' },
  ],
  expansions: [{ from: 'langfuse.observation.model.parameters', members: PARAMETERS }],
  exclusiveUsage: 'langfuse.observation.usage_details',
}

/** langchain-ai/langsmith-sdk@0f0b8e43 _otel_exporter.py. `langsmith.trace.session_id` is a project, not a session. */
const langsmith: Dialect = {
  rows: [
    {
      from: 'langsmith.span.kind',
      to: NAME.operation,
      as: { llm: 'chat', chain: 'invoke_workflow', tool: 'execute_tool', retriever: 'retrieval', embedding: 'embeddings' },
    },
    { from: 'langsmith.metadata.session_id', to: NAME.conversation, as: 'text' },
    { from: 'langsmith.metadata.thread_id', to: NAME.conversation, as: 'text' },
    { from: 'langsmith.metadata.conversation_id', to: NAME.conversation, as: 'text' },
    { from: 'langsmith.metadata.ls_provider', to: NAME.provider, as: 'provider' },
    { from: 'langsmith.metadata.ls_model_name', to: NAME.requestModel, as: 'text' },
    { from: 'langsmith.metadata.user_id', to: NAME.user, as: 'text' },
    { from: 'langsmith.request.streaming', to: NAME.stream, as: 'boolean' },
    { from: 'gen_ai.response.service_tier', to: 'openai.response.service_tier', as: 'text' },
  ],
  expansions: [
    {
      from: 'gen_ai.usage.input_token_details',
      members: [
        { from: 'cache_read', to: NAME.cacheRead, as: 'integer' },
        { from: 'cache_creation', to: NAME.cacheCreation, as: 'integer' },
      ],
    },
    { from: 'gen_ai.usage.output_token_details', members: [{ from: 'reasoning', to: NAME.reasoning, as: 'integer' }] },
  ],
}

/** vllm-project/vllm vllm/tracing/utils.py: the engine's own span. */
const vllm: Dialect = {
  rows: [
    { from: 'gen_ai.usage.cached_tokens', to: NAME.cacheRead, as: 'integer' },
    { from: 'gen_ai.request.id', to: NAME.responseId, as: 'text' },
  ],
}

/** In the order in which their rows count where two of them fit. */
export const DIALECTS = { otel, openinference, openllmetry, openlit, vercel, langfuse, langsmith, vllm } as const satisfies Readonly<
  Record<string, Dialect>
>
export type DialectName = keyof typeof DIALECTS
