import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main } from './main.js'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'explain-workload-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const explain = async (text: string, ...more: string[]): Promise<{ code: number; out: string; err: string }> => {
  const said = { out: '', err: '' }
  const code = await main(['explain-workload', write('file', text), ...more], {
    out: words => (said.out += words),
    err: words => (said.err += words),
  })
  return { code, out: said.out, err: said.err.replaceAll(`${folder}/`, '') }
}

const spans = (service: string) =>
  JSON.stringify({
    resourceSpans: [
      { resource: { attributes: [{ key: 'service.name', value: { stringValue: service } }] }, scopeSpans: [{ spans: [{ name: 'chat' }] }] },
    ],
  })
const EXPOSITION = `# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",namespace="inference",pod="chat-7d9c5b6f4-x2x8p"} 87
DCGM_FI_DEV_GPU_UTIL{gpu="1",UUID="GPU-2",Hostname="n1"} 0
# TYPE vllm:ttft histogram
vllm:ttft_bucket{le="1",pod="chat-7d9c5b6f4-x2x8p"} 1
vllm:ttft_bucket{le="+Inf",pod="chat-7d9c5b6f4-x2x8p"} 1
vllm:ttft_sum{pod="chat-7d9c5b6f4-x2x8p"} 0.5
vllm:ttft_count{pod="chat-7d9c5b6f4-x2x8p"} 1
`
const CONFIGURATION = `processors:
  workload_id:
    cluster: eu1
    workloads: [{id: shop, match: {service.name: shop}}]
`

test('one OTLP/JSON document', async () => {
  const { code, out, err } = await explain(spans('web'))
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('1 span: chat\n  resource: service.name="web"\n  belongs to svc/default/web\n    - explicit: ')
  expect(out).toContain('    + service: svc/default/web\n')
})

test('a document over several lines, and one request a line', async () => {
  expect((await explain(JSON.stringify(JSON.parse(spans('web')), null, 2))).out).toContain('belongs to svc/default/web')
  const { out } = await explain(
    `${spans('a')}\n\n${JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] })}\n${spans('b')}\n`,
  )
  for (const text of ['svc/default/a', 'svc/default/b', '1 log record\n  belongs to nobody (no_workload)']) expect(out).toContain(text)
})

test('an exposition, series by series', async () => {
  const { code, out } = await explain(EXPOSITION)
  expect(code).toBe(0)
  expect(out).toContain('1 device sample: DCGM_FI_DEV_GPU_UTIL\n')
  expect(out).toContain('belongs to default/inference/chat\n')
  expect(out).toContain('belongs to unallocated/n1\n')
  expect(out).toContain('data points: vllm:ttft\n  says: pod="chat-7d9c5b6f4-x2x8p"\n  belongs to default/default/chat\n')
})

test('by the options of a configuration, which --set changes', async () => {
  const config = write('pipeline.yaml', CONFIGURATION)
  expect((await explain(spans('shop'), '--config', config)).out).toContain('belongs to shop\n    - explicit')
  expect((await explain(EXPOSITION, '--config', config)).out).toContain('belongs to eu1/inference/chat\n')
  expect((await explain(EXPOSITION, '--config', config, '--set', 'processors.workload_id.cluster=us1')).out).toContain('us1/inference/chat')
})

test.each([
  ['broken JSON', '{"resourceSpans": [', 'file: line 1: '],
  ['other JSON', '{"a": 1}', 'file: expected an object with resourceSpans, resourceMetrics, resourceLogs\n'],
  ['JSON of another shape', '{"resourceSpans": 3}', 'file: malformed OTLP/JSON at resourceSpans'],
  ['one bad line among good ones', `${spans('a')}\n{"resourceSpans": 3}\n`, 'file: line 2: malformed OTLP/JSON at resourceSpans'],
  ['neither', 'hello there {', 'file: '],
])('%s is one message with its place, and exit code 1', async (_, text, message) => {
  const { code, out, err } = await explain(text)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err.startsWith(message)).toBe(true)
  expect(err.trimEnd()).not.toContain('\n')
})

test('a wrong configuration ends with 2 at its place', async () => {
  const config = write('wrong.yaml', 'processors: {workload_id: {clutser: x}}\n')
  expect(await explain(spans('web'), '--config', config)).toEqual({
    code: 2,
    out: '',
    err: 'wrong.yaml:1:28: processors.workload_id.clutser: unknown option; did you mean "cluster"?\n',
  })
})

test('a missing file and a missing operand are told', async () => {
  let err = ''
  const say = { out: () => {}, err: (text: string) => (err += text) }
  expect(await main(['explain-workload', join(folder, 'absent')], say)).toBe(1)
  expect(err).toContain('absent: cannot be read: ENOENT')
  expect(await main(['explain-workload'], say)).toBe(2)
  expect(err).toContain('usage: ai-factory-gateway explain-workload FILE')
})
