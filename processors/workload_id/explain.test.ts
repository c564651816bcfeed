import { Batch } from '../../proto/batch.js'
import { fromJson } from '../../proto/json/index.js'
import type { OtlpSignal } from '../../proto/services.js'
import { Assigner } from './assign.js'
import { Explainer } from './explain.js'
import { explanationText } from './explanation-text.js'
import { resourceTexts } from './facts.js'
import { options } from './options.js'
import { Resolver } from './resolver.js'
import { Tables } from './tables.js'

type Texts = Record<string, string>
const attributes = (texts: Texts) => Object.entries(texts).map(([key, stringValue]) => ({ key, value: { stringValue } }))
const request = (signal: OtlpSignal, groups: string, resource: Texts, scopes: string, scope: unknown): Batch =>
  Batch.of(
    signal,
    [fromJson(signal, JSON.stringify({ [groups]: [{ resource: { attributes: attributes(resource) }, [scopes]: [scope] }] }))],
    1,
  )
const span = (resource: Texts, own: Texts = {}, kind = 1): Batch =>
  request('traces', 'resourceSpans', resource, 'scopeSpans', { spans: [{ name: 'chat', kind, attributes: attributes(own) }] })
const log = (resource: Texts, own: Texts = {}): Batch =>
  request('logs', 'resourceLogs', resource, 'scopeLogs', { logRecords: [{ attributes: attributes(own) }] })
const point = (name: string, resource: Texts, own: Texts = {}): Batch =>
  request('metrics', 'resourceMetrics', resource, 'scopeMetrics', {
    metrics: [{ name, gauge: { dataPoints: [{ asDouble: 1, attributes: attributes(own) }] } }],
  })
const call = (resource: Texts, own: Texts) => span(resource, { 'gen_ai.operation.name': 'chat', ...own }, 3)
const GPU = 'DCGM_FI_DEV_GPU_UTIL'
const POD = 'chat-7d9c5b6f4-x2x8p'

const CONFIGURATION = {
  cluster: 'eu1',
  workloads: [
    { id: 'team/{team}', match: { env: 'prod' } },
    { id: 'solo', match: { app: 'solo' }, models: ['llama', 'both'] },
    { id: 'duo', match: { app: 'duo' }, models: ['both'] },
    { id: 'left', match: { UUID: 'GPU-2' } },
    { id: 'right', match: { UUID: 'GPU-*' } },
  ],
  targets: [{ address: 'llm.example:8000', workload: 'far' }],
}
const explain = (batch: Batch, configuration: unknown = CONFIGURATION) => {
  const explainer = new Explainer(options.parse(configuration))
  explainer.addBatch(batch)
  return explainer.explanations
}

test.each<[string, Batch]>([
  ['an explicit resource', span({ 'ai_factory.workload.id': 'a' }, { 'ai_factory.workload.id': 'b' })],
  ['an explicit item', span({ 'service.name': 'x' }, { 'ai_factory.workload.id': 'b' })],
  ['a table entry', log({ env: 'prod', team: 'red' })],
  ['a table entry that cannot be filled', log({ env: 'prod', 'service.name': 'x' })],
  ['a table entry for an item', log({ 'service.name': 'x' }, { app: 'duo' })],
  ['a deployment', span({ 'k8s.deployment.name': 'chat', 'k8s.namespace.name': 'inference' })],
  ['a pod', span({ 'k8s.pod.name': POD })],
  ['nobody', span({ 'service.name': 'unknown_service:node' })],
  ['a call to a target', call({ 'service.name': 'web' }, { 'server.address': 'llm.example', 'server.port': '8000' })],
  ['a call to a service', call({ 'service.name': 'web' }, { 'server.address': 'chat.inference.svc.cluster.local' })],
  ['a call by model', call({ 'service.name': 'web' }, { 'gen_ai.request.model': 'llama' })],
  ['a call that leads nowhere', call({ 'service.name': 'web' }, { 'gen_ai.request.model': 'both' })],
  ['a call of nobody that leads nowhere', call({}, { 'server.address': 'x' })],
  ['a call from an explicit resource that leads nowhere', call({ 'ai_factory.workload.id': 'a' }, { 'server.address': 'x' })],
  ['a call of an explicit item', call({ 'service.name': 'web' }, { 'ai_factory.workload.id': 'b' })],
  ['a call to itself', call({ 'ai_factory.workload.id': 'far' }, { 'server.address': 'llm.example', 'server.port': '8000' })],
  ['a GPU of a pod', point(GPU, { 'service.name': 'dcgm' }, { exported_pod: POD, pod: 'dcgm-exporter-x7x2c', UUID: 'g' })],
  ['an idle GPU', point(GPU, { 'service.name': 'dcgm' }, { pod: 'dcgm-exporter-x7x2c', UUID: 'g', Hostname: 'n1' })],
  ['a GPU of two', point(GPU, {}, { UUID: 'GPU-2' })],
  ['a vLLM series', point('vllm:num_requests_running', {}, { model_name: 'llama' })],
])('%s is explained as it is decided', (_, batch) => {
  const parsed = options.parse(CONFIGURATION)
  const tables = new Tables(parsed)
  const decided = new Assigner(new Resolver(tables, parsed), tables, () => {}).assign(batch)
  const resource = resourceTexts(decided.groups[0]!.resource)
  const [explanation] = explain(batch)
  expect(explanation?.workload?.split(', ')[0]).toBe(resource.get('ai_factory.workload.id'))
  expect(explanation?.caller?.id).toBe(resource.get('ai_factory.caller.id'))
  const hit = explanation?.verdicts.findIndex(verdict => 'id' in verdict)
  expect([-1, explanation!.verdicts.length - 1]).toContain(hit)
})

test("a series is explained rule by rule, and an exporter's own pod is named as such", () => {
  const [explanation] = explain(point(GPU, {}, { pod: 'nvidia-dcgm-exporter-x7x2c', UUID: 'g', Hostname: 'n1' }), {})
  const text = explanationText(explanation!)
  expect(text).toMatch(
    /^1 device sample: DCGM_FI_DEV_GPU_UTIL\n {2}says: .*pod="nvidia-dcgm-exporter-x7x2c".*\n {2}belongs to unallocated\/n1\n {4}- explicit: needs the attribute or label ai_factory.workload.id\n {4}- table: the workloads table is empty\n/,
  )
  expect(text).toContain("    - pod: nvidia-dcgm-exporter-x7x2c is an exporter's own by exporter_pods: it only reports on others\n")
  expect(text).not.toContain('- service')
})

test('a call says why each rule finds no target, and who calls', () => {
  const [explanation] = explain(call({ 'service.name': 'web' }, { 'server.address': 'api.other', 'gen_ai.request.model': 'both' }))
  expect(explanationText(explanation!)).toContain(`  belongs to nobody that is known (no_target)
    - target: no entry of the targets table matches api.other
    - kubernetes_service: api.other is no <service>.<namespace>.svc
    - model_table: several entries of the workloads table serve both
  called by svc/default/web
`)
})

test.each<[string, Texts, string]>([
  ['a service without a name', { 'service.name': 'unknown_service:node' }, 'service: "unknown_service:node" is a placeholder'],
  [
    'an absent attribute of a table id',
    { env: 'prod' },
    'table: the entry "team/{team}" matches, but an attribute named in its id is absent',
  ],
  ['no table entry', {}, 'table: none of the 5 entries of the workloads table matches'],
  ['an empty Slurm job', { SLURM_JOB_ID: '0' }, 'slurm: "0" is a placeholder'],
])('%s is said', (_, resource, line) => expect(explanationText(explain(span(resource))[0]!)).toContain(`    - ${line}\n`))

test('items that say the same are one explanation, with their names', () => {
  const explainer = new Explainer(options.parse({}))
  for (const name of ['a', 'b', 'c', 'd', 'a'])
    explainer.addSeries(
      name,
      new Map([
        ['pod', POD],
        ['reason', name],
      ]),
    )
  expect(explainer.explanations).toHaveLength(1)
  expect(explanationText(explainer.explanations[0]!)).toMatch(/^5 data points: a, b, c and 1 more\n/)
})
