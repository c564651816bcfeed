/** A real OpenTelemetry Collector as a process of its own: OTLP/gRPC in, OTLP/HTTP out to `backend`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COLLECTOR } from '../../bench/subject.js'
import { freePort } from './gateway.js'
import { until } from './until.js'

const pipeline = '{receivers: [otlp], exporters: [otlphttp]}'
const config = (endpoint: string, backend: string): string => `
receivers:
  otlp: {protocols: {grpc: {endpoint: "${endpoint}"}}}
exporters:
  otlphttp: {endpoint: "${backend}", compression: none, sending_queue: {enabled: false}, retry_on_failure: {enabled: false}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: ${pipeline}, metrics: ${pipeline}, logs: ${pipeline}}
`

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => resolve(!!socket.destroy()))
    socket.on('error', () => resolve(false))
  })

export class TestCollector {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    /** Takes OTLP/gRPC. */
    readonly endpoint: string,
  ) {}

  /** Rejects with the Collector's own words when it does not start. */
  static async start(backend: string): Promise<TestCollector> {
    const port = await freePort()
    const endpoint = `127.0.0.1:${port}`
    const folder = mkdtempSync(join(tmpdir(), 'collector-'))
    writeFileSync(join(folder, 'config.yaml'), config(endpoint, backend))
    const child = spawn(COLLECTOR, ['--config', join(folder, 'config.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] })
    let words = ''
    child.stderr.on('data', chunk => (words = (words + chunk).slice(-4000)))
    const collector = new TestCollector(child, folder, endpoint)
    try {
      await until('the Collector listens', () => answers(port), 30_000)
    } catch (error) {
      await collector.stop()
      throw new Error(words, { cause: error })
    }
    return collector
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill()) await once(this.child, 'exit')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
