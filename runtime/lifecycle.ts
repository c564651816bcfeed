/** Starts and stops parts in stages, so that nobody sends to a part that is not there yet or any more. */
import type { Clock, Lifecycle, Log } from './component.js'

export interface Part {
  /** `exporter otlp_http/grafana`: how people are told of it. */
  readonly name: string
  readonly instance: Lifecycle
  readonly log: Log
}

/** What already runs gets this long to stop when another part cannot start. */
const FAILED_START_GRACE_MS = 5_000

/** Resolves one turn of the event loop after the abort, so that parts which heed the same signal can finish first. */
const aborted = (signal: AbortSignal): { promise: Promise<'late'>; forget: () => void } => {
  let heard: () => void = () => {}
  const promise = new Promise<'late'>(resolve => {
    heard = () => setImmediate(resolve, 'late')
    if (signal.aborted) heard()
    else signal.addEventListener('abort', heard, { once: true })
  })
  return { promise, forget: () => signal.removeEventListener('abort', heard) }
}

const stopPart = async ({ instance, log }: Part, deadline: AbortSignal): Promise<void> => {
  const giveUp = aborted(deadline)
  try {
    const outcome = await Promise.race([Promise.resolve(instance.stop?.(deadline)), giveUp.promise])
    if (outcome === 'late') log.error('did not stop before the deadline; what it still held is lost unless it lies on disk')
  } catch (error) {
    log.error('failed to stop', { error })
  } finally {
    giveUp.forget()
  }
}

export class Stages {
  private readonly started: Part[][] = []
  private run: { promise: Promise<void>; cancelled: boolean } | undefined
  private stopping: Promise<void> | undefined

  /** `stages` in the order of starting; parts of one stage do not send to each other. */
  constructor(
    private readonly stages: readonly (readonly Part[])[],
    private readonly clock: Clock,
  ) {}

  /** Rejects with the name of the part that could not start, after everything that had started was stopped. */
  start(): Promise<void> {
    if (this.run || this.stopping) return Promise.reject(new Error('already started'))
    const run = { promise: Promise.resolve(), cancelled: false }
    this.run = run
    run.promise = this.startAll(run)
    return run.promise
  }

  /** Never rejects: what goes wrong is logged. A second call joins the first. */
  stop(deadline: AbortSignal): Promise<void> {
    this.stopping ??= this.stopAll(deadline).finally(() => {
      this.stopping = undefined
    })
    return this.stopping
  }

  private async startAll(run: { readonly cancelled: boolean }): Promise<void> {
    for (const stage of this.stages) {
      const begun: Part[] = []
      this.started.push(begun)
      for (const part of stage) {
        begun.push(part)
        try {
          await part.instance.start?.()
        } catch (error) {
          await this.undo()
          throw new Error(`${part.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
        if (run.cancelled) throw new Error('stopped while starting')
      }
    }
  }

  private async undo(): Promise<void> {
    const grace = new AbortController()
    const cancel = this.clock.after(FAILED_START_GRACE_MS, () => grace.abort())
    await this.stopStarted(grace.signal)
    cancel()
    this.run = undefined
  }

  private async stopAll(deadline: AbortSignal): Promise<void> {
    const { run } = this
    if (run) {
      run.cancelled = true
      const giveUp = aborted(deadline)
      await Promise.race([run.promise.catch(() => {}), giveUp.promise])
      giveUp.forget()
    }
    await this.stopStarted(deadline)
    this.run = undefined
  }

  private async stopStarted(deadline: AbortSignal): Promise<void> {
    for (let stage = this.started.pop(); stage; stage = this.started.pop()) await Promise.all(stage.map(part => stopPart(part, deadline)))
  }
}
