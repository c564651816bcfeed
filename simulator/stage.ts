/** Factory, gateway and backend on free ports, in a folder of their own: what the demo shows and the proof judges. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Backend } from './backend.js'
import { freePort, Gateway } from './gateway.js'
import type { Plan } from './plan.js'
import { Simulation } from './simulation.js'

export interface StageOptions {
  plan: Plan
  /** The gateway's configuration; it takes its ports and places from the environment as config/examples/demo.yaml does. */
  config?: string
  /** Event-time window and grace of the join. */
  window: string
  grace: string
  /** Whether clients call from the start. */
  open: boolean
  /** Passed on to the gateways as `--set`. */
  settings: readonly string[]
  /** How many gateways work side by side; more than one share a stream on Kafka. */
  gateways: number
}

export interface Stage {
  backend: Backend
  gateways: readonly Gateway[]
  simulation: Simulation
  /** The first gateway's own metrics. */
  metricsUrl: string
  folder: string
  /** Ends all in order and removes the folder; resolves to the gateways' exit code, one that is not 0 if there is one. */
  close(): Promise<number | null>
}

export const openStage = async (options: StageOptions): Promise<Stage> => {
  const { plan, config = 'config/examples/demo.yaml', window, grace, open } = options
  const folder = mkdtempSync(join(tmpdir(), 'ai-factory-'))
  const backend = new Backend()
  const url = await backend.start()
  const targets = join(folder, 'targets')
  const gateways: Gateway[] = []
  const ports: { otlp: number; metrics: number }[] = []
  for (let number = 0; number < options.gateways; number++) {
    const [otlp, metrics, health] = await Promise.all([freePort(), freePort(), freePort()])
    const environment = {
      OTLP_PORT: String(otlp),
      METRICS_PORT: String(metrics),
      HEALTH_PORT: String(health),
      BACKEND: url,
      TARGETS: targets,
      DATA: join(folder, String(number)),
      WINDOW: window,
      GRACE: grace,
    }
    gateways.push(new Gateway(config, environment, health, options.settings))
    ports.push({ otlp, metrics })
  }
  const simulation = await Simulation.start({ plan, otlp: ports.map(({ otlp }) => `http://127.0.0.1:${otlp}`), targets }, open)
  const close = async () => {
    await simulation.stop()
    const codes = await Promise.all(gateways.map(gateway => gateway.stop()))
    await backend.stop()
    rmSync(folder, { recursive: true, force: true })
    return codes.find(code => code !== 0) ?? 0
  }
  try {
    await Promise.all(gateways.map(gateway => gateway.start()))
  } catch (error) {
    await close()
    throw error
  }
  return { backend, gateways, simulation, metricsUrl: `http://127.0.0.1:${ports[0]!.metrics}/metrics`, folder, close }
}
