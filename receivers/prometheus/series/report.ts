/** What a scrape says of itself, as series beside the scraped ones. Names and texts: Prometheus, and the Collector's receiver. */

import type { Resolver } from './line.js'
import { Metadata } from './metadata.js'
import { Family, type Point } from './point.js'

export interface Report {
  readonly up: boolean
  /** Milliseconds. */
  readonly duration: number
  readonly scraped: number
  readonly kept: number
  readonly added: number
}

const SERIES: readonly (readonly [name: string, help: string, read: (report: Report) => number])[] = [
  ['up', 'The scraping was successful', report => (report.up ? 1 : 0)],
  ['scrape_duration_seconds', 'Duration of the scrape', report => report.duration / 1000],
  ['scrape_samples_scraped', 'The number of samples the target exposed', report => report.scraped],
  ['scrape_samples_post_metric_relabeling', 'The number of samples remaining after metric relabeling was applied', report => report.kept],
  ['scrape_series_added', 'The approximate number of new series in this scrape', report => report.added],
]

export class ReportSeries {
  private readonly points: readonly Point[]

  constructor(resolver: Resolver) {
    const scope = resolver.home.scope(new Map())
    this.points = SERIES.map(([name, help]) => {
      const metadata = new Metadata(name)
      metadata.type = 'gauge'
      metadata.help = help
      return resolver.own(new Family(name, metadata, scope))
    })
  }

  /** Gives the points their values of this scrape. */
  fill(report: Report, scrape: number): readonly Point[] {
    this.points.forEach((point, index) => {
      point.valued = scrape
      point.value = SERIES[index]![2](report)
    })
    return this.points
  }
}
