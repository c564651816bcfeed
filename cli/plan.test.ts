import { z } from 'zod'
import { duration, endpoint } from '../config/options.js'
import { parse } from '../config/parse.js'
import { ConfigError, problemText } from '../config/problem.js'
import type { MapNode } from '../config/tree.js'
import { SIGNALS } from '../proto/batch.js'
import { type Component, component, type Kind } from '../runtime/component.js'
import { makePlan } from './plan.js'
import type { Registries } from './registries.js'

const about = { summary: 'for this test', stability: 'development', examples: {} } as const
const options = z.strictObject({ endpoint: endpoint('localhost:4317').describe('where'), timeout: duration('5s').describe('how long') })
const source = component({
  ...about,
  kind: 'receiver',
  type: 'source',
  signals: ['traces', 'metrics', 'logs'],
  config: options,
  create: () => ({}),
})
const passing = { create: () => ({ consume: async () => {} }) }
const shift = component({ ...about, ...passing, kind: 'processor', type: 'shift', signals: SIGNALS, config: options })
const meet = component({
  ...about,
  ...passing,
  kind: 'processor',
  type: 'meet',
  signals: SIGNALS,
  config: z.strictObject({ stream: z.string().default('workloads').describe('which') }),
  placement: places => {
    const twice = places.find((place, index) => places.findIndex(other => other.config.stream === place.config.stream) < index)
    if (twice) return { place: twice, message: `stream "${twice.config.stream}" is joined twice` }
    const narrow = places.find(place => place.signals.length === 1)
    return narrow && { place: narrow, message: 'stands only where all signals pass; name the pipeline "factory"' }
  },
})
const sink = component({ ...about, ...passing, kind: 'exporter', type: 'sink', aliases: ['drain'], signals: SIGNALS, config: options })
const graphs = component({ ...about, ...passing, kind: 'exporter', type: 'graphs', signals: ['metrics'], config: options })
const ledger = component({
  ...about,
  ...passing,
  kind: 'exporter',
  type: 'ledger',
  signals: SIGNALS,
  transactional: true,
  config: z.strictObject({ brokers: z.array(z.string()).default(['k:1']).describe('where') }),
})
const health = component({ ...about, kind: 'extension', type: 'health', signals: [], config: options, create: () => ({}) })

const loaded: string[] = []
const lazy =
  <K extends Kind>(value: Component<K>) =>
  async () => {
    loaded.push(value.type)
    return { default: value }
  }
const registries: Registries = {
  receivers: { source: lazy(source) },
  processors: { shift: lazy(shift), meet: lazy(meet) },
  exporters: { sink: lazy(sink), graphs: lazy(graphs), ledger: lazy(ledger) },
  extensions: { health: lazy(health) },
}

const plan = (text: string) => makePlan(parse(text, 'pipeline.yaml') as MapNode, registries)
const complaint = async (text: string): Promise<string> => {
  const error = await plan(text).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof ConfigError) return error.message
  throw new Error('expected a ConfigError', { cause: error })
}

const HEAD = 'receivers:\n  source:\nprocessors:\n  shift:\n  meet:\nexporters:\n  sink:\n  graphs:\nservice:\n  pipelines:\n'
const pipeline = (name: string, receivers = 'source', processors = '', exporters = 'sink') =>
  `    ${name}: {receivers: [${receivers}], processors: [${processors}], exporters: [${exporters}]}\n`

test.each([
  [
    'an unknown section',
    `connectors: {}\n${HEAD}${pipeline('traces')}`,
    'pipeline.yaml:1:1: connectors: unknown option; known are extensions, streams',
  ],
  [
    'an unknown component',
    `${HEAD.replace('source:', 'souce:')}${pipeline('traces', 'souce')}`,
    'pipeline.yaml:2:3: receivers.souce: unknown receiver; did you mean "source"?',
  ],
  [
    'an id without a type',
    `${HEAD.replace('shift:', '/x:')}${pipeline('traces')}`,
    'pipeline.yaml:4:3: processors./x: expected an id such as "type" or "type/name"; known are meet, shift',
  ],
  [
    'an unknown option of a component',
    HEAD.replace('sink:', 'sink: {timeot: 5s}') + pipeline('traces'),
    'pipeline.yaml:7:10: exporters.sink.timeot: unknown option; did you mean "timeout"?',
  ],
  [
    'a wrong type',
    HEAD.replace('sink:', 'sink: {timeout: [5]}') + pipeline('traces'),
    'pipeline.yaml:7:19: exporters.sink.timeout: expected a duration such as "5s", "200ms" or "1h30m", got a list',
  ],
  [
    'a dangling id',
    HEAD + pipeline('traces', 'source', 'shift/x'),
    'pipeline.yaml:11:48: service.pipelines.traces.processors[0]: processor "shift/x" is not configured under processors; did you mean "shift"?',
  ],
  [
    'an id named twice',
    HEAD + pipeline('traces', 'source', 'shift, shift'),
    'pipeline.yaml:11:55: service.pipelines.traces.processors[1]: processor "shift" is named twice in this pipeline; name it once',
  ],
  [
    'a dangling extension',
    `${HEAD}${pipeline('traces')}  extensions: [helth]\nextensions: {health: }`,
    'pipeline.yaml:12:16: service.extensions[0]: extension "helth" is not configured under extensions; did you mean "health"?',
  ],
  [
    'a signal that an exporter does not take',
    HEAD + pipeline('traces/x', 'source', '', 'graphs'),
    'pipeline.yaml:11:65: service.pipelines.traces/x.exporters[0]: exporter "graphs" takes metrics, and this pipeline carries traces only',
  ],
  [
    'a pipeline without receivers',
    HEAD + pipeline('traces', ''),
    'pipeline.yaml:11:25: service.pipelines.traces.receivers: name at least one receiver',
  ],
  [
    'a pipeline without exporters',
    HEAD + pipeline('traces', 'source', '', ''),
    'pipeline.yaml:11:62: service.pipelines.traces.exporters: name at least one exporter',
  ],
  [
    'a pipeline with its exporters left out',
    `${HEAD}    traces: {receivers: [source]}\n`,
    'pipeline.yaml:11:5: service.pipelines.traces.exporters: missing; expected a list',
  ],
  [
    'no pipeline',
    `${HEAD.replace('  pipelines:\n', '')}  pipelines: {}\n`,
    'pipeline.yaml:10:14: service.pipelines: configure at least one pipeline, such as "traces:" with receivers and exporters',
  ],
  ['no service section', 'receivers: {source: }\n', 'pipeline.yaml:1:1: service: missing; expected a map'],
  [
    'an unknown option of the service',
    `${HEAD}${pipeline('traces')}  telemtry: {}\n`,
    'pipeline.yaml:12:3: service.telemtry: unknown option; did you mean "telemetry"?',
  ],
  [
    'a component in a pipeline too narrow for it',
    HEAD + pipeline('traces', 'source', 'meet'),
    'pipeline.yaml:11:48: service.pipelines.traces.processors[0]: stands only where all signals pass; name the pipeline "factory"',
  ],
  [
    'a component in two pipelines where one is right',
    HEAD + pipeline('a', 'source', 'meet') + pipeline('b', 'source', 'meet'),
    'pipeline.yaml:12:43: service.pipelines.b.processors[0]: stream "workloads" is joined twice',
  ],
])('%s is one message with its place', async (_, text, message) => {
  expect(await complaint(text)).toBe(message)
})

test.each([
  ['ledger', undefined],
  [
    'ledger/elsewhere',
    'stream "workloads" sends exactly once, in transactions of one cluster: give exporter "ledger/elsewhere" the brokers of the stream',
  ],
  [
    'ledger, ledger/b',
    'stream "workloads" sends exactly once, so pipeline "factory" has one exporter: take this one out, or set exactly_once: false',
  ],
  [
    'ledger, sink',
    'stream "workloads" sends exactly once, and exporter "sink" cannot: let exporter kafka be the only one of pipeline "factory", or set exactly_once: false',
  ],
])('behind a stream that sends exactly once, exporters [%s] are right or refused with what to do', async (exporters, message) => {
  const text = (once: boolean) => `receivers: {source: }
processors: {meet: }
exporters: {sink: , ledger: , ledger/b: , ledger/elsewhere: {brokers: [other:1]}}
streams: {workloads: {driver: kafka, brokers: [k:1], exactly_once: ${once}}}
service:
  pipelines:
    factory: {receivers: [source], processors: [meet], exporters: [${exporters}]}
`
  await plan(text(false))
  if (message === undefined) await plan(text(true))
  else expect(await complaint(text(true))).toContain(message)
})

test('all problems are told in the order in which they are written', async () => {
  const text = HEAD.replace('sink:', 'sink: {timeout: x}').replace('source:', 'souce:') + pipeline('traces', 'source', 'shift/x')
  expect((await complaint(text)).split('\n').map(line => line.split(': ')[1])).toEqual([
    'receivers.souce',
    'exporters.sink.timeout',
    'service.pipelines.traces.receivers[0]',
    'service.pipelines.traces.processors[0]',
  ])
})

test('the plan holds read options and imports only what is named', async () => {
  loaded.length = 0
  const { graph, service } = await plan(
    'receivers: {source/a: {timeout: 1m}}\nexporters: {sink: }\nservice:\n  pipelines:\n    factory: {receivers: [source/a], exporters: [sink]}\n',
  )
  expect(loaded.toSorted()).toEqual(['sink', 'source'])
  expect(graph.receivers['source/a']).toEqual({ component: source, config: { endpoint: 'localhost:4317', timeout: 60_000 } })
  expect(graph.exporters.sink?.config).toEqual({ endpoint: 'localhost:4317', timeout: 5_000 })
  expect(graph.pipelines).toEqual({ factory: { receivers: ['source/a'], processors: [], exporters: ['sink'] } })
  expect(service.shutdown_timeout).toBe(30_000)
  expect(service.telemetry.logs).toEqual({ level: 'info', encoding: 'console' })
})

test('an older spelling of a type names the same component', async () => {
  const { graph } = await plan(
    'receivers: {source: }\nexporters: {drain/x: }\nservice:\n  pipelines:\n    logs/a: {receivers: [source], exporters: [drain/x]}\n',
  )
  expect(graph.exporters['drain/x']?.component).toBe(sink)
})

test('only the extensions that the service names are built', async () => {
  const text = (listed: string) =>
    `receivers: {source: }\nexporters: {sink: }\nextensions: {health: }\nservice: {extensions: [${listed}], pipelines: {a: {receivers: [source], exporters: [sink]}}}\n`
  expect(Object.keys((await plan(text('health'))).graph.extensions)).toEqual(['health'])
  expect(Object.keys((await plan(text(''))).graph.extensions)).toEqual([])
})

test('what is configured and not used, and a name that is almost a signal, are warnings', async () => {
  const { warnings } = await plan(HEAD.replace('graphs:', 'sink/spare:') + pipeline('trace', 'source', 'shift'))
  expect(warnings.map(problemText)).toEqual([
    'pipeline.yaml:5:3: processors.meet: not named in any pipeline, so it is not started',
    'pipeline.yaml:8:3: exporters.sink/spare: not named in any pipeline, so it is not started',
    'pipeline.yaml:11:5: service.pipelines.trace: a pipeline of this name carries all signals; did you mean "traces"?',
  ])
})
