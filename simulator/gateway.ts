/** The gateway as a user runs it: a process of its own, started from dist/, spoken to by its ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port'))))
    })
  })

/** Not ready within this time = it will not be. */
const READY_WITHIN_MS = 20_000

export class Gateway {
  private child: ChildProcess | undefined
  private words = ''

  constructor(
    private readonly config: string,
    private readonly environment: Readonly<Record<string, string>>,
    /** Port of the health check. */
    private readonly health: number,
    /** `--set` of the command line: `streams.workloads={driver: kafka, …}`. */
    private readonly settings: readonly string[] = [],
  ) {}

  /** Resolves when the gateway is ready; rejects with its own words when it ends or does not get there. */
  async start(): Promise<void> {
    const set = this.settings.flatMap(setting => ['--set', setting])
    const child = spawn(process.execPath, ['dist/main.js', 'run', '--config', this.config, ...set], {
      env: { ...process.env, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C in a terminal goes to the whole group; the demo ends its gateway itself, in order.
      detached: true,
    })
    this.child = child
    const keep = (chunk: Buffer) => {
      this.words = (this.words + chunk).slice(-20_000)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    const deadline = Date.now() + READY_WITHIN_MS
    while (!(await this.ready())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL')
        throw new Error(`the gateway did not get ready:\n${this.words}`)
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  private async ready(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.health}/ready`)).ok
    } catch {
      return false
    }
  }

  /** The end of what it printed. */
  get log(): string {
    return this.words
  }

  /** Resolves to the exit code, null after a signal that nobody handles. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const ended = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
    child.kill(signal)
    return ended
  }
}
