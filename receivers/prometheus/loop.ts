/** Scrapes one target, again and again, at its own place in the interval. */

import type { Admission } from '../../runtime/admission.js'
import type { Upstream } from '../../runtime/component.js'
import { RetryableError, reasonOf, refusedItems } from '../../runtime/errors.js'
import { messageOf, ScrapeError, scrapeErrorOf } from './failure.js'
import type { BodyReader, HttpScraper } from './http.js'
import type { JobOptions } from './options.js'
import type { Places } from './places.js'
import { type Sending, TargetSeries } from './series/target_series.js'
import type { Target } from './target.js'
import type { JobTelemetry } from './telemetry.js'
import type { Turns } from './turns.js'

/** What the loops of a receiver share. */
export interface Shared {
  readonly context: Upstream
  readonly admission: Pick<Admission, 'reserve'>
  readonly turns: Turns
  readonly places: Places
  /** Whether a target, named by its key, is this gateway's to scrape: gateways that share a stream share the targets too. */
  mine(key: string): boolean
  /** Seed of hashes of scraped bytes. */
  readonly seed: number
}

/** How long a refused batch waits for its second try when the refusal names no time, at most. */
const RETRY_AFTER = 1000

/** Bytes read between two looks at the clock: about a hundred lines. */
const PIECE = 16 * 1024

/** Feeds a target's series with what HTTP brings, in slices of time. */
export const bodyReader = (series: TargetSeries, turns: Turns): BodyReader => ({
  begin: format => series.read(format),
  async chunk(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE) {
      await turns.pause()
      series.feed(bytes.subarray(at, at + PIECE))
    }
  },
  end: framed => series.end(framed),
})

export class TargetLoop {
  private series: TargetSeries
  private readonly makeSeries: () => TargetSeries
  private owned = false
  private cancelTimer: (() => void) | undefined
  private running: Promise<void> | undefined
  private abort = new AbortController()
  private answered = false
  private stopped = false
  /** Wall time the next scrape is due. */
  private due = 0
  private lastFault = ''

  constructor(
    readonly target: Target,
    private readonly job: JobOptions,
    private readonly http: HttpScraper,
    private readonly telemetry: JobTelemetry,
    private readonly shared: Shared,
    /** Set when the job may not have so many targets: each scrape fails with it, unasked. */
    private readonly forbidden: () => ScrapeError | undefined,
  ) {
    const own = { ...job, labels: target.labels, server: target.server, external_labels: new Map(job.external_labels) }
    this.makeSeries = () => new TargetSeries(own, shared.turns, shared.seed)
    this.series = this.makeSeries()
  }

  get seriesCached(): number {
    return this.series.size
  }

  start(): void {
    const now = this.shared.context.clock.now()
    const { interval, offset } = this.target
    this.due = Math.floor(now / interval) * interval + offset * interval
    if (this.due < now) this.due += interval
    this.wait()
  }

  /** Ends without a word downstream: the target is still there, we are not. Settles what is under way, or gives up when `expired` resolves. */
  async stop(expired: Promise<void>): Promise<void> {
    this.halt()
    const giveUp = (): void => this.abort.abort(new ScrapeError('the gateway stops', 'stopped'))
    // Who has not begun to answer is not waited for.
    if (!this.answered) giveUp()
    await Promise.race([this.running, expired.then(giveUp)])
  }

  /** The target is no more: tells so downstream. */
  async vanish(): Promise<void> {
    this.halt()
    this.abort.abort(new ScrapeError('the target vanished', 'stopped'))
    await this.running
    const sending = await this.series.vanish(this.shared.context.clock.now())
    if (sending) await this.send(sending)
  }

  private halt(): void {
    this.stopped = true
    this.cancelTimer?.()
    this.cancelTimer = undefined
  }

  private wait(): void {
    const { clock } = this.shared.context
    this.cancelTimer = clock.after(Math.max(0, this.due - clock.now()), () => this.tick())
  }

  private tick(): void {
    if (this.stopped) return
    const { clock, log } = this.shared.context
    const { interval } = this.target
    const now = clock.now()
    // A timer may fire a little early, and after a pause whole intervals may have passed.
    this.due = this.due + interval > now ? this.due + interval : now + interval - ((now - this.due) % interval)
    this.wait()
    if (!this.shared.mine(this.target.key)) {
      this.leaveToOthers()
      return
    }
    this.owned = true
    if (this.running) {
      this.telemetry.skipped.add(1)
      return
    }
    this.running = this.run().then(
      () => {
        this.running = undefined
      },
      error => {
        this.running = undefined
        log.error('a scrape ended in a fault of the gateway', { target: this.target.url.href, error: scrapeErrorOf(error).message })
      },
    )
  }

  /** Another gateway scrapes it now and says what is to be said: its series neither end here, nor do they go on where they stood. */
  private leaveToOthers(): void {
    if (!this.owned || this.running) return
    this.owned = false
    this.series = this.makeSeries()
  }

  private async run(): Promise<void> {
    const { clock } = this.shared.context
    const leave = await this.shared.places.take()
    try {
      if (this.stopped) return
      const started = clock.monotonic()
      this.series.begin(clock.now())
      let sending: Sending
      try {
        await this.ask()
        sending = await this.series.finish(clock.monotonic() - started)
        this.telemetry.succeeded.add(1)
        this.recovered()
      } catch (error) {
        const fault = scrapeErrorOf(error)
        // What we broke off ourselves says nothing about the target.
        if (fault.reason === 'stopped') return
        this.telemetry.failed(fault.reason)
        this.faulted(fault)
        sending = await this.series.fail(clock.monotonic() - started)
      }
      // Its new owner may have read the page before us: a value of ours beside its own could look like a counter that fell.
      if (!this.shared.mine(this.target.key)) return
      for (const [reason, points] of this.series.unfit) this.telemetry.unfit(reason, points)
      this.series.unfit.clear()
      this.telemetry.exemplars.add(this.series.unfitExemplars)
      await this.send(sending)
    } finally {
      leave()
    }
  }

  /** Reads the exposition into `series`. Rejects with whatever is wrong with it. */
  private async ask(): Promise<void> {
    const forbidden = this.forbidden()
    if (forbidden) throw forbidden
    const { context, turns } = this.shared
    const { timeout } = this.target
    const abort = new AbortController()
    this.abort = abort
    this.answered = false
    const cancel = context.clock.after(timeout, () =>
      abort.abort(new ScrapeError(`the scrape took longer than scrape_timeout, ${timeout} ms`, 'timeout')),
    )
    try {
      await this.http.scrape(this.target, bodyReader(this.series, turns), abort.signal, () => {
        this.answered = true
      })
    } finally {
      cancel()
      this.answered = true
    }
  }

  /** A scrape cannot be held for ever: it is offered twice within the interval, then dropped and counted. */
  private async send(sending: Sending): Promise<void> {
    const { admission, context } = this.shared
    let release = (): void => {}
    try {
      release = admission.reserve(sending.bytes)
      const batch = await sending.write()
      const deadline = context.clock.monotonic() + this.target.interval / 2
      try {
        await context.next(batch)
      } catch (error) {
        const after =
          error instanceof RetryableError ? (error.after ?? Math.min(RETRY_AFTER, this.target.interval / 4)) : Number.POSITIVE_INFINITY
        if (this.stopped || context.clock.monotonic() + after > deadline) throw error
        await new Promise<void>(resolve => context.clock.after(after, resolve))
        await context.next(batch)
      }
    } catch (error) {
      const points = refusedItems(error, sending.items)
      this.telemetry.refused(reasonOf(error), points)
      context.log.warn('the points of a scrape were dropped: the pipeline refused them', {
        target: this.target.url.href,
        points,
        reason: reasonOf(error),
        error: messageOf(error),
      })
    } finally {
      release()
    }
  }

  /** Said when it begins and when its reason changes, not at every scrape. */
  private faulted(fault: ScrapeError): void {
    const { log } = this.shared.context
    const fields = { job: this.job.job_name, target: this.target.url.href, reason: fault.reason, error: fault.message }
    if (this.lastFault === fault.reason) log.debug('a scrape failed again', fields)
    else log.warn('a scrape failed', fields)
    this.lastFault = fault.reason
  }

  private recovered(): void {
    if (this.lastFault !== '')
      this.shared.context.log.info('scrapes succeed again', { job: this.job.job_name, target: this.target.url.href })
    this.lastFault = ''
  }
}
