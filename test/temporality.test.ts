/** One gateway, two backends: correlated metrics as deltas for one, as running totals for the other; everything else is the same for both. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Batch } from '../proto/batch.js'
import { MetricCursor, TEMPORALITY } from '../proto/views/metrics.js'
import { NumberPointView } from '../proto/views/points.js'
import { PREFIX } from '../proto/vocabulary/attributes.js'
import { Random } from '../simulator/random.js'
import { RecordingBackend } from './support/backend.js'
import { deliveriesOf } from './support/deliveries.js'
import { FactoryLoad } from './support/factory-load.js'
import { TestGateway } from './support/gateway.js'
import { until } from './support/until.js'

const CONFIG = `
receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:0}}}
processors:
  workload_join: {window: 500ms, grace: 700ms, max_gap: 5s, history: 20s}
exporters:
  otlp_http/deltas: {endpoint: "$DELTAS"}
  otlp_http/totals: {endpoint: "$TOTALS", temporality: cumulative}
streams:
  workloads: {directory: $FOLDER/streams, partitions: 4, tick: 200ms}
service:
  pipelines:
    factory: {receivers: [otlp], processors: [workload_join], exporters: [otlp_http/deltas, otlp_http/totals]}
`

interface Point {
  readonly temporality: number
  readonly start: number
  readonly end: number
  readonly value: number
}

/** Points of correlated sums by series, in the order of their windows. */
const sumsAt = ({ taken }: RecordingBackend): Map<string, Point[]> => {
  const found = new Map<string, Point[]>()
  for (const { signal, body } of taken) {
    if (signal !== 'metrics') continue
    for (const group of Batch.of('metrics', [body], 0).groups) {
      const metrics = new MetricCursor().over(group.rest)
      while (metrics.next())
        while (metrics.nextPoint()) {
          const { metric, point } = metrics
          if (!metric.name().startsWith(PREFIX) || !metric.isMonotonic || !(point instanceof NumberPointView)) continue
          const labels = Array.from(
            { length: point.attributes.length },
            (_, i) => `${point.attributes.key(i)}=${point.attributes.value(i).text()}`,
          )
          const series = [metric.name(), ...labels].join(' ')
          const one = { temporality: metric.temporality, start: point.startTime, end: point.time, value: point.value }
          found.set(
            series,
            [...(found.get(series) ?? []), one].sort((a, b) => a.end - b.end),
          )
        }
    }
  }
  return found
}

test('a backend that wants cumulative series gets running totals of the deltas, and user metrics as they came', async () => {
  const [deltas, totals] = [await RecordingBackend.open(), await RecordingBackend.open()]
  const gateway = await TestGateway.start({ config: CONFIG.replace('$DELTAS', deltas.httpUrl).replace('$TOTALS', totals.httpUrl) })
  try {
    const load = new FactoryLoad(`http://127.0.0.1:${gateway.port('http')}`, new Random(1), 2)
    await load.start()
    await sleep(2500)
    await load.quiet(600)
    const quiet = Date.now()
    const closed = (backend: RecordingBackend) =>
      load.workloads.every(({ id }) => (deliveriesOf(backend.taken).closed.get(id) ?? 0) >= quiet)
    for (const backend of [deltas, totals]) await until('every window has closed', () => closed(backend))
    expect(await gateway.stop()).toBe(0)

    const [each, running] = [sumsAt(deltas), sumsAt(totals)]
    expect([...running.keys()].sort()).toEqual([...each.keys()].sort())
    expect(each.size).toBeGreaterThan(10)
    for (const [series, points] of each) {
      const cumulative = running.get(series)!
      let sum = 0
      const expected = points.map(({ end, value }) => ({
        temporality: TEMPORALITY.cumulative,
        start: points[0]!.start,
        end,
        value: (sum += value),
      }))
      expect(points.every(({ temporality }) => temporality === TEMPORALITY.delta)).toBe(true)
      expect({ series, points: cumulative }).toEqual({ series, points: expected })
    }
    const samples = (backend: RecordingBackend) => [...deliveriesOf(backend.taken).items].filter(([, { kind }]) => kind === 'sample')
    const contents = (backend: RecordingBackend) => new Map(samples(backend).map(([name, item]) => [name, item.contents]))
    expect(contents(totals)).toEqual(contents(deltas))
  } finally {
    await gateway.stop('SIGKILL')
    await deltas.close()
    await totals.close()
  }
}, 60_000)
