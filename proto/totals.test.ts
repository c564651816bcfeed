import { Batch } from './batch.js'
import { decode, encode, type Plain, requestType } from './testing/oracle.js'
import { type NotSummed, Totals } from './totals.js'

const T0 = 1_700_000_000
const over = (start: number, end: number) => ({ startTimeUnixNano: `${T0 + start}000000000`, timeUnixNano: `${T0 + end}000000000` })
const batch = (metrics: readonly Plain[], items = metrics.length): Batch => {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'a' } }] }
  const scopeMetrics = [{ scope: { name: 's' }, metrics: [...metrics], schemaUrl: 'u' }]
  return Batch.of('metrics', [encode(requestType('metrics'), { resourceMetrics: [{ resource, scopeMetrics, schemaUrl: 'v' }] })], items)
}
const sum = (aggregationTemporality: number, ...dataPoints: Plain[]): Plain => ({
  name: 'm',
  unit: '1',
  sum: { isMonotonic: true, aggregationTemporality, dataPoints },
})
const metricsOf = (of: Batch): Plain[] =>
  decode(requestType('metrics'), Buffer.concat(of.slices)).resourceMetrics[0].scopeMetrics[0].metrics

const setUp = () => {
  const refused: NotSummed[] = []
  const totals = new Totals({ series: 1000, silence: 3_600_000 }, reason => refused.push(reason))
  return {
    totals,
    refused,
    points: (of: Batch): Plain[] => metricsOf(totals.of(of)).flatMap(each => (each.sum ?? each.histogram).dataPoints),
  }
}

test('a batch without deltas is itself', () => {
  const { totals } = setUp()
  const cumulative = batch([sum(2, { ...over(0, 1), asDouble: 1 }), { name: 'g', gauge: { dataPoints: [{ ...over(0, 1), asDouble: 1 }] } }])
  expect(totals.of(cumulative)).toBe(cumulative)
})

test('a delta becomes the total from the first start on; everything else stays as it was', () => {
  const { totals } = setUp()
  const exemplars = [{ timeUnixNano: '5', asDouble: 2 }]
  const attributes = [{ key: 'k', value: { stringValue: 'v' } }]
  const other = { name: 'g', gauge: { dataPoints: [{ ...over(0, 1), asDouble: 1 }] } }
  totals.of(batch([sum(1, { ...over(0, 10), asInt: '5', attributes })]))
  const next = batch([other, sum(1, { ...over(10, 20), asInt: '7', attributes, exemplars })])
  const expected = batch([other, sum(2, { ...over(0, 20), asInt: '12', attributes, exemplars })])
  const result = totals.of(next)
  expect(decode(requestType('metrics'), Buffer.concat(result.slices))).toEqual(
    decode(requestType('metrics'), Buffer.concat(expected.slices)),
  )
  expect(result.items).toBe(2)
})

test('what is handed over again adds nothing; what was overtaken is refused', () => {
  const { points, refused } = setUp()
  const first = batch([sum(1, { ...over(0, 10), asDouble: 1.5 })])
  const second = batch([sum(1, { ...over(10, 20), asDouble: 2 })])
  expect([first, second, second].map(each => points(each)[0].asDouble)).toEqual([1.5, 3.5, 3.5])
  expect(metricsOf(setUp().totals.of(first))).toHaveLength(1)
  expect([points(first), refused]).toEqual([[], ['late_delta']])
})

test('series are told apart by attributes; sums that fall fall', () => {
  const { points } = setUp()
  const of = (key: string, value: number, end: number) => ({
    ...over(0, end),
    asDouble: value,
    attributes: [{ key, value: { stringValue: 'x' } }],
  })
  points(batch([sum(1, of('a', 5, 1), of('b', 1, 1))], 2))
  expect(points(batch([sum(1, of('a', -2, 2), of('b', 1, 2))], 2)).map(each => each.asDouble)).toEqual([3, 2])
})

test('histograms: bucket by bucket; other bounds begin anew; minimum and maximum of one interval are no total’s', () => {
  const { points } = setUp()
  const of = (end: number, bucketCounts: string[], explicitBounds: number[]) =>
    batch([
      {
        name: 'h',
        histogram: {
          aggregationTemporality: 1,
          dataPoints: [{ ...over(end - 1, end), count: '3', sum: 1.5, min: 0.1, max: 9, bucketCounts, explicitBounds }],
        },
      },
    ])
  points(of(1, ['1', '2'], [0.5]))
  expect(points(of(2, ['3', '0'], [0.5]))).toEqual([{ ...over(0, 2), count: '6', sum: 3, bucketCounts: ['4', '2'], explicitBounds: [0.5] }])
  expect(points(of(3, ['1', '2'], [0.7]))).toEqual([
    { ...over(2, 3), count: '3', sum: 1.5, bucketCounts: ['1', '2'], explicitBounds: [0.7] },
  ])
})

test('an exponential histogram of deltas is refused, alone', () => {
  const { totals, refused } = setUp()
  const exponential = { name: 'e', exponentialHistogram: { aggregationTemporality: 1, dataPoints: [{ ...over(0, 1), count: '1' }] } }
  const result = totals.of(batch([exponential, sum(1, { ...over(0, 1), asDouble: 1 })]))
  expect([refused, result.items, metricsOf(result)[1].sum.dataPoints]).toEqual([
    ['delta_exponential_histogram'],
    1,
    [{ ...over(0, 1), asDouble: 1 }],
  ])
})
