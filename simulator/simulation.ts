/** The factory on the network: exporters' pages over HTTP, traces over OTLP, scrape targets in files as a discovery would write them. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Family } from '../proto/exposition/read.js'
import { CONTENT_TYPE, writeExposition } from '../proto/exposition/write.js'
import { dcgmFamilies } from './dcgm.js'
import { Factory, type Replica } from './factory.js'
import type { Plan } from './plan.js'
import { Emitter, emitRequest } from './traces.js'
import { vllmFamilies } from './vllm.js'

export interface SimulationOptions {
  plan: Plan
  /** Where traces go: OTLP/HTTP, `http://host:4318`; with several, each process sends to one of them. */
  otlp: readonly string[]
  /** Folder for `gpus.json` and `engines.json`, which a `file_sd_configs` reads. */
  targets: string
  host?: string
}

/** Between scrapes the factory is brought up to date this often, wall milliseconds. */
const ADVANCE_MS = 10

interface TargetGroup {
  targets: string[]
  labels: Record<string, string>
}

export class Simulation {
  readonly factory: Factory
  private readonly servers: Server[] = []
  private readonly clients = new Map<string, Emitter>()
  private readonly engines = new Map<Replica, Emitter>()
  private timer: NodeJS.Timeout | undefined

  private constructor(private readonly options: SimulationOptions) {
    const { plan, otlp } = options
    let senders = 0
    const next = (): string => otlp[senders++ % otlp.length]!
    this.factory = new Factory(plan, Date.now(), (replica, request) =>
      emitRequest(this.clients.get(replica.deployment.client)!.tracer, this.engines.get(replica)!.tracer, replica.deployment, request),
    )
    for (const { client } of plan.deployments)
      this.clients.set(
        client,
        new Emitter(
          next(),
          { 'service.name': client, 'service.namespace': 'apps', 'k8s.namespace.name': 'apps', 'k8s.deployment.name': client },
          plan.speed,
        ),
      )
    for (const replica of this.factory.replicas)
      this.engines.set(
        replica,
        new Emitter(
          next(),
          {
            'service.name': 'vllm',
            'k8s.namespace.name': replica.deployment.namespace,
            'k8s.pod.name': replica.pod,
            'host.name': replica.host,
          },
          plan.speed,
        ),
      )
  }

  /** Serves, writes the target files and runs until `stop`. `open`: whether clients call from the start. */
  static async start(options: SimulationOptions, open = true): Promise<Simulation> {
    const simulation = new Simulation(options)
    simulation.factory.open = open
    await simulation.serve()
    simulation.timer = setInterval(() => simulation.factory.advance(Date.now()), ADVANCE_MS)
    return simulation
  }

  private async serve(): Promise<void> {
    const { factory, options } = this
    const page = async (families: () => Family[]): Promise<string> => {
      const server = createServer((request, response) => {
        if (request.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end()
        factory.advance(Date.now())
        response.writeHead(200, { 'content-type': CONTENT_TYPE.text }).end(writeExposition(families(), 'text'))
      })
      this.servers.push(server)
      const host = options.host ?? '127.0.0.1'
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve))
      return `${host}:${(server.address() as AddressInfo).port}`
    }
    const gpus: TargetGroup[] = []
    for (const [host, devices] of factory.nodes) gpus.push({ targets: [await page(() => dcgmFamilies(devices))], labels: { node: host } })
    const engines: TargetGroup[] = []
    for (const { deployment, engine, pod } of factory.replicas) {
      const address = await page(() => vllmFamilies(engine, deployment.model, factory.startedAt))
      engines.push({ targets: [address], labels: { namespace: deployment.namespace, pod } })
    }
    mkdirSync(options.targets, { recursive: true })
    this.write('gpus.json', gpus)
    this.write('engines.json', engines)
  }

  private write(name: string, groups: TargetGroup[]): void {
    const file = join(this.options.targets, name)
    writeFileSync(`${file}.new`, JSON.stringify(groups, null, 2))
    renameSync(`${file}.new`, file)
  }

  /** Clients stop calling; resolves when the last request has ended and its spans are on their way. */
  async quiet(): Promise<void> {
    this.factory.open = false
    while (!this.factory.quiet) await new Promise(resolve => setTimeout(resolve, 50))
  }

  /** Sends what spans are left, and closes everything. */
  async stop(): Promise<void> {
    clearInterval(this.timer)
    await Promise.allSettled([...this.clients.values(), ...this.engines.values()].map(emitter => emitter.close()))
    await Promise.all(
      this.servers.map(server => {
        server.closeAllConnections()
        return new Promise(resolve => server.close(resolve))
      }),
    )
  }
}
