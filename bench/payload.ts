/** Requests as real senders make them: gen_ai spans of 584 bytes each (tag and length included), made once, sent many times. */
import { Fields, Writer } from '../proto/wire.js'
import { Random } from '../simulator/random.js'

export const SPAN_BYTES = 584
const MODELS = ['meta-llama/Llama-3.1-70B-Instruct', 'Qwen/Qwen2.5-72B-Instruct', 'mistralai/Mixtral-8x22B-v0.1']

/** A repeatable generator, so that two runs send the same bytes. */
export const random = (seed: number) => {
  const source = new Random(seed)
  return () => source.next()
}

const text = (writer: Writer, number: number, key: string, value: string) =>
  writer.message(number, pair => pair.string(1, key).message(2, any => any.string(1, value)))
const integer = (writer: Writer, number: number, key: string, value: number) =>
  writer.message(number, pair => pair.string(1, key).message(2, any => any.uint(3, value)))
const double = (writer: Writer, number: number, key: string, value: number) =>
  writer.message(number, pair => pair.string(1, key).message(2, any => any.double(4, value)))

const hex = (next: () => number, length: number): string => Array.from({ length }, () => Math.floor(next() * 16).toString(16)).join('')
const randomBytes = (next: () => number, length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(next() * 256))

const SPAN_ATTRIBUTES = 9
const CLIENT = 3
const spanBody = (next: () => number, id: bigint, kind: number, end: bigint, padding: number): Uint8Array => {
  const span = new Writer(SPAN_BYTES + 64)
  const model = MODELS[Math.floor(next() * MODELS.length)]!
  const duration = BigInt(Math.floor(200e6 + next() * 4e9))
  span.bytes(1, randomBytes(next, 16))
  const spanId = new Uint8Array(8)
  new DataView(spanId.buffer).setBigUint64(0, id)
  span.bytes(2, spanId).bytes(4, randomBytes(next, 8)).string(5, `chat ${model}`).uint(6, kind)
  span.fixed64(7, end - duration).fixed64(8, end)
  text(span, SPAN_ATTRIBUTES, 'gen_ai.operation.name', 'chat')
  text(span, SPAN_ATTRIBUTES, 'gen_ai.provider.name', 'vllm')
  text(span, SPAN_ATTRIBUTES, 'gen_ai.request.model', model)
  text(span, SPAN_ATTRIBUTES, 'gen_ai.response.id', `chatcmpl-${hex(next, 32)}`)
  integer(span, SPAN_ATTRIBUTES, 'gen_ai.usage.input_tokens', Math.floor(50 + next() * 8000))
  integer(span, SPAN_ATTRIBUTES, 'gen_ai.usage.output_tokens', Math.floor(1 + next() * 900))
  double(span, SPAN_ATTRIBUTES, 'gen_ai.request.temperature', Math.round(next() * 10) / 10)
  text(span, SPAN_ATTRIBUTES, 'server.address', 'llm.inference.svc')
  integer(span, SPAN_ATTRIBUTES, 'server.port', 8000)
  text(span, SPAN_ATTRIBUTES, 'session.id', hex(next, padding))
  return span.finish()
}

/** One span of SPAN_BYTES inside its ScopeSpans: what its values leave free is filled by one attribute. */
const exactSpan = (seed: number, id: bigint, kind: number, end: bigint): Uint8Array => {
  const wanted = SPAN_BYTES - 3 // tag and two bytes of length
  const body = (padding: number) => spanBody(random(seed), id + 1n, kind, end, padding)
  const short = wanted - body(1).length
  const exact = body(1 + short)
  return exact.length === wanted ? exact : body(1 + short - (exact.length - wanted))
}

export interface SpanRequest {
  bytes: Uint8Array
  spans: number
  /** Where the 8 bytes of each span id, and of its start and end times, lie: to make the next request of the same shape unique. */
  idOffsets: number[]
  startOffsets: number[]
  endOffsets: number[]
}

/** One ExportTraceServiceRequest: one resource, one scope, `spans` spans whose ids count up from `firstId` + 1 (an id of zero is no id). */
export const spanRequest = (
  spans: number,
  firstId: number,
  resource: Readonly<Record<string, string>>,
  { seed = 1, kind = CLIENT, endMillis = 1_790_000_000_000 } = {},
): SpanRequest => {
  const request = new Writer(spans * SPAN_BYTES + 512)
  request.message(1, group => {
    group.message(1, body => {
      for (const [key, value] of Object.entries(resource)) text(body, 1, key, value)
    })
    group.message(2, scope => {
      scope.message(1, it => it.string(1, 'opentelemetry.instrumentation.openai').string(2, '0.62.1'))
      for (let i = 0; i < spans; i++)
        scope.bytes(2, exactSpan(seed + firstId + i, BigInt(firstId + i), kind, BigInt(endMillis) * 1_000_000n + BigInt(i * 1000)))
    })
  })
  const bytes = request.finish()
  return { bytes, spans, ...offsets(bytes) }
}

const offsets = (bytes: Uint8Array) => {
  const found = { idOffsets: [] as number[], startOffsets: [] as number[], endOffsets: [] as number[] }
  const group = new Fields(bytes)
  while (group.next()) {
    const scope = new Fields(bytes).enter(group)
    while (scope.next()) {
      if (scope.number !== 2) continue
      const spans = new Fields(bytes).enter(scope)
      while (spans.next()) {
        if (spans.number !== 2) continue
        const span = new Fields(bytes).enter(spans)
        while (span.next()) {
          if (span.number === 2) found.idOffsets.push(span.start)
          if (span.number === 7) found.startOffsets.push(span.start)
          if (span.number === 8) found.endOffsets.push(span.start)
        }
      }
    }
  }
  return found
}

export const AGENT_RESOURCE = {
  'service.name': 'chat-frontend',
  'service.version': '3.2.1',
  'k8s.namespace.name': 'inference',
  'k8s.pod.name': 'chat-frontend-7d9c5b6f4-x2x8p',
  'telemetry.sdk.language': 'python',
}
