/** One target scraped by hand: text in, what its batch says out. */
import type { Batch } from '../../../proto/batch.js'
import type { Format } from '../../../proto/exposition/cursor.js'
import { decode, type Plain, requestType } from '../../../proto/testing/oracle.js'
import type { SeriesOptions } from '../series/line.js'
import { type Sending, TargetSeries } from '../series/target_series.js'
import { Turns } from '../turns.js'

/** When the first scrape of a test is. */
export const T = 1_700_000_000_000
const options = (changes: Partial<SeriesOptions> = {}): SeriesOptions => ({
  labels: new Map([
    ['job', 'gpu'],
    ['instance', 'node-1:9400'],
    ['rack', 'r7'],
  ]),
  server: { address: 'node-1', port: '9400', scheme: 'http' },
  honor_labels: false,
  honor_timestamps: true,
  track_timestamps_staleness: false,
  metric_relabel_configs: [],
  external_labels: new Map(),
  sample_limit: 1000,
  label_limit: 20,
  label_name_length_limit: 64,
  label_value_length_limit: 128,
  ...changes,
})
const turns = new Turns({ monotonic: () => 0 })
export const target = (changes?: Partial<SeriesOptions>): TargetSeries => new TargetSeries(options(changes), turns, 7)

export const attributes = (list: Plain[] = []): Record<string, string> =>
  Object.fromEntries(list.map(each => [each.key, each.value.stringValue]))
const ms = (nanos: string | undefined): number => Number(BigInt(nanos ?? 0) / 1_000_000n)
/** A batch as {metric: points}, times relative to T; the series on the scrape itself apart. */
export const read = (batch: Batch): { metrics: Record<string, Plain>; all: Plain; resource: Record<string, string> } => {
  const request = decode(requestType('metrics'), Buffer.concat(batch.slices))
  let items = 0
  const metrics: Record<string, Plain> = {}
  for (const group of request.resourceMetrics)
    for (const scope of group.scopeMetrics)
      for (const metric of scope.metrics) {
        const kind = ['gauge', 'sum', 'histogram', 'summary'].find(each => metric[each])!
        const points = metric[kind].dataPoints.map((point: Plain) => {
          items++
          const { startTimeUnixNano, timeUnixNano, attributes: list, ...rest } = point
          return {
            ...(startTimeUnixNano && { start: ms(startTimeUnixNano) - T }),
            time: ms(timeUnixNano) - T,
            attributes: attributes(list),
            ...rest,
          }
        })
        metrics[metric.name] = { ...metric, kind, [kind]: { ...metric[kind], dataPoints: undefined }, points }
      }
  expect(items).toBe(batch.items)
  return { metrics, all: request, resource: attributes(request.resourceMetrics[0].resource.attributes) }
}
export const scrape = async (series: TargetSeries, body: string, at = 0, format: Format = 'text') => {
  series.begin(T + at)
  let sending: Sending
  let error: unknown
  try {
    series.read(format)
    // In pieces, as a network would.
    for (let i = 0; i < body.length; i += 37) series.feed(Buffer.from(body.slice(i, i + 37)))
    series.end(false)
    sending = await series.finish(20)
  } catch (caught) {
    error = caught
    sending = await series.fail(20)
  }
  return { ...read(await sending.write()), error }
}
/** Values of one metric, in order. */
export const values = (metrics: Record<string, Plain>, name: string): unknown[] | undefined =>
  metrics[name]?.points.map((point: Plain) => (point.flags === 1 ? 'gone' : (point.asDouble ?? point.count)))
