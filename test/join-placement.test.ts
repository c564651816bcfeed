import { makePlan } from '../cli/plan.js'
import { summary } from '../cli/summary.js'
import { parse } from '../config/parse.js'
import { ConfigError, problemText } from '../config/problem.js'
import type { MapNode } from '../config/tree.js'

const configuration = (pipelines: string, join = '{}') => `receivers: { otlp: { protocols: { http: {} } } }
processors: { workload_join: ${join}, workload_join/again: ${join} }
exporters: { debug: {} }
streams: { workloads: { directory: ./data/streams } }
service:
  pipelines:
${pipelines}
`
const planOf = (text: string) => makePlan(parse(text, 'pipeline.yaml') as MapNode)
const complaints = async (text: string): Promise<string[]> => {
  const error = await planOf(text).catch((reason: unknown) => reason)
  return error instanceof ConfigError ? error.problems.map(problemText) : []
}
const pipeline = (name: string, join: string) => `    ${name}: { receivers: [otlp], processors: [${join}], exporters: [debug] }`

test('workload_join in a typed pipeline is an error that shows the right form', async () => {
  expect(await complaints(configuration(pipeline('traces', 'workload_join')))).toEqual([
    'pipeline.yaml:7:47: service.pipelines.traces.processors[0]: "workload_join" joins traces with metrics, so it stands in one pipeline that carries all signals: give it a name of its own, such as "factory:", instead of "traces:"',
  ])
})

test('two joins on one stream are an error that names the first', async () => {
  const text = configuration(`${pipeline('factory', 'workload_join')}\n${pipeline('other', 'workload_join/again')}`)
  expect(await complaints(text)).toEqual([expect.stringContaining('stream "workloads" is joined in pipeline "factory" already')])
})

test('a stream that is not configured is an error with its place and a suggestion', async () => {
  expect(await complaints(configuration(pipeline('factory', 'workload_join'), '{ stream: workload }'))).toEqual([
    'pipeline.yaml:2:40: processors.workload_join.stream: stream "workload" is not configured under streams; did you mean "workloads"?',
  ])
})

test('the ready line names the stream and its directory', async () => {
  const plan = await planOf(configuration(pipeline('factory', 'workload_join')))
  expect(summary(plan)).toEqual({
    listens: ['otlp (localhost:4318)'],
    streams: ['workloads (data/streams/workloads)'],
    sends: ['debug'],
    pipelines: ['factory'],
  })
})
