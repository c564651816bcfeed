/** What is in the store as families of an exposition, sorted, so that two scrapes of the same are the same text. */
import type { Family, Sample } from '../../proto/exposition/read.js'
import type { Label } from '../../proto/exposition/series.js'
import type { Metric, Series, Store } from './store.js'

const TOTAL = '_total'

/** `timestamps`: whether samples say when they were measured; `openmetrics`: a counter's family has its name without `_total`. */
export const familiesOf = (store: Store, timestamps: boolean, openmetrics: boolean): Family[] =>
  [...store.metrics.values()].sort((a, b) => (a.name < b.name ? -1 : 1)).map(metric => familyOf(metric, timestamps, openmetrics))

const familyOf = ({ name, kind, help, series }: Metric, timestamps: boolean, openmetrics: boolean): Family => {
  const counted = kind === 'counter' && openmetrics
  // OpenMetrics knows no counter without `_total`: one that came from Prometheus under such a name keeps it, as of unknown type.
  const type = counted && !name.endsWith(TOTAL) ? 'unknown' : kind
  const family = counted && name.endsWith(TOTAL) ? name.slice(0, -TOTAL.length) : name
  const samples = [...series].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, each]) => samplesOf(name, each, timestamps))
  return { name: family, type, ...(help === '' ? {} : { help }), samples }
}

const samplesOf = (name: string, { labels, value, count, shape, time }: Series, timestamps: boolean): Sample[] => {
  const sample = (suffix: string, value: number, extra?: Label): Sample => ({
    name: name + suffix,
    labels: extra ? [...labels, extra] : labels,
    value,
    ...(timestamps && time > 0 ? { timestamp: time } : {}),
  })
  if (!shape) return [sample('', value)]
  const rest = [sample('_sum', value), sample('_count', count)]
  if ('quantiles' in shape)
    return [...shape.quantiles.map(([quantile, at]) => sample('', at, { name: 'quantile', value: String(quantile) })), ...rest]
  let below = 0
  const buckets = shape.bounds.map((bound, i) => {
    below += shape.counts[i]!
    return sample('_bucket', below, { name: 'le', value: String(bound) })
  })
  return [...buckets, sample('_bucket', count, { name: 'le', value: '+Inf' }), ...rest]
}
