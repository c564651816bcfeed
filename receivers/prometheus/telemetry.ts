/** The receiver's own figures. Bound once a job, so that a scrape only adds. */
import type { Counter, Meter } from '../../runtime/component.js'
import type { Reason } from './failure.js'
import type { Unfit } from './series/point.js'

export class JobTelemetry {
  readonly succeeded: Counter
  readonly skipped: Counter
  /** Exemplars left out. */
  readonly exemplars: Counter
  private readonly failures = new Map<Reason, Counter>()
  private readonly refusals = new Map<string, Counter>()
  private readonly dropped = new Map<Unfit, Counter>()
  private readonly labels: { component: string; job: string }

  constructor(
    private readonly meter: Meter,
    component: string,
    job: string,
    targets: () => number,
    series: () => number,
  ) {
    this.labels = { component, job }
    this.succeeded = meter.counter('ai_factory_gateway_scrapes_succeeded_total', 'Scrapes that were read to their end.', this.labels)
    this.skipped = meter.counter(
      'ai_factory_gateway_scrapes_skipped_total',
      'Scrapes not begun because the target’s last one was still under way.',
      this.labels,
    )
    this.exemplars = meter.counter(
      'ai_factory_gateway_scrape_exemplars_dropped_total',
      'Exemplars left out because their time lies before 1970 or more than ten minutes ahead.',
      this.labels,
    )
    meter.gauge('ai_factory_gateway_scrape_targets', 'Targets that are scraped.', this.labels, targets)
    meter.gauge('ai_factory_gateway_scrape_series_cached', 'Series remembered between scrapes.', this.labels, series)
  }

  failed(reason: Reason): void {
    let counter = this.failures.get(reason)
    if (!counter) {
      counter = this.meter.counter('ai_factory_gateway_scrapes_failed_total', 'Scrapes that failed, by reason.', { ...this.labels, reason })
      this.failures.set(reason, counter)
    }
    counter.add(1)
  }

  /** `points` of a scrape went nowhere, because the pipeline did not take them. */
  refused(reason: string, points: number): void {
    let counter = this.refusals.get(reason)
    if (!counter) {
      const help = 'Points of scrapes that the pipeline refused, also when asked again.'
      counter = this.meter.counter('ai_factory_gateway_scrape_points_refused_total', help, { ...this.labels, reason })
      this.refusals.set(reason, counter)
    }
    counter.add(points)
  }

  unfit(reason: Unfit, points: number): void {
    let counter = this.dropped.get(reason)
    if (!counter) {
      const help = 'Scraped points that no OTLP point can say, by reason.'
      counter = this.meter.counter('ai_factory_gateway_scrape_points_dropped_total', help, { ...this.labels, reason })
      this.dropped.set(reason, counter)
    }
    counter.add(points)
  }
}
