import { Batch } from '../batch.js'
import { decode, encode, type Plain, requestType } from '../testing/oracle.js'
import { CumulativeSums } from './cumulative.js'

const DELTA = 1
const attributes = (name: string) => [{ key: 'k', value: { stringValue: name } }]
const sum = (value: number, start: number, key = 'a', change: Plain = {}): Plain => ({
  name: 'tokens',
  unit: '{token}',
  sum: {
    aggregationTemporality: DELTA,
    isMonotonic: true,
    dataPoints: [{ startTimeUnixNano: String(start), timeUnixNano: String(start + 10), asDouble: value, attributes: attributes(key) }],
    ...change,
  },
})
const histogram = (counts: number[], total: number, start: number): Plain => ({
  name: 'ttft',
  histogram: {
    aggregationTemporality: DELTA,
    dataPoints: [
      {
        startTimeUnixNano: String(start),
        timeUnixNano: String(start + 10),
        count: String(counts.reduce((a, b) => a + b, 0)),
        sum: total,
        bucketCounts: counts.map(String),
        explicitBounds: [1, 2],
        min: 0.5,
      },
    ],
  },
})
const batch = (epoch: string, ...metrics: Plain[]) =>
  Batch.of(
    'metrics',
    [encode(requestType('metrics'), { resourceMetrics: [{ scopeMetrics: [{ scope: { name: 's' }, metrics }] }] })],
    metrics.length,
    { epoch },
  )
const read = (out: Batch): Plain[] =>
  decode(requestType('metrics'), Buffer.concat([...out.slices])).resourceMetrics[0].scopeMetrics[0].metrics.map((metric: Plain) => {
    const data = metric.sum ?? metric.histogram ?? metric.gauge
    return { name: metric.name, temporality: data.aggregationTemporality, ...data.dataPoints[0] }
  })

describe('cumulative sums', () => {
  test('sum up deltas per series, from the start of the first', () => {
    const sums = new CumulativeSums()
    sums.apply(batch('1', sum(5, 100), sum(1, 100, 'b')))
    expect(read(sums.apply(batch('1', sum(7, 110), sum(2, 110, 'b'))))).toMatchObject([
      { asDouble: 12, startTimeUnixNano: '100', timeUnixNano: '120', temporality: 2, attributes: attributes('a') },
      { asDouble: 3, startTimeUnixNano: '100' },
    ])
  })

  test('sum up histograms per bucket; extremes of one window are left out', () => {
    const sums = new CumulativeSums()
    sums.apply(batch('1', histogram([1, 2, 3], 4.5, 100)))
    const [point] = read(sums.apply(batch('1', histogram([0, 1, 0], 1.5, 110))))
    expect(point).toMatchObject({ count: '7', sum: 6, bucketCounts: ['1', '3', '3'], startTimeUnixNano: '100', temporality: 2 })
    expect(point).not.toHaveProperty('min')
  })

  test('a new epoch is a new start time', () => {
    const sums = new CumulativeSums()
    sums.apply(batch('1', sum(5, 100)))
    expect(read(sums.apply(batch('2', sum(7, 110))))).toMatchObject([{ asDouble: 7, startTimeUnixNano: '110' }])
  })

  test('leave gauges, cumulative and falling sums as they are', () => {
    const others = batch('1', sum(5, 100, 'a', { aggregationTemporality: 2 }), sum(5, 100, 'b', { isMonotonic: false }), {
      name: 'g',
      gauge: { dataPoints: [{ asDouble: 1 }] },
    })
    const out = new CumulativeSums().apply(others)
    expect(Buffer.concat([...out.slices])).toEqual(Buffer.concat([...others.slices]))
  })

  test('keep no more series than they may: the one that moved longest ago starts anew', () => {
    const sums = new CumulativeSums(2)
    for (const key of ['a', 'b', 'a', 'c']) sums.apply(batch('1', sum(1, 100, key)))
    expect(sums.size).toBe(2)
    expect(read(sums.apply(batch('1', sum(1, 110, 'a'))))).toMatchObject([{ asDouble: 3 }])
    expect(read(sums.apply(batch('1', sum(1, 120, 'b'))))).toMatchObject([{ asDouble: 1, startTimeUnixNano: '120' }])
  })
})
