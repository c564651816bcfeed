/**
 * Prometheus in, Prometheus out, by the running program: what DCGM exporter and vLLM print leaves on our page under the very same names, types, labels and values, so
 * that stock dashboards and rules go on working behind the gateway.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Family, readExposition } from '../proto/exposition/read.js'
import { CONTENT_TYPE, writeExposition } from '../proto/exposition/write.js'
import { dcgmFamilies } from '../simulator/dcgm.js'
import { Factory } from '../simulator/factory.js'
import { defaultPlan } from '../simulator/plan.js'
import { vllmFamilies } from '../simulator/vllm.js'
import { freePort, TestGateway } from './support/gateway.js'
import { until } from './support/until.js'

/** A factory that worked for a minute and stands still. */
const exposition = (): Family[] => {
  const factory = new Factory(defaultPlan(1, 1), 1_700_000_000_000, () => {})
  factory.advance(1_700_000_060_000)
  const [replica] = factory.replicas
  return [
    ...dcgmFamilies([...factory.nodes.values()].flat()),
    ...vllmFamilies(replica!.engine, replica!.deployment.model, factory.startedAt),
  ]
}
/** Every sample as one line; what the gateway adds is left out. */
const lines = (families: readonly Family[]): string[] => {
  const ours = new Set(['job', 'instance', 'ai_factory_workload_id'])
  return families
    .flatMap(({ samples }) =>
      samples.map(({ name, labels, value }) => {
        const printed = labels.filter(label => label.value !== '' && !ours.has(label.name)).map(label => `${label.name}=${label.value}`)
        return `${name}{${printed.sort().join()}} ${value}`
      }),
    )
    .sort()
}

test('stock series come out as they went in', async () => {
  const families = exposition()
  const target = createServer((_request, response) =>
    response.writeHead(200, { 'content-type': CONTENT_TYPE.text }).end(writeExposition(families, 'text')),
  )
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  const port = await freePort()
  const gateway = await TestGateway.start({
    config: `
receivers:
  prometheus:
    config:
      scrape_configs:
        - {job_name: factory, scrape_interval: 500ms, static_configs: [{targets: ["127.0.0.1:${(target.address() as AddressInfo).port}"]}]}
processors: {workload_id: {}, workload_join: {window: 1s, grace: 1s, max_gap: 2s, history: 10s}, efficiency: {prices: [{gpu: "*", per_gpu_hour: 3.6}]}}
exporters: {prometheus: {endpoint: "127.0.0.1:${port}"}}
streams: {workloads: {driver: embedded, directory: $FOLDER/streams}}
service: {pipelines: {factory: {receivers: [prometheus], processors: [workload_id, workload_join, efficiency], exporters: [prometheus]}}}
`,
  })
  try {
    const scrape = async (): Promise<Family[]> =>
      readExposition(Buffer.from(await (await fetch(`http://127.0.0.1:${port}/metrics`)).arrayBuffer()), 'text')
    const ofTarget = (page: readonly Family[]) => page.filter(({ name }) => /^(DCGM_FI_|vllm:)/.test(name))
    await until('every series', async () => lines(ofTarget(await scrape())).length >= lines(families).length, 20_000)
    const page = await scrape()
    expect(lines(ofTarget(page))).toEqual(lines(families))
    const types = new Map(ofTarget(page).map(({ name, type, help }) => [name, `${type} ${help}`]))
    for (const { name, type, help } of families) expect(`${name} ${types.get(name)}`).toBe(`${name} ${type} ${help}`)
    const instances = new Set(
      ofTarget(page).flatMap(({ samples }) => samples.map(({ labels }) => labels.find(({ name }) => name === 'job')?.value)),
    )
    expect([...instances]).toEqual(['factory'])

    // What the join says of them stands beside, as totals that grow; 3.6 an hour is 0.001 a GPU second.
    const total = (families: readonly Family[], name: string) =>
      families
        .filter(each => each.name === name)
        .flatMap(({ samples }) => samples)
        .reduce((sum, { value }) => sum + value, 0)
    await until('a window', async () => total(await scrape(), 'ai_factory_gpu_time_seconds_total') > 0, 20_000)
    const said = await scrape()
    expect(said.find(({ name }) => name === 'ai_factory_gpu_time_seconds_total')?.type).toBe('counter')
    expect(total(said, 'ai_factory_cost_total')).toBeCloseTo(total(said, 'ai_factory_gpu_time_seconds_total') / 1000, 9)
    expect((await gateway.metrics()).sum('ai_factory_gateway_bugs')).toBe(0)
  } finally {
    expect(await gateway.stop()).toBe(0)
    target.closeAllConnections()
    target.close()
  }
}, 60_000)
