/**
 * How dialects of generative AI telemetry say what OpenTelemetry says, as data: attribute of a span → name of semantic-conventions v1.41.1 and what becomes of its value. Of several
 * rows for one name the first whose attribute is there counts; they are never added. Another vocabulary to write is another `to`.
 */

/** What becomes of a value; one that does not fit is left alone and counted. */
export type Conversion =
  | 'same'
  /** A number, or text of one, as an int. */
  | 'integer'
  | 'number'
  | 'boolean'
  | 'text'
  /** Milliseconds to seconds. */
  | 'milliseconds'
  /** One text, a list, or the JSON text of one, as a list of texts. */
  | 'texts'
  /** Likewise, in the words of FINISH_REASONS. */
  | 'finish_reasons'
  /** In the words of PROVIDERS; the part before a dot is tried too (`openai.chat`). */
  | 'provider'
  /** Host of a URL. */
  | 'host'
  /** In the words given; others are left alone. */
  | Readonly<Record<string, string>>

export interface Row {
  readonly from: string
  readonly to: string
  readonly as?: Conversion
}

/** JSON text whose members are read as attributes of these names. */
export interface Expansion {
  readonly from: string
  readonly members: readonly Row[]
}

export interface Dialect {
  /** Attribute without which a span does not speak it: some of its names are anybody's. */
  readonly marker?: string
  readonly rows: readonly Row[]
  readonly expansions?: readonly Expansion[]
  /** JSON text of token counts that do not contain each other: input and output are the sums of their parts. */
  readonly exclusiveUsage?: string
}

export const NAME = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  responseModel: 'gen_ai.response.model',
  responseId: 'gen_ai.response.id',
  finishReasons: 'gen_ai.response.finish_reasons',
  firstChunk: 'gen_ai.response.time_to_first_chunk',
  input: 'gen_ai.usage.input_tokens',
  output: 'gen_ai.usage.output_tokens',
  cacheRead: 'gen_ai.usage.cache_read.input_tokens',
  cacheCreation: 'gen_ai.usage.cache_creation.input_tokens',
  reasoning: 'gen_ai.usage.reasoning.output_tokens',
  maxTokens: 'gen_ai.request.max_tokens',
  temperature: 'gen_ai.request.temperature',
  topP: 'gen_ai.request.top_p',
  topK: 'gen_ai.request.top_k',
  frequencyPenalty: 'gen_ai.request.frequency_penalty',
  presencePenalty: 'gen_ai.request.presence_penalty',
  stopSequences: 'gen_ai.request.stop_sequences',
  seed: 'gen_ai.request.seed',
  stream: 'gen_ai.request.stream',
  choices: 'gen_ai.request.choice.count',
  outputType: 'gen_ai.output.type',
  conversation: 'gen_ai.conversation.id',
  agent: 'gen_ai.agent.name',
  workflow: 'gen_ai.workflow.name',
  toolName: 'gen_ai.tool.name',
  toolDescription: 'gen_ai.tool.description',
  toolCall: 'gen_ai.tool.call.id',
  toolArguments: 'gen_ai.tool.call.arguments',
  toolResult: 'gen_ai.tool.call.result',
  query: 'gen_ai.retrieval.query.text',
  prompt: 'gen_ai.prompt.name',
  user: 'user.id',
  server: 'server.address',
} as const

/** Providers as they are called, in lower case → as the convention calls them. Those that are right already are left out. */
export const PROVIDERS: Readonly<Record<string, string>> = {
  'az.ai.inference': 'azure.ai.inference',
  'az.ai.openai': 'azure.ai.openai',
  azure: 'azure.ai.openai',
  alephalpha: 'aleph_alpha',
  aws: 'aws.bedrock',
  bedrock: 'aws.bedrock',
  'amazon-bedrock': 'aws.bedrock',
  gemini: 'gcp.gemini',
  google: 'gcp.gen_ai',
  huggingface: 'hugging_face',
  mistral: 'mistral_ai',
  mistralai: 'mistral_ai',
  togetherai: 'together_ai',
  vertex_ai: 'gcp.vertex_ai',
  vertexai: 'gcp.vertex_ai',
  watsonx: 'ibm.watsonx.ai',
  xai: 'x_ai',
}

export const FINISH_REASONS: Readonly<Record<string, string>> = {
  tool_calls: 'tool_call',
  function_call: 'tool_call',
  'tool-calls': 'tool_call',
  tool_use: 'tool_call',
  end_turn: 'stop',
  stop_sequence: 'stop',
  eos: 'stop',
  STOP: 'stop',
  max_tokens: 'length',
  MAX_TOKENS: 'length',
  SAFETY: 'content_filter',
  'content-filter': 'content_filter',
}

/** Members of JSON texts in which libraries keep the parameters of a request. */
export const PARAMETERS: readonly Row[] = [
  { from: 'temperature', to: NAME.temperature, as: 'number' },
  { from: 'top_p', to: NAME.topP, as: 'number' },
  { from: 'top_k', to: NAME.topK, as: 'number' },
  { from: 'max_tokens', to: NAME.maxTokens, as: 'integer' },
  { from: 'max_completion_tokens', to: NAME.maxTokens, as: 'integer' },
  { from: 'max_output_tokens', to: NAME.maxTokens, as: 'integer' },
  { from: 'frequency_penalty', to: NAME.frequencyPenalty, as: 'number' },
  { from: 'presence_penalty', to: NAME.presencePenalty, as: 'number' },
  { from: 'seed', to: NAME.seed, as: 'integer' },
  { from: 'stream', to: NAME.stream, as: 'boolean' },
  { from: 'stop', to: NAME.stopSequences, as: 'texts' },
  { from: 'stop_sequences', to: NAME.stopSequences, as: 'texts' },
  { from: 'n', to: NAME.choices, as: 'integer' },
]
