/** Starts and stops parts in stages, so that nobody sends to a part that is not there yet or any more. */
import type { Clock, Lifecycle, Log } from './component.js'

export interface Part {
  /** `exporter otlp_http/grafana`: how people are told of it. */
  readonly name: string
  readonly instance: Lifecycle
  readonly log: Log
  /** Somebody upstream waits for its answers: at the deadline it is given `FAREWELL_MS` more to pass on what those downstream give back. */
  readonly answers?: boolean
}

/** A stop takes at most this much longer than its deadline. */
export const FAREWELL_MS = 500

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

/** Waits for `work`, but not beyond the abort. */
const until = async <T>(signal: AbortSignal, work: Promise<T>): Promise<T | 'late'> => {
  const giveUp = aborted(signal)
  try {
    return await Promise.race([work, giveUp.promise])
  } finally {
    giveUp.forget()
  }
}

/** A signal that follows `signal` by `ms`. */
const after = (signal: AbortSignal, ms: number, clock: Clock): { signal: AbortSignal; cancel: () => void } => {
  const later = new AbortController()
  let cancelTimer = () => {}
  const heard = () => {
    cancelTimer = clock.after(ms, () => later.abort())
  }
  if (signal.aborted) heard()
  else signal.addEventListener('abort', heard, { once: true })
  const cancel = () => {
    signal.removeEventListener('abort', heard)
    cancelTimer()
  }
  return { signal: later.signal, cancel }
}

const stopPart = async ({ instance, log }: Part, deadline: AbortSignal): Promise<void> => {
  try {
    const outcome = await until(deadline, Promise.resolve(instance.stop?.(deadline)))
    if (outcome === 'late') log.error('did not stop before the deadline; what it still held is lost unless it lies on disk')
  } catch (error) {
    log.error('failed to stop', { error })
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
      await until(
        deadline,
        run.promise.catch(() => {}),
      )
    }
    await this.stopStarted(deadline)
    this.run = undefined
  }

  /** Upstream first. At the deadline the rest is stopped at once, and those upstream hear from it what could not be delivered. */
  private async stopStarted(deadline: AbortSignal): Promise<void> {
    const farewell = after(deadline, FAREWELL_MS, this.clock)
    const stops: Promise<void>[] = []
    for (let stage = this.started.pop(); stage; stage = this.started.pop()) {
      const stopping = stage.map(part => stopPart(part, part.answers ? farewell.signal : deadline))
      stops.push(...stopping)
      await until(deadline, Promise.all(stopping))
    }
    await Promise.all(stops)
    farewell.cancel()
  }
}
