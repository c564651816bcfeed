import fc from 'fast-check'
import { Batch } from '../../proto/batch.js'
import { encode, requestType } from '../../proto/testing/oracle.js'
import { attributes, type Value, type Values } from '../../proto/testing/values.js'
import { SpanCursor } from '../../proto/views/traces.js'
import { DIALECTS, type DialectName } from '../../proto/vocabulary/gen_ai/dialects.js'
import type { Conversion, Dialect, Row } from '../../proto/vocabulary/gen_ai/table.js'
import { harness } from '../../runtime/testing/harness.js'
import normalizer from './index.js'

const batch = (...spans: Values[]): Batch => {
  const bytes = encode(requestType('traces'), {
    resourceSpans: [
      {
        resource: { attributes: [] },
        scopeSpans: [
          {
            spans: spans.map(values => ({
              name: 'x',
              kind: 3,
              attributes: attributes(values),
            })),
          },
        ],
      },
    ],
  })
  return Batch.of('traces', [bytes], spans.length)
}
const setUp = (written: object = {}) => {
  const { upstream, out, meter } = harness('gen_ai_normalizer')
  const instance = normalizer.create(normalizer.config.parse(written), upstream)
  const through = async (given: Batch): Promise<Batch> => {
    await instance.consume(given)
    return out.batches.at(-1)!
  }
  return { through, unfit: () => meter.sum('ai_factory_gateway_gen_ai_unfit_values_total') }
}
const attributesOf = (out: Batch): Record<string, unknown>[] => {
  const spans: Record<string, unknown>[] = []
  const cursor = new SpanCursor()
  for (const group of out.groups) {
    cursor.over(group.rest)
    while (cursor.next()) {
      const { attributes } = cursor.span
      const read: Record<string, unknown> = {}
      for (let i = 0; i < attributes.length; i++) {
        expect(Object.hasOwn(read, attributes.key(i))).toBe(false)
        read[attributes.key(i)] = attributes.value(i).plain()
      }
      spans.push(read)
    }
  }
  return spans
}
const normalized = async (values: Values, written: object = {}): Promise<Record<string, unknown>> =>
  attributesOf(await setUp(written).through(batch(values)))[0]!

/** A value of each conversion, and what becomes of it. */
const SAMPLES: Readonly<Record<Exclude<Conversion, object>, readonly [Value, unknown]>> = {
  same: ['{"a":1}', '{"a":1}'],
  integer: ['17', 17],
  number: ['0.25', 0.25],
  boolean: ['true', true],
  text: ['some text', 'some text'],
  milliseconds: [250, 0.25],
  texts: ['["a","b"]', ['a', 'b']],
  finish_reasons: ['tool-calls', ['tool_call']],
  provider: ['MistralAI', 'mistral_ai'],
  host: ['https://llm.example.com:8443/v1', 'llm.example.com'],
}
const samplesOf = ({ as = 'same' }: Row): readonly (readonly [Value, unknown])[] =>
  typeof as === 'string' ? [SAMPLES[as]] : Object.entries(as)
const all = Object.entries(DIALECTS) as [DialectName, Dialect][]
const markerOf = ({ marker, rows }: Dialect, from: string): Values =>
  marker === undefined || from === marker || rows.length === 0 ? {} : { [marker]: 'PROMPT' }

describe('the table', () => {
  const rows = all.flatMap(([name, dialect]) =>
    dialect.rows.flatMap(row => samplesOf(row).map(([given, expected]) => ({ name, dialect, row, given, expected }))),
  )

  test.each(rows)('$name: $row.from $given', async ({ name, dialect, row, given, expected }) => {
    const values = { ...markerOf(dialect, row.from), [row.from]: given }
    expect(await normalized(values)).toEqual({ ...values, [row.to]: expected })
    const alone = await normalized(values, { dialects: [name], keep_originals: false })
    expect(alone).toEqual({ ...markerOf(dialect, row.from), [row.to]: expected })
  })

  test('no attribute is read twice, and nothing is written that is read', () => {
    const read = all.flatMap(([, { rows, expansions = [], exclusiveUsage }]) => [
      ...rows.map(({ from }) => from),
      ...expansions.map(({ from }) => from),
      ...(exclusiveUsage === undefined ? [] : [exclusiveUsage]),
    ])
    expect(new Set(read).size).toBe(read.length)
    const written = all.flatMap(([, { rows, expansions = [] }]) =>
      [...rows, ...expansions.flatMap(({ members }) => members)].map(({ to }) => to),
    )
    expect(written.filter(name => read.includes(name))).toEqual([])
  })
})

describe('spans as they come', () => {
  test('OpenInference: cached and reasoning tokens are parts; parameters come out of their JSON', async () => {
    expect(
      await normalized({
        'openinference.span.kind': 'LLM',
        'llm.model_name': 'gpt-4o',
        'llm.provider': 'openai',
        'llm.token_count.prompt': 1200,
        'llm.token_count.completion': 300,
        'llm.token_count.total': 1500,
        'llm.token_count.prompt_details.cache_read': 1000,
        'llm.token_count.completion_details.reasoning': 200,
        'llm.invocation_parameters': '{"temperature":0.2,"max_tokens":512,"stop":["\\n"],"logit_bias":{}}',
        'session.id': 's-1',
      }),
    ).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.provider.name': 'openai',
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 300,
      'gen_ai.usage.cache_read.input_tokens': 1000,
      'gen_ai.usage.reasoning.output_tokens': 200,
      'gen_ai.request.temperature': 0.2,
      'gen_ai.request.max_tokens': 512,
      'gen_ai.request.stop_sequences': ['\n'],
      'gen_ai.conversation.id': 's-1',
    })
  })

  test('names that are anybody’s are OpenInference’s only where its marker is', async () => {
    const given = { 'session.id': 'browser', 'tool.name': 'hammer', 'agent.name': 'Smith' }
    expect(await normalized(given)).toEqual(given)
  })

  test('Vercel: the outer span is an aggregate, the inner one is the call; milliseconds are seconds', async () => {
    const { through } = setUp()
    const [outer, inner] = attributesOf(
      await through(
        batch(
          { 'ai.operationId': 'ai.streamText', 'ai.usage.inputTokens': 10, 'operation.name': 'ai.streamText chat' },
          {
            'ai.operationId': 'ai.streamText.doStream',
            'ai.model.provider': 'openai.chat',
            'ai.response.msToFirstChunk': 431.5,
            'ai.usage.inputTokens': 10,
            'ai.usage.promptTokens': 11,
          },
        ),
      ),
    )
    expect(outer).toMatchObject({ 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.usage.input_tokens': 10 })
    expect(inner).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.response.time_to_first_chunk': 0.4315,
      'gen_ai.usage.input_tokens': 10,
    })
  })

  test('Langfuse: its counts do not contain each other, so the parts are added', async () => {
    const said = await normalized({
      'langfuse.observation.type': 'generation',
      'langfuse.observation.usage_details':
        '{"input":200,"input_cached_tokens":1000,"output":100,"output_reasoning_tokens":50,"total":1350}',
    })
    expect(said).toMatchObject({
      'gen_ai.usage.input_tokens': 1200,
      'gen_ai.usage.output_tokens': 150,
      'gen_ai.usage.cache_read.input_tokens': 1000,
      'gen_ai.usage.reasoning.output_tokens': 50,
    })
  })

  test('LangSmith: details are JSON; its session id is a project', async () => {
    const said = await normalized({
      'langsmith.span.kind': 'llm',
      'langsmith.trace.session_id': 'project',
      'langsmith.metadata.thread_id': 't-1',
      'gen_ai.system': 'Anthropic',
      'gen_ai.usage.input_token_details': '{"cache_read":7,"cache_creation":3}',
    })
    expect(said).toMatchObject({
      'gen_ai.conversation.id': 't-1',
      'gen_ai.provider.name': 'anthropic',
      'gen_ai.usage.cache_read.input_tokens': 7,
      'gen_ai.usage.cache_creation.input_tokens': 3,
    })
  })

  test('what stands there under its own name wins, and the other stays as it came', async () => {
    const given = { 'gen_ai.usage.prompt_tokens': 5, 'gen_ai.usage.input_tokens': 9 }
    expect(await normalized(given)).toEqual(given)
    expect(await normalized(given, { keep_originals: false })).toEqual(given)
  })

  test('a dialect that is switched off is not read', async () => {
    const given = { 'ai.model.id': 'x' }
    expect(await normalized(given, { dialects: ['vllm'] })).toEqual(given)
  })
})

describe('whatever comes', () => {
  test('values that do not fit are left alone and counted', async () => {
    const { through, unfit } = setUp()
    const hostile: Values = {
      'ai.usage.inputTokens': 'many',
      'ai.usage.outputTokens': -3,
      'ai.usage.reasoningTokens': 1e300,
      'ai.response.msToFirstChunk': 'soon',
      'ai.model.id': '',
      'gen_ai.endpoint': 'http://[',
      'langfuse.observation.usage_details': '[1,2]',
      'gen_ai.usage.output_token_details': '{"reasoning":',
    }
    const given = batch(hostile)
    expect(await through(given)).toBe(given)
    expect(unfit()).toBe(8)
    // A kind of span that has no name is no fault.
    const unnamed = batch({ 'openinference.span.kind': 'RERANKER', 'langfuse.observation.type': '__proto__' })
    expect(await through(unnamed)).toBe(unnamed)
    expect(unfit()).toBe(8)
  })

  test('a second pass changes nothing, and a span that speaks no dialect is the same bytes in the same batch', async () => {
    const names = all.flatMap(([, { rows }]) => rows.map(({ from }) => from))
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.array(fc.string(), { maxLength: 3 }),
      fc.constantFrom('chat', 'LLM', '12', '{"n":2}'),
    )
    const span = fc.dictionary(fc.constantFrom(...names, 'http.method', 'gen_ai.usage.input_tokens'), value, { maxKeys: 12 })
    for (const keep_originals of [true, false]) {
      const { through } = setUp({ keep_originals })
      await fc.assert(
        fc.asyncProperty(fc.array(span, { minLength: 1, maxLength: 3 }), async spans => {
          const once = await through(batch(...(spans as Values[])))
          expect(await through(once)).toBe(once)
        }),
      )
      const plain = batch({ 'http.request.method': 'GET' })
      expect(await through(plain)).toBe(plain)
    }
  })
})
