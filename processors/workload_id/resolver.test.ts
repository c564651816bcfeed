import { options } from './options.js'
import { workloadOfPod } from './pod-name.js'
import { Resolver, type Subject } from './resolver.js'
import { factsOf } from './spellings.js'
import { Tables } from './tables.js'

const resolver = (configuration: unknown = {}) => {
  const parsed = options.parse(configuration)
  return new Resolver(new Tables(parsed), parsed)
}
const facts = (...layers: Record<string, string>[]) => factsOf(...layers.map(layer => (name: string) => layer[name]))
const idOf = (attributes: Record<string, string>, subject: Subject = 'other', configuration: unknown = {}) =>
  resolver(configuration).resolve(facts(attributes), subject)[0]?.id

describe('workloadOfPod takes off what a controller added', () => {
  test.each([
    ['vllm-llama-7d9c5b6f4-x2x8p', 'vllm-llama'],
    ['llama-3-70b-7d9c5b6f4-x2x8p', 'llama-3-70b'],
    ['node-agent-x7x2c', 'node-agent'],
    ['train-0-x7x2c', 'train'],
    ['db-0', 'db'],
    ['llama-3-12', 'llama-3'],
    ['notebook', 'notebook'],
    ['my-train', 'my-train'],
  ])('%s is a pod of %s', (pod, name) => expect(workloadOfPod(pod)).toBe(name))
})

describe('span, DCGM series and vLLM series of one deployment resolve to the same text', () => {
  const span = { 'k8s.namespace.name': 'inference', 'k8s.deployment.name': 'chat', 'service.name': 'vllm' }
  const spanByPod = { 'k8s.namespace.name': 'inference', 'k8s.pod.name': 'chat-7d9c5b6f4-x2x8p', 'service.name': 'vllm' }
  const dcgm = { namespace: 'inference', pod: 'chat-7d9c5b6f4-x2x8p', UUID: 'GPU-1', container: 'vllm' }
  const dcgmHonest = {
    exported_namespace: 'inference',
    exported_pod: 'chat-7d9c5b6f4-x2x8p',
    namespace: 'gpu-operator',
    pod: 'nvidia-dcgm-exporter-x7x2c',
  }
  const vllm = { namespace: 'inference', pod: 'chat-7d9c5b6f4-x2x8p', model_name: 'llama' }

  test('by the pod and the deployment', () => {
    for (const [attributes, subject] of [
      [span, 'other'],
      [spanByPod, 'other'],
      [dcgm, 'device'],
      [dcgmHonest, 'device'],
      [vllm, 'other'],
    ] as const)
      expect(idOf(attributes, subject, { cluster: 'eu1' })).toBe('eu1/inference/chat')
  })
  test('by an explicit attribute or label', () => {
    expect(idOf({ ...span, 'ai_factory.workload.id': 'w' })).toBe('w')
    expect(idOf({ ...dcgm, ai_factory_workload_id: 'w' }, 'device')).toBe('w')
  })
  test('by the workloads table', () => {
    const table = {
      workloads: [
        { id: 'w', match: { 'k8s.deployment.name': 'chat' } },
        { id: 'w', match: { pod: 'chat-*' } },
        { id: 'w', match: { exported_pod: 'chat-*' } },
      ],
    }
    expect(idOf(span, 'other', table)).toBe('w')
    expect(idOf(dcgm, 'device', table)).toBe('w')
    expect(idOf(dcgmHonest, 'device', table)).toBe('w')
    expect(idOf(vllm, 'other', table)).toBe('w')
  })
})

describe('rules', () => {
  test.each<[string, Record<string, string>, string | undefined, Subject?]>([
    ['Kueue before the owner', { 'k8s.pod.annotation.kueue.x-k8s.io/workload': 'job-a', 'k8s.job.name': 'b' }, 'default/default/job-a'],
    [
      'a Ray service by its origin, never by the decoy name',
      { 'service.name': 'kuberay', 'k8s.pod.label.ray.io/cluster': 'r1' },
      'default/default/r1',
    ],
    ['JobSet by a sanitised label', { jobset_sigs_k8s_io_jobset_name: 'js', pod: 'js-w-0-0-x7x2c' }, 'default/default/js', 'device'],
    ['CronJob before its Job', { 'k8s.cronjob.name': 'nightly', 'k8s.job.name': 'nightly-123' }, 'default/default/nightly'],
    ['Slurm by the exporter label', { hpc_job: '4711', Hostname: 'n1' }, 'slurm/default/4711', 'device'],
    ['a rendezvous id that was not given is none', { 'torchelastic.run.id': 'none' }, undefined],
    ['an SDK without a name is none', { 'service.name': 'unknown_service:python' }, undefined],
    ['a service', { 'service.name': 'chat', 'service.namespace': 'prod' }, 'svc/prod/chat'],
    ['a model as the last resort', { model_name: 'llama' }, 'model/llama'],
    [
      'an idle GPU belongs to nobody, whatever its exporter is called',
      { pod: '', UUID: 'GPU-1', 'service.name': 'dcgm' },
      undefined,
      'device',
    ],
    ["the exporter's own pod owns no GPU", { pod: 'nvidia-dcgm-exporter-x7x2c', UUID: 'GPU-1' }, undefined, 'device'],
    ["DCGM's blank label is none", { pod: '<<<NULL>>>' }, undefined, 'device'],
  ])('%s', (_, attributes, id, subject = 'other') => expect(idOf(attributes, subject)).toBe(id))

  test('what is explicit on the resource wins over the item', () => {
    const resolved = resolver().resolve(facts({ 'ai_factory.workload.id': 'resource' }, { 'ai_factory.workload.id': 'item' }), 'other')
    expect(resolved[0]).toEqual({ id: 'resource', source: 'explicit', confidence: 'exact' })
  })
  test('a device that the tables give to two is shared', () => {
    const table = {
      workloads: [
        { id: 'a', match: { UUID: 'GPU-1' } },
        { id: 'b', match: { UUID: 'GPU-*' } },
      ],
    }
    expect(resolver(table).resolve(facts({ UUID: 'GPU-1' }), 'device')).toEqual([
      { id: 'a', source: 'table', confidence: 'shared' },
      { id: 'b', source: 'table', confidence: 'shared' },
    ])
  })
  test('a table id is filled from attributes, and skipped when one is absent', () => {
    const table = { workloads: [{ id: 'team/{team}', match: { env: 'prod' } }] }
    expect(idOf({ env: 'prod', team: 'a' }, 'other', table)).toBe('team/a')
    expect(idOf({ env: 'prod' }, 'other', table)).toBeUndefined()
  })
})

describe('a client span belongs to what it calls', () => {
  const table = {
    targets: [
      { address: 'llm.example:8000', workload: 'by-port' },
      { address: '10.0.*', workload: 'by-net' },
    ],
    workloads: [
      { id: 'm1', models: ['solo', 'both'] },
      { id: 'm2', models: ['both'] },
    ],
  }
  test.each<[Record<string, string>, string | undefined]>([
    [{ 'server.address': 'llm.example', 'server.port': '8000' }, 'by-port'],
    [{ 'server.address': 'llm.example', 'server.port': '9000' }, undefined],
    [{ 'server.address': '10.0.3.4' }, 'by-net'],
    [{ 'server.address': 'chat.inference.svc.cluster.local' }, 'default/inference/chat'],
    [{ 'server.address': 'api.other', 'gen_ai.request.model': 'solo' }, 'm1'],
    [{ 'gen_ai.request.model': 'both' }, undefined],
  ])('%j is served by %s', (attributes, id) => expect(resolver(table).called(facts(attributes))?.id).toBe(id))
})
