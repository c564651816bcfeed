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
}

export interface Stage {
  backend: Backend
  gateway: Gateway
  simulation: Simulation
  metricsUrl: string
  folder: string
  /** Ends all three in order and removes the folder; resolves to the gateway's exit code. */
  close(): Promise<number | null>
}

export const openStage = async ({ plan, config = 'config/examples/demo.yaml', window, grace, open }: StageOptions): Promise<Stage> => {
  const folder = mkdtempSync(join(tmpdir(), 'ai-factory-'))
  const backend = new Backend()
  const [url, otlp, metrics, health] = await Promise.all([backend.start(), freePort(), freePort(), freePort()])
  const targets = join(folder, 'targets')
  const environment = {
    OTLP_PORT: String(otlp),
    METRICS_PORT: String(metrics),
    HEALTH_PORT: String(health),
    BACKEND: url,
    TARGETS: targets,
    DATA: folder,
    WINDOW: window,
    GRACE: grace,
  }
  const gateway = new Gateway(config, environment, health)
  const simulation = await Simulation.start({ plan, otlp: `http://127.0.0.1:${otlp}`, targets }, open)
  const close = async () => {
    await simulation.stop()
    const code = await gateway.stop()
    await backend.stop()
    rmSync(folder, { recursive: true, force: true })
    return code
  }
  try {
    await gateway.start()
  } catch (error) {
    await close()
    throw error
  }
  return { backend, gateway, simulation, metricsUrl: `http://127.0.0.1:${metrics}/metrics`, folder, close }
}
