/**
 * Runs nvidia-smi, once a collection. A long-lived `nvidia-smi --loop` would save its start, but it cannot be told from one that hangs, its
 * documents are cut by guesswork, and it lives through a driver reload with handles that are dead.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { CollectionError } from '../../runtime/collection.js'
import type { Clock } from '../../runtime/component.js'

export interface ToolOptions {
  readonly command: string
  /** Milliseconds. */
  readonly timeout: number
  /** Bytes. */
  readonly max_output: number
}

export interface Output {
  readonly text: string
  /** 0 when all went well. What a tool that failed has printed may still be a whole document: of the cards that answered. */
  readonly status: number
}

/** What is left of the environment: paths of the tool and its libraries, and nothing that could be a secret. */
const ENVIRONMENT = ['PATH', 'LD_LIBRARY_PATH', 'HOME', 'SYSTEMROOT']
const MOST_COMPLAINT = 200

export class Tool {
  /** A run that was killed and has not ended: one that waits inside the driver cannot be. */
  private lingering: ChildProcess | undefined

  constructor(
    private readonly options: ToolOptions,
    private readonly clock: Clock,
  ) {}

  /**
   * Runs the tool to its end. Rejects with CollectionError: `not_found`, `not_started`, `timeout`, `hanging` (an earlier run cannot be ended, so
   * no other is begun), `too_large`, `killed`, or the signal's reason.
   */
  run(args: readonly string[], signal: AbortSignal): Promise<Output> {
    const { command, timeout, max_output } = this.options
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.lingering)
      return Promise.reject(
        new CollectionError(
          `${command} (process ${this.lingering.pid}) was killed and does not end: it waits inside the driver; look at dmesg for NVRM or Xid`,
          'hanging',
        ),
      )
    return new Promise((resolve, reject) => {
      const env = Object.fromEntries(ENVIRONMENT.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
      // A group of its own, so that what the tool has started ends with it.
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, env: { ...env, LC_ALL: 'C' } })
      const chunks: Buffer[] = []
      let size = 0
      let complaint = ''
      const settle = (): void => {
        cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const giveUp = (error: unknown): void => {
        settle()
        if (child.pid !== undefined) {
          if (child.exitCode === null && child.signalCode === null) {
            this.lingering = child
            child.once('exit', () => {
              this.lingering = undefined
            })
          }
          kill(child.pid)
          child.unref()
        }
        child.stdout.destroy()
        child.stderr.destroy()
        reject(error)
      }
      const onAbort = (): void => giveUp(signal.reason)
      const cancel = this.clock.after(timeout, () =>
        giveUp(new CollectionError(`${command} has not ended after timeout, ${timeout} ms, and was killed`, 'timeout')),
      )
      signal.addEventListener('abort', onAbort)
      child.stdout.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > max_output) giveUp(new CollectionError(`${command} has printed more than max_output, ${max_output} bytes`, 'too_large'))
        else chunks.push(chunk)
      })
      child.stderr.on('data', (chunk: Buffer) => {
        if (complaint.length < MOST_COMPLAINT) complaint += chunk.toString('utf8')
      })
      child.once('error', (error: NodeJS.ErrnoException) => {
        settle()
        reject(notStarted(command, error))
      })
      child.once('close', (code, killer) => {
        settle()
        const text = Buffer.concat(chunks).toString('utf8')
        if (code === null) reject(new CollectionError(`${command} was ended by ${killer}${saying(complaint)}`, 'killed'))
        else resolve({ text, status: code })
      })
    })
  }
}

const kill = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended just now.
  }
}

const notStarted = (command: string, { code, message }: NodeJS.ErrnoException): CollectionError =>
  code === 'ENOENT'
    ? new CollectionError(
        `there is no ${command}: install the NVIDIA driver, in a container run with the NVIDIA runtime and the capability "utility", or set command`,
        'not_found',
      )
    : new CollectionError(`${command} cannot be started: ${code ?? message}`, 'not_started')

/** The first line of what the tool said, for a message. */
export const saying = (text: string): string => {
  const line = text.trim().split('\n', 1)[0]?.slice(0, MOST_COMPLAINT) ?? ''
  return line === '' ? '' : `: ${line}`
}
