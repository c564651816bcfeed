/**
 * A real Prometheus as a process of its own: takes remote write, scrapes what it is told to, answers PromQL. Built once (bench/prometheus) into
 * ~/.cache/ai-factory-gateway, or named by PROMETHEUS; without it the suites of `describePrometheus` are skipped with a warning.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './gateway.js'
import { until } from './until.js'

const VERSION = '0.316.0'
const PROGRAM = process.env.PROMETHEUS ?? join(homedir(), `.cache/ai-factory-gateway/prometheus-${VERSION}/prometheus`)

export const describePrometheus = (title: string, suite: () => void): void => {
  if (existsSync(PROGRAM)) {
    describe(title, suite)
    return
  }
  console.warn(
    `SKIPPED ${title}: needs a Prometheus, and there is none at ${PROGRAM}: build it as bench/prometheus/README.md says, or name one in PROMETHEUS`,
  )
  describe.skip(title, suite)
}

export interface Result {
  readonly metric: Readonly<Record<string, string>>
  /** Of an instant query: time in seconds, text of the value. */
  readonly value?: readonly [number, string]
  readonly histogram?: readonly [
    number,
    { readonly count: string; readonly sum: string; readonly buckets: readonly (readonly [number, string, string, string])[] },
  ]
}
export interface Exemplars {
  readonly seriesLabels: Readonly<Record<string, string>>
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: string; readonly timestamp: number }[]
}

export class Prometheus {
  private words = ''

  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    /** `http://host:port` */
    readonly url: string,
  ) {
    child.stderr!.on('data', chunk => (this.words = (this.words + chunk).slice(-8000)))
  }

  /** `targets`: pages that it scrapes every half second, `host:port`; labels are kept as the pages have them. */
  static async start(targets: readonly string[] = [], extra: readonly string[] = []): Promise<Prometheus> {
    const endpoint = `127.0.0.1:${await freePort()}`
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: {scrape_interval: 500ms, scrape_timeout: 500ms}
storage: {exemplars: {max_exemplars: 1000}}
scrape_configs: [{job_name: page, honor_labels: true, static_configs: [{targets: ${JSON.stringify(targets)}}]}]
`,
    )
    const flags = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${endpoint}`,
      '--web.enable-remote-write-receiver',
      '--enable-feature=exemplar-storage,native-histograms,type-and-unit-labels',
      '--log.level=warn',
      ...extra,
    ]
    const child = spawn(PROGRAM, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
    const prometheus = new Prometheus(child, folder, `http://${endpoint}`)
    try {
      await until('Prometheus is ready', async () => (await fetch(`${prometheus.url}/-/ready`).catch(() => undefined))?.ok === true, 20_000)
    } catch (error) {
      await prometheus.stop()
      throw new Error(prometheus.words, { cause: error })
    }
    return prometheus
  }

  /** An instant query at `time`, milliseconds since the epoch. */
  query(query: string, time = Date.now()): Promise<readonly Result[]> {
    return this.ask<{ result: readonly Result[] }>('query', { query, time: String(time / 1000) }).then(({ result }) => result)
  }

  exemplars(query: string): Promise<readonly Exemplars[]> {
    const now = Date.now() / 1000
    return this.ask('query_exemplars', { query, start: String(now - 3600), end: String(now + 60) })
  }

  private async ask<T>(what: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${what}?${new URLSearchParams(parameters)}`)
    const { status, data, error } = (await response.json()) as { status: string; data: T; error?: string }
    if (status !== 'success') throw new Error(error)
    return data
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.kill()) await once(this.child, 'exit')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
