/** The gateway's metrics page at one moment. */
import { readExposition, type Sample } from '../../proto/exposition/read.js'

export class MetricsPage {
  private constructor(private readonly samples: readonly Sample[]) {}

  static read(text: Uint8Array): MetricsPage {
    return new MetricsPage(readExposition(text, 'text').flatMap(family => family.samples))
  }

  /** Sum over the series of `name` that carry all of `labels`; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels)
    return this.samples
      .filter(
        sample => sample.name === name && wanted.every(([key, value]) => sample.labels.some(it => it.name === key && it.value === value)),
      )
      .reduce((sum, { value }) => sum + value, 0)
  }
}
