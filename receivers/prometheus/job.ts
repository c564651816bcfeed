/** One scrape configuration: discovers targets and keeps one loop for each. */
import { Discoveries } from './discovery/discoveries.js'
import { ScrapeError } from './failure.js'
import { HttpScraper } from './http.js'
import { type Shared, TargetLoop } from './loop.js'
import type { JobOptions } from './options.js'
import type { Labels } from './relabel/relabel.js'
import { type Target, TargetError, targetOf } from './target.js'
import { JobTelemetry } from './telemetry.js'

export class Job {
  private readonly http: HttpScraper
  private readonly loops = new Map<string, TargetLoop>()
  private readonly telemetry: JobTelemetry
  private readonly discoveries: Discoveries
  /** Loops of targets that are no more, still saying so. */
  private readonly leaving = new Set<Promise<void>>()
  private faults = new Set<string>()
  private stopped = true

  constructor(
    private readonly options: JobOptions,
    private readonly shared: Shared,
  ) {
    const { context } = shared
    this.http = new HttpScraper(options, context)
    this.discoveries = new Discoveries(options, context, labelSets => this.update(labelSets))
    this.telemetry = new JobTelemetry(
      context.meter,
      context.id,
      options.job_name,
      () => this.loops.size,
      () => Array.from(this.loops.values()).reduce((sum, loop) => sum + loop.seriesCached, 0),
    )
  }

  async start(): Promise<void> {
    await this.http.open()
    this.stopped = false
    this.discoveries.start()
  }

  /** Gives up what is not settled when `expired` resolves. */
  async stop(expired: Promise<void>): Promise<void> {
    if (this.stopped) return
    this.stopped = true
    await this.discoveries.stop()
    const leaving = Promise.race([Promise.all(this.leaving), expired])
    await Promise.all([...Array.from(this.loops.values(), loop => loop.stop(expired)), leaving])
    this.loops.clear()
    this.http.close()
  }

  /** These are the targets now. */
  private update(labelSets: readonly Labels[]): void {
    if (this.stopped) return
    const targets = new Map<string, Target>()
    const faults = new Set<string>()
    for (const labels of labelSets) {
      try {
        const target = targetOf(labels, this.options)
        if (target) targets.set(target.key, target)
      } catch (error) {
        if (!(error instanceof TargetError)) throw error
        faults.add(error.message)
      }
    }
    for (const error of faults)
      if (!this.faults.has(error))
        this.shared.context.log.warn('a discovered target cannot be scraped', { job: this.options.job_name, error })
    this.faults = faults
    for (const [key, loop] of this.loops) {
      if (targets.has(key)) continue
      this.loops.delete(key)
      const left = loop.vanish().finally(() => this.leaving.delete(left))
      this.leaving.add(left)
    }
    for (const [key, target] of targets) {
      if (this.loops.has(key)) continue
      const loop = new TargetLoop(target, this.options, this.http, this.telemetry, this.shared, () => this.overLimit())
      this.loops.set(key, loop)
      loop.start()
    }
  }

  private overLimit(): ScrapeError | undefined {
    const { target_limit: limit } = this.options
    if (limit === 0 || this.loops.size <= limit) return undefined
    return new ScrapeError(`the job has ${this.loops.size} targets; target_limit is ${limit}`, 'target_limit')
  }
}
