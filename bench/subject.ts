/** What is measured: a gateway or a Collector as its own process, pinned to one core, judged from outside by /proc. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Peer = 'gateway' | 'collector'

/** The pinned core of the measured process; the load and the sink share the others. */
const CORE = '0'
const TICKS_PER_SECOND = 100
/** Where the built Collector lies, from the root of the repository. */
export const COLLECTOR = 'bench/collector/otelcol-bench'

/** Builds the Collector once, where Go is present. Undefined when it is there, else why this machine has none. */
export const missingCollector = (): string | undefined => {
  if (existsSync(COLLECTOR)) return undefined
  try {
    execFileSync('go', ['build', '-mod=mod', '-o', 'otelcol-bench', '.'], { cwd: 'bench/collector', stdio: ['ignore', 'ignore', 'pipe'] })
    return undefined
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer }
    return code === 'ENOENT' ? 'Go is not present' : `the Collector could not be built: ${stderr ?? error}`
  }
}

// A bench that is ended leaves nothing behind that works on.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

export interface Usage {
  /** CPU time of all threads, microseconds. */
  cpu: number
  /** Resident memory now and at its peak, bytes. */
  resident: number
  peak: number
}

export class Subject {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    private readonly words: () => string,
    readonly readyAfter: number,
  ) {}

  /** Longest pause of the gateway's event loop since this was asked before, milliseconds (pause.ts). */
  async longestPause(): Promise<number> {
    const said = () => [...this.words().matchAll(/longest pause: ([\d.]+) ms/g)]
    const before = said().length
    this.child.kill('SIGUSR2')
    for (let i = 0; i < 50 && said().length === before; i++) await new Promise(resolve => setTimeout(resolve, 20))
    return Number(said().at(-1)?.[1] ?? Number.NaN)
  }

  /** Starts `peer` on `yaml` (the gateway with `nodeArgs` for its engine) and resolves when `port` answers. Throws with the process's own words when it does not within 20 s. */
  static start(peer: Peer, yaml: string, port: number, nodeArgs: readonly string[] = []): Promise<Subject> {
    const commandOf = (folder: string): readonly string[] => {
      const config = join(folder, 'pipeline.yaml')
      writeFileSync(config, yaml.replaceAll('$FOLDER', folder))
      return peer === 'gateway'
        ? [process.execPath, ...nodeArgs, 'dist/main.js', 'run', '--config', config]
        : [COLLECTOR, '--config', config]
    }
    return Subject.run(peer, commandOf, () => answers(port))
  }

  /** Starts a command, given a folder of its own, and resolves when it is `ready`. */
  static async run(name: string, commandOf: (folder: string) => readonly string[], ready: () => Promise<boolean>): Promise<Subject> {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    const began = performance.now()
    const child = spawn('taskset', ['-c', CORE, ...commandOf(folder)], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GOMAXPROCS: '1' },
    })
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
    child.once('exit', () => process.off('exit', end))
    let words = ''
    const keep = (chunk: Buffer) => {
      words = (words + chunk).slice(-4000)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    while (!(await ready())) {
      if (child.exitCode !== null || performance.now() - began > 20_000) {
        child.kill('SIGKILL')
        throw new Error(`${name} did not start:\n${words}`)
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return new Subject(child, folder, () => words, performance.now() - began)
  }

  usage(): Usage {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
    const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? Number.NaN) * 1024
    return {
      cpu: ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND,
      resident: kilobytes('VmRSS'),
      peak: kilobytes('VmHWM'),
    }
  }

  /** As a power cut does. */
  async kill(): Promise<void> {
    const gone = new Promise(resolve => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await gone
    rmSync(this.folder, { recursive: true, force: true })
  }

  async stop(): Promise<void> {
    const gone = new Promise(resolve => this.child.once('exit', resolve))
    this.child.kill('SIGTERM')
    const hard = setTimeout(() => this.child.kill('SIGKILL'), 35_000)
    await gone
    clearTimeout(hard)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const answers = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
