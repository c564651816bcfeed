import fc from 'fast-check'
import { bareEvent } from '../testing/events.js'
import { HistogramPointView } from '../views/histograms.js'
import { MetricCursor, TEMPORALITY } from '../views/metrics.js'
import { NumberPointView } from '../views/points.js'
import { ResourceView } from '../views/resource.js'
import * as names from '../vocabulary/attributes.js'
import { eventsBatch } from './codec.js'
import { RunningSums } from './cumulative.js'
import type { CorrelatedEvent, ServingFigures } from './event.js'
import { renderEvents } from './render.js'

const LENGTH = 10_000
const BOUNDS = [0.1, 1]

interface Point {
  series: string
  temporality: number
  start: number
  end: number
  value: number
  /** Counts of a histogram, whose `value` is its sum. */
  buckets: number[]
}

let serial = 0
const event = (change: Partial<CorrelatedEvent> & { window: number }): CorrelatedEvent => {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(0, ++serial)
  const { window, ...others } = change
  return bareEvent({ id, workloadId: 'chat', windowStartMs: window * LENGTH, windowLengthMs: LENGTH, ...others })
}
const tokens = (input: number, lateInput?: number): CorrelatedEvent['tokens'] => [
  { source: 'engine_metrics', input, ...(lateInput === undefined ? {} : { lateInput }) },
]
const latency = (counts: number[], sum: number, bounds = BOUNDS): ServingFigures => ({
  engines: 1,
  queueDepth: 3,
  coverage: 1,
  carriedSeconds: 0,
  latencies: [{ name: 'time_to_first_token', count: counts.reduce((a, b) => a + b, 0), sum, bounds, bucketCounts: counts, late: false }],
})

/** The points that these events give, in order. */
const points = (events: readonly CorrelatedEvent[], sums?: RunningSums, epoch = '1'): Point[] => {
  const found: Point[] = []
  for (const batch of renderEvents(eventsBatch(events, { epoch }), sums)) {
    if (batch.signal !== 'metrics') continue
    for (const group of batch.groups) {
      const workload = new ResourceView().read(group.resource).attributes.string(Buffer.from(names.WORKLOAD_ID))
      const metrics = new MetricCursor().over(group.rest)
      while (metrics.next())
        while (metrics.nextPoint()) {
          const { metric, point } = metrics
          const labels = Array.from(
            { length: point.attributes.length },
            (_, i) => `${point.attributes.key(i)}=${point.attributes.value(i).text()}`,
          )
          found.push({
            series: [workload, metric.name(), ...labels].join(' '),
            temporality: metric.temporality,
            start: point.startTime,
            end: point.time,
            value: point instanceof NumberPointView ? point.value : point instanceof HistogramPointView ? point.sum : Number.NaN,
            buckets: point instanceof HistogramPointView ? Array.from({ length: point.bucketLength }, (_, i) => point.bucketCount(i)) : [],
          })
        }
    }
  }
  return found
}

const amount = fc.double({ min: 0, max: 1e9, noNaN: true })
const history = fc.array(
  fc.record({
    workloadId: fc.constantFrom('chat', 'code'),
    skip: fc.integer({ min: 1, max: 3 }),
    input: amount,
    late: fc.option(amount, { nil: undefined }),
    counts: fc.tuple(amount, amount, amount),
    sum: amount,
  }),
  { maxLength: 30 },
)

describe('running totals', () => {
  test('of any history are the sums of its deltas, series by series, from one start time on, never falling; gauges stay', () => {
    fc.assert(
      fc.property(history, steps => {
        const sums = new RunningSums()
        const seen = new Map<string, { start: number; end: number; value: number; buckets: number[] }>()
        let window = 0
        for (const { workloadId, skip, input, late, counts, sum } of steps) {
          window += skip
          const one = event({ window, workloadId, tokens: tokens(input, late), serving: latency([...counts], sum) })
          const [deltas, totals] = [points([one]), points([one], sums)]
          expect(totals.map(({ series }) => series)).toEqual(deltas.map(({ series }) => series))
          for (const [index, delta] of deltas.entries()) {
            const total = totals[index]!
            if (delta.temporality === TEMPORALITY.unspecified) {
              expect(total).toEqual(delta)
              continue
            }
            expect([delta.temporality, total.temporality]).toEqual([TEMPORALITY.delta, TEMPORALITY.cumulative])
            const before = seen.get(delta.series) ?? { start: delta.start, end: 0, value: 0, buckets: [] }
            // Counts inside are not whole; they are rounded when written, not before they are summed.
            const inside = delta.buckets.map((_, i) => (before.buckets[i] ?? 0) + counts[i]!)
            expect(total).toMatchObject({
              start: before.start,
              end: delta.end,
              value: before.value + delta.value,
              buckets: inside.map(Math.round),
            })
            expect(total.value).toBeGreaterThanOrEqual(before.value)
            seen.set(delta.series, { start: before.start, end: total.end, value: total.value, buckets: inside })
          }
        }
      }),
    )
  })

  test('keep amounts that came late in a series of their own', () => {
    const sums = new RunningSums()
    points([event({ window: 1, tokens: tokens(5, 1) })], sums)
    const said = points([event({ window: 2, tokens: tokens(7, 2) })], sums)
    expect(said.map(({ series, value }) => [series.includes('ai_factory.late'), value])).toEqual([
      [false, 12],
      [true, 3],
    ])
  })

  test('begin anew with a new epoch, and with other bounds of buckets', () => {
    const sums = new RunningSums()
    points([event({ window: 1, tokens: tokens(5), serving: latency([1, 1, 1], 2) })], sums, '1')
    const [next] = points([event({ window: 2, tokens: tokens(7) })], sums, '2').filter(({ series }) => series.includes(names.TOKENS))
    expect(next).toMatchObject({ start: 2 * LENGTH, end: 3 * LENGTH, value: 7 })
    const other = points([event({ window: 3, serving: latency([1, 1], 2, [5]) })], sums, '1').find(({ buckets }) => buckets.length > 0)
    expect(other).toMatchObject({ start: 3 * LENGTH, value: 2, buckets: [1, 1] })
  })

  test('do not take an event twice when its batch is sent again, and take it in its next life', () => {
    const sums = new RunningSums()
    const [first, second] = [event({ window: 1, tokens: tokens(5) }), event({ window: 2, tokens: tokens(7) })]
    points([first], sums)
    points([first, second], sums)
    expect(points([second], sums)).toMatchObject([{ value: 12, start: LENGTH, end: 3 * LENGTH }])
    expect(points([second], sums, '2')).toMatchObject([{ value: 7, start: 2 * LENGTH }])
  })

  test('go on in time when windows overtake each other, and where a workload’s source of identity changes', () => {
    const sums = new RunningSums()
    points([event({ window: 1, tokens: tokens(1) })], sums)
    points([event({ window: 3, tokens: tokens(4), workloadSource: 'pod' })], sums)
    expect(points([event({ window: 2, tokens: tokens(2) })], sums)).toMatchObject([{ value: 7, start: LENGTH, end: 4 * LENGTH }])
  })

  test('hold no more series than they may, and none that has been silent too long', () => {
    const sums = new RunningSums({ series: 2, silence: 10 * LENGTH, events: 10 })
    for (const [index, workloadId] of ['a', 'b', 'a', 'c'].entries())
      points([event({ window: index, workloadId, tokens: tokens(1) })], sums)
    expect(sums.size).toBe(2)
    expect(points([event({ window: 4, workloadId: 'a', tokens: tokens(1) })], sums)).toMatchObject([{ value: 3, start: 0 }])
    expect(points([event({ window: 5, workloadId: 'b', tokens: tokens(1) })], sums)).toMatchObject([{ value: 1, start: 5 * LENGTH }])
    points([event({ window: 30, workloadId: 'd', tokens: tokens(1) })], sums)
    expect(sums.size).toBe(1)
  })
})
