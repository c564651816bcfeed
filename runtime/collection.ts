/**
 * Measures something again and again and hands it on: the loop of receivers that look instead of listen.
 * There is never more than one collection under way: while its batch waits for the pipeline, the next ones are skipped and counted.
 */
import { z } from 'zod'
import { duration } from '../config/options.js'
import type { Batch } from '../proto/batch.js'
import { Admission } from './admission.js'
import type { Lifecycle, Upstream } from './component.js'
import { RetryableError, reasonOf, refusedItems } from './errors.js'

/** Options of every such receiver, with the Collector's names. */
export const collectionOptions = (interval: string) => ({
  collection_interval: duration(interval)
    .refine(ms => ms >= 100, 'the interval is at least 100ms')
    .describe('How often is measured.'),
  initial_delay: duration('1s').describe('How long after the start the first time.'),
})
const schema = z.object(collectionOptions('10s'))
export type CollectionOptions = z.infer<typeof schema>

/** A collection that failed: `reason` is a label of a counter, the message is for a person. */
export class CollectionError extends Error {
  override readonly name = 'CollectionError'
  constructor(
    message: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** What one collection tells of itself while it goes on. */
export interface Told {
  /** Wall time at its beginning, milliseconds. */
  readonly time: number
  /** Aborted when the receiver stops: whatever still runs is ended. */
  readonly signal: AbortSignal
  /** Something in it was wrong, and the rest is sent all the same. Counted by `reason`; said in the log when it is new. */
  fault(reason: string, message: string): void
}

/** Undefined when there is nothing to tell. Rejects with CollectionError. */
export type Collect = (told: Told) => Promise<Batch | undefined>

/** How long a refused batch waits for its second try when the refusal names no time, at most. */
const RETRY_AFTER = 1000
/** Kinds of faults remembered, so that each is said once. */
const MOST_FAULTS = 100

export class Collection implements Lifecycle {
  private cancelTimer: (() => void) | undefined
  private running: Promise<void> | undefined
  private abort = new AbortController()
  private due = 0
  /** Faults of the last collection, and of the one that goes on: what was said is not said again until it has passed. */
  private said = new Set<string>()
  private saying = new Set<string>()

  constructor(
    private readonly options: CollectionOptions,
    private readonly context: Upstream,
    private readonly collect: Collect,
  ) {}

  async start(): Promise<void> {
    const { clock } = this.context
    this.abort = new AbortController()
    this.due = clock.monotonic() + this.options.initial_delay
    this.wait()
  }

  /** Ends what runs, and settles what was handed on, or gives up at the deadline. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.cancelTimer?.()
    this.cancelTimer = undefined
    this.abort.abort(new CollectionError('the gateway stops', 'stopped'))
    if (!this.running) return
    let giveUp = (): void => {}
    const expired = new Promise<void>(resolve => {
      giveUp = resolve
    })
    if (deadline.aborted) giveUp()
    deadline.addEventListener('abort', giveUp, { once: true })
    await Promise.race([this.running, expired])
    deadline.removeEventListener('abort', giveUp)
  }

  private wait(): void {
    const { clock } = this.context
    this.cancelTimer = clock.after(Math.max(0, this.due - clock.monotonic()), () => this.tick())
  }

  private tick(): void {
    const { clock } = this.context
    const { collection_interval: interval } = this.options
    const late = Math.max(0, clock.monotonic() - this.due)
    this.due += interval * (1 + Math.floor(late / interval))
    this.wait()
    if (this.running) {
      this.count('skipped', 'Collections not begun because the last one was still measuring or waiting for the pipeline.')
      return
    }
    this.running = this.run().finally(() => {
      this.running = undefined
    })
  }

  private async run(): Promise<void> {
    const { signal } = this.abort
    this.saying = new Set()
    let batch: Batch | undefined
    try {
      batch = await this.collect({ time: this.context.clock.now(), signal, fault: (reason, message) => this.fault(reason, message) })
      this.count('succeeded', 'Collections that came to their end, with whatever could be read.')
    } catch (error) {
      // What we broke off ourselves says nothing about what was measured.
      if (signal.aborted) return
      this.failed(error)
    }
    this.said = this.saying
    if (batch && !signal.aborted) await this.send(batch, signal)
  }

  /** A measurement cannot be held for ever: it is offered twice within the interval, then dropped and counted. */
  private async send(batch: Batch, signal: AbortSignal): Promise<void> {
    const { clock, host, log, next } = this.context
    const { collection_interval: interval } = this.options
    let release = (): void => {}
    try {
      release = host.get(Admission).reserve(batch.bytes)
      const deadline = clock.monotonic() + interval / 2
      try {
        await next(batch)
      } catch (error) {
        const after = error instanceof RetryableError ? (error.after ?? Math.min(RETRY_AFTER, interval / 4)) : Number.POSITIVE_INFINITY
        if (signal.aborted || clock.monotonic() + after > deadline) throw error
        await this.pause(after, signal)
        if (signal.aborted) throw error
        await next(batch)
      }
    } catch (error) {
      const [points, reason] = [refusedItems(error, batch.items), reasonOf(error)]
      const help = 'Points of collections that the pipeline refused, also when asked again.'
      this.context.meter
        .counter('ai_factory_gateway_collection_points_refused_total', help, { component: this.context.id, reason })
        .add(points)
      log.warn('points were dropped: the pipeline refused them', { points, reason, error: messageOf(error) })
    } finally {
      release()
    }
  }

  private pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.context.clock.after(ms, done)
      signal.addEventListener('abort', done)
    })
  }

  private failed(error: unknown): void {
    const reason = error instanceof CollectionError ? error.reason : 'internal'
    const labels = { component: this.context.id, reason }
    this.context.meter
      .counter('ai_factory_gateway_collections_failed_total', 'Collections that failed and brought nothing, by reason.', labels)
      .add(1)
    if (reason === 'internal') this.context.log.error('a collection ended in a fault of the gateway', { error: messageOf(error) })
    else this.say(reason, `a collection failed: ${messageOf(error)}`)
  }

  private fault(reason: string, message: string): void {
    const help = 'Things in a collection that could not be read, or were not as they should be; the rest was sent.'
    this.context.meter.counter('ai_factory_gateway_collection_faults_total', help, { component: this.context.id, reason }).add(1)
    this.say(`${reason} ${message}`, `a part of a collection failed: ${message}`, reason)
  }

  /** Said when it begins, not at every collection. */
  private say(key: string, message: string, reason = key): void {
    if (this.saying.has(key) || this.saying.size >= MOST_FAULTS) return
    this.saying.add(key)
    if (this.said.has(key)) this.context.log.debug(message, { reason })
    else this.context.log.warn(message, { reason })
  }

  private count(what: string, help: string): void {
    this.context.meter.counter(`ai_factory_gateway_collections_${what}_total`, help, { component: this.context.id }).add(1)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
