import { Batch } from '../../proto/batch.js'
import { encode, requestType } from '../../proto/testing/oracle.js'
import { attributes as attributesOf, type Values } from '../../proto/testing/values.js'
import { SpanCursor } from '../../proto/views/traces.js'
import { harness } from '../../runtime/testing/harness.js'
import slo from './index.js'

interface Spec {
  /** 3 = client, 2 = server. */
  readonly kind?: number
  readonly seconds?: number
  readonly error?: boolean
  readonly attributes?: Values
}
const batch = (spans: readonly Spec[], resource: Values = { 'ai_factory.workload.id': 'prod/chat' }): Batch => {
  const bytes = encode(requestType('traces'), {
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [
          {
            spans: spans.map(({ kind = 2, seconds = 1, error = false, attributes = {} }) => ({
              traceId: Buffer.alloc(16, 1),
              spanId: Buffer.alloc(8, 1),
              kind,
              startTimeUnixNano: '1700000000000000000',
              endTimeUnixNano: String(1_700_000_000_000_000_000n + BigInt(Math.round(seconds * 1e9))),
              attributes: attributesOf(attributes),
              ...(error ? { status: { code: 2 } } : {}),
            })),
          },
        ],
      },
    ],
  })
  return Batch.of('traces', [bytes], spans.length)
}

const through = async (objectives: readonly object[], given: Batch): Promise<Batch> => {
  const { upstream, out } = harness('slo')
  await slo.create(slo.config.parse({ objectives }), upstream).consume(given)
  return out.batches[0]!
}
/** Of each span: what of ours it carries. */
const said = (out: Batch): Record<string, unknown>[] => {
  const spans: Record<string, unknown>[] = []
  const cursor = new SpanCursor()
  for (const group of out.groups) {
    cursor.over(group.rest)
    while (cursor.next()) {
      const { attributes } = cursor.span
      const read: Record<string, unknown> = {}
      for (let i = 0; i < attributes.length; i++)
        if (attributes.key(i).startsWith('ai_factory.slo.'))
          read[attributes.key(i).slice('ai_factory.slo.'.length)] = attributes.value(i).plain()
      spans.push(read)
    }
  }
  return spans
}
const engine = (first: number, output: number, more: Values = {}): Values => ({
  'gen_ai.latency.time_to_first_token': first,
  'gen_ai.usage.completion_tokens': output,
  ...more,
})
const CHAT = [{ workload: 'prod/*', time_to_first_token: '500ms', time_per_output_token: '40ms', duration: '10s', target: 0.9 }]
const GOOD = { good: true, target: 0.9 }
const bad = (...missed: string[]) => ({ good: false, missed, target: 0.9 })

describe('slo', () => {
  test.each<[string, Spec, Record<string, unknown>]>([
    ['everything met', { seconds: 2, attributes: engine(0.4, 100) }, GOOD],
    ['late first token', { seconds: 2, attributes: engine(0.6, 100) }, bad('time_to_first_token')],
    ['exactly what was promised is met: 5.2 s, 0.4 s, 121 tokens are 40 ms each', { seconds: 5.2, attributes: engine(0.4, 121) }, GOOD],
    ['slow tokens', { seconds: 5.2, attributes: engine(0.4, 120) }, bad('time_per_output_token')],
    ['slow as a whole', { seconds: 10.5, attributes: engine(0.4, 1000) }, bad('duration')],
    ['all of it', { seconds: 60, attributes: engine(20, 3) }, bad('time_to_first_token', 'time_per_output_token', 'duration')],
    ['an error, however fast', { seconds: 1, error: true, attributes: engine(0.1, 10) }, bad('error')],
    ['given up by its client', { seconds: 1, error: true, attributes: engine(0.1, 10, { 'error.type': 'client_disconnect' }) }, {}],
    ['aborted', { attributes: engine(0.1, 10, { 'gen_ai.response.finish_reasons': ['abort'] }) }, {}],
    ['a single token has no time for each further one', { attributes: engine(0.1, 1) }, GOOD],
    ['no streaming, so no first token to judge', { attributes: { 'gen_ai.usage.output_tokens': 10 } }, {}],
    ['tokens not told', { attributes: { 'gen_ai.response.time_to_first_chunk': 0.1 } }, {}],
    [
      'what the engine says of the whole goes before the span',
      { seconds: 60, attributes: engine(0.4, 100, { 'gen_ai.latency.e2e': 2 }) },
      GOOD,
    ],
    [
      'a client',
      { kind: 3, seconds: 2, attributes: { 'gen_ai.response.time_to_first_chunk': 0.4, 'gen_ai.usage.output_tokens': 100 } },
      GOOD,
    ],
    ['an agent that repeats its calls', { attributes: engine(0.4, 100, { 'gen_ai.operation.name': 'invoke_agent' }) }, {}],
    ['an internal span', { kind: 1, attributes: engine(0.4, 100) }, {}],
    ['no inference at all', { attributes: { 'http.request.method': 'GET' } }, {}],
    ['numbers that are none', { attributes: { 'gen_ai.latency.time_to_first_token': 'soon', 'gen_ai.usage.output_tokens': -1 } }, {}],
    ['judged before', { attributes: engine(9, 100, { 'ai_factory.slo.good': true }) }, { good: true }],
  ])('%s', async (_title, span, expected) => {
    expect(said(await through(CHAT, batch([span])))).toEqual([expected])
  })

  test('the first objective that fits counts, by workload and by tenant of the span or its resource', async () => {
    const objectives = [
      { workload: 'prod/*', tenant: 'gold-*', duration: '1s', target: 0.999 },
      { workload: 'prod/*', duration: '3s' },
    ]
    const span = (attributes: Values) => ({ seconds: 2, attributes: engine(0.1, 10, attributes) })
    const out = await through(objectives, batch([span({ 'tenant.id': 'gold-7' }), span({ 'tenant.id': 'tin' }), span({})]))
    expect(said(out)).toEqual([
      { good: false, missed: ['duration'], target: 0.999 },
      { good: true, target: 0.99 },
      { good: true, target: 0.99 },
    ])
    const resource = { 'ai_factory.workload.id': 'prod/chat', 'tenant.id': 'gold-1' }
    expect(said(await through(objectives, batch([span({})], resource)))).toEqual([{ good: false, missed: ['duration'], target: 0.999 }])
  })

  test('a batch in which nothing is promised is passed on as the same object', async () => {
    const given = batch([{ attributes: engine(0.4, 100) }], { 'ai_factory.workload.id': 'dev/chat' })
    expect(await through(CHAT, given)).toBe(given)
    const plain = batch([{ attributes: {} }])
    expect(await through(CHAT, plain)).toBe(plain)
  })

  test('an objective without a limit is refused', () => {
    expect(() => slo.config.parse({ objectives: [{ workload: '*' }] })).toThrow(/at least one of/)
  })
})
