/** The registry with a way to ask for one value. */
import type { Labels } from '../component.js'
import { Registry } from '../telemetry/registry.js'

export class TestMeter extends Registry {
  /** Sum over the series of `name` that carry all of `where`; a histogram counts its observations. 0 when there is none. */
  sum(name: string, where: Labels = {}): number {
    const wanted = Object.entries(where)
    let total = 0
    for (const family of this.collect()) {
      if (family.name !== name) continue
      for (const { labels, value } of family.series) {
        if (value === undefined || !wanted.every(([label, text]) => labels[label] === text)) continue
        total += typeof value === 'number' ? value : value.counts.reduce((sum, count) => sum + count, 0)
      }
    }
    return total
  }
}
