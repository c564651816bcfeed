/** The built program as a process of its own, spoken to by its ports and judged by its metrics page. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from '../../simulator/gateway.js'
import { MetricsPage } from './metrics-page.js'

const PROGRAM = resolve(__dirname, '../../dist/main.js')
const READY_WITHIN_MS = 30_000

export { freePort }

export interface GatewayOptions {
  /** Everything but `service.telemetry`. Receivers listen on port 0; `$FOLDER` is a folder of this gateway's own. */
  readonly config: string
  /** Further files of that folder, by name. */
  readonly files?: Readonly<Record<string, string>>
}

export class TestGateway {
  private log = ''
  private readonly waiting = new Set<() => void>()
  /** Resolves with the exit code. */
  readonly exit: Promise<number | null>

  private constructor(
    private readonly child: ChildProcess,
    readonly folder: string,
    private readonly metricsPort: number,
  ) {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
      for (const look of this.waiting) look()
    })
    this.exit = once(child, 'close').then(([code]) => code as number | null)
  }

  /** Resolves when the gateway is ready; rejects with its own words when it does not get there. */
  static async start({ config, files = {} }: GatewayOptions): Promise<TestGateway> {
    if (!existsSync(PROGRAM)) throw new Error('run `npm run build` first: this test runs dist/main.js')
    const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
    const metricsPort = await freePort()
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    writeFileSync(join(folder, 'pipeline.yaml'), config.replaceAll('$FOLDER', folder))
    const child = spawn(
      process.execPath,
      [PROGRAM, 'run', '--config', join(folder, 'pipeline.yaml'), '--set', `service.telemetry.metrics.address=127.0.0.1:${metricsPort}`],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    const gateway = new TestGateway(child, folder, metricsPort)
    try {
      await gateway.said('\tready\t', READY_WITHIN_MS)
      return gateway
    } catch (error) {
      await gateway.stop('SIGKILL')
      throw error
    }
  }

  /** Port that a receiver got. */
  port(protocol: 'grpc' | 'http', receiver = 'otlp'): number {
    for (const line of this.log.split('\n')) {
      if (!line.includes('\tlistening\t')) continue
      const fields = JSON.parse(line.slice(line.indexOf('{'))) as { component: string; protocol: string; port: number }
      if (fields.component === receiver && fields.protocol === protocol) return fields.port
    }
    throw new Error(`${receiver} does not listen for ${protocol}:\n${this.log}`)
  }

  /** Resolves with the log so far as soon as it holds `text`. */
  said(text: string, withinMs = 10_000): Promise<string> {
    return new Promise((found, missing) => {
      const fail = (why: string): void => {
        done()
        missing(new Error(`${why} without saying "${text.trim()}":\n${this.log.slice(-4000)}`))
      }
      const timer = setTimeout(() => fail(`${withinMs} ms passed`), withinMs)
      const done = (): void => {
        clearTimeout(timer)
        this.waiting.delete(look)
      }
      const look = (): void => {
        if (!this.log.includes(text)) return
        done()
        found(this.log)
      }
      this.waiting.add(look)
      void this.exit.then(() => this.waiting.has(look) && fail('the gateway ended'))
      look()
    })
  }

  /** What it has said so far. */
  get words(): string {
    return this.log
  }

  get pid(): number {
    return this.child.pid!
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  async metrics(): Promise<MetricsPage> {
    const response = await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`)
    return MetricsPage.read(new Uint8Array(await response.arrayBuffer()))
  }

  /** Resident memory now and at its peak, bytes. */
  memory(): { resident: number; peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024
    return { resident: kilobytes('VmRSS'), peak: kilobytes('VmHWM') }
  }

  /** Ends it and removes its folder; resolves with the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.running) this.child.kill(signal)
    const code = await this.exit
    rmSync(this.folder, { recursive: true, force: true })
    return code
  }
}
