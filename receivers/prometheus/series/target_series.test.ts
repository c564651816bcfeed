/** What is remembered between scrapes, and what a bad one leaves behind. */
import fc from 'fast-check'
import type { Plain } from '../../../proto/testing/oracle.js'
import { relabelOptions } from '../relabel/options.js'
import { attributes, read, scrape, T, target, values } from '../testing/one_target.js'
import type { SeriesOptions } from './line.js'

test('a series that vanishes is declared gone, once, and may come back', async () => {
  const series = target()
  const two = 'a{x="1"} 1\na{x="2"} 2\n'
  await scrape(series, two)
  const second = await scrape(series, 'a{x="2"} 3\n', 1000)
  expect(second.metrics.a.points).toEqual([
    { time: 1000, asDouble: 3, attributes: { x: '2', rack: 'r7' } },
    { time: 1000, flags: 1, attributes: { x: '1', rack: 'r7' } },
  ])
  expect(values((await scrape(series, 'a{x="2"} 4\n', 2000)).metrics, 'a')).toEqual([4])
  expect(values((await scrape(series, two, 3000)).metrics, 'a')).toEqual([1, 2])
})

test('nothing of a broken scrape counts; every series is gone, then back with the start it had', async () => {
  const series = target()
  const good = '# TYPE c counter\nc{x="1"} 5\n# TYPE g gauge\ng 1\n'
  await scrape(series, good)
  const broken = await scrape(series, '# TYPE c counter\nc{x="1"} 9\nnew{y="1"} 2\nbroken line\n', 1000)
  expect(String(broken.error)).toContain('line 4')
  expect(values(broken.metrics, 'c')).toEqual(['gone'])
  expect(values(broken.metrics, 'g')).toEqual(['gone'])
  expect(values(broken.metrics, 'up')).toEqual([0])
  expect(broken.metrics.new).toBeUndefined()
  expect(series.size).toBe(2)
  const again = await scrape(series, '# TYPE c counter\nc{x="1"} 6\n', 2000)
  expect(again.metrics.c.points).toMatchObject([{ start: 0, time: 2000, asDouble: 6 }])
  expect(again.metrics.g).toBeUndefined()
  expect(values(again.metrics, 'up')).toEqual([1])
})

test('a target that goes declares everything gone, the series on its scrapes too', async () => {
  const series = target()
  expect(await series.vanish(T)).toBeUndefined()
  await scrape(series, 'a 1\n')
  const { metrics } = read(await (await series.vanish(T + 1000))!.write())
  expect(Object.keys(metrics).sort()).toEqual([
    'a',
    'scrape_duration_seconds',
    'scrape_samples_post_metric_relabeling',
    'scrape_samples_scraped',
    'scrape_series_added',
    'up',
  ])
  for (const name of Object.keys(metrics)) expect(values(metrics, name)).toEqual(['gone'])
})

test('order, inserted and moved lines make no difference', async () => {
  const series = target()
  await scrape(series, 'a 1\nb 2\nc 3\nd 4\n')
  const { metrics } = await scrape(series, 'd 5\nx 9\na 6\n\nc 7\nb 8\n', 1000)
  for (const [name, value] of Object.entries({ d: 5, x: 9, a: 6, c: 7, b: 8 })) expect(values(metrics, name)).toEqual([value])
  expect(values(metrics, 'scrape_series_added')).toEqual([1])
})

test('a family whose type changes starts anew as what it is now', async () => {
  const series = target()
  await scrape(series, '# TYPE a gauge\na{x="1"} 1\na{x="2"} 1\n')
  const { all } = await scrape(series, '# TYPE a counter\na{x="1"} 2\n', 1000)
  const metrics = all.resourceMetrics[0].scopeMetrics[0].metrics.filter((metric: Plain) => metric.name === 'a')
  expect(metrics).toHaveLength(2)
  // The series that is still there is not declared gone: backends know it by name and labels.
  expect(metrics.find((metric: Plain) => metric.sum).sum.dataPoints).toMatchObject([{ asDouble: 2 }])
  expect(metrics.find((metric: Plain) => metric.gauge).gauge.dataPoints).toMatchObject([
    { flags: 1, attributes: [{ key: 'rack' }, { key: 'x', value: { stringValue: '2' } }] },
  ])
  const third = await scrape(series, '# TYPE a counter\na{x="1"} 3\n', 2000)
  expect(third.metrics.a).toMatchObject({ kind: 'sum', points: [{ start: 1000, time: 2000, asDouble: 3 }] })
})

test('histogram lines that nobody declared are gauges, until somebody does', async () => {
  const series = target()
  const lines = 'h_bucket{le="1"} 1\nh_count 2\nh_sum 3\n'
  const first = await scrape(series, lines)
  expect(first.metrics.h_bucket).toMatchObject({ kind: 'gauge', points: [{ asDouble: 1, attributes: { le: '1', rack: 'r7' } }] })
  const second = await scrape(series, `# TYPE h histogram\n${lines}`, 1000)
  expect(second.metrics.h).toMatchObject({ kind: 'histogram', points: [{ count: '2', bucketCounts: ['1', '1'] }] })
  expect(values(second.metrics, 'h_bucket')).toEqual(['gone'])
})

test.each<[string, string, string, Partial<SeriesOptions>]>([
  ['a repeated series', 'a 1\na 2\n', 'duplicate_series', {}],
  ['a series repeated with its labels in another order', 'a{x="1",y="2"} 1\na{y="2",x="1"} 2\n', 'duplicate_series', {}],
  [
    'series that relabelling makes equal',
    'a{x="1"} 1\na{x="2"} 2\n',
    'duplicate_series',
    { metric_relabel_configs: [relabelOptions.parse({ regex: 'x', action: 'labeldrop' })] },
  ],
  ['a repeated bucket', '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1.0"} 1\n', 'duplicate_series', {}],
  ['too many samples', 'a 1\nb 2\nc 3\n', 'sample_limit', { sample_limit: 2 }],
  ['too many families', '# TYPE a gauge\n# TYPE b gauge\n# TYPE c gauge\n', 'sample_limit', { sample_limit: 2 }],
  ['too many labels', 'a{b="1",c="2"} 1\n', 'label_limit', { label_limit: 3 }],
  ['a label name too long', 'a{bbbbbbbbb="1"} 1\n', 'label_limit', { label_name_length_limit: 8 }],
  ['a label value too long', 'a{b="éééé"} 1\n', 'label_limit', { label_value_length_limit: 7 }],
  ['a bucket without bound', '# TYPE h histogram\nh_bucket 1\n', 'malformed', {}],
  [
    'a series left without a name',
    'a 1\n',
    'malformed',
    { metric_relabel_configs: [relabelOptions.parse({ target_label: '__name__', replacement: '' })] },
  ],
])('%s fails the scrape', async (_, body, reason, changes) => {
  const series = target(changes)
  const { error, metrics } = await scrape(series, body)
  expect(error).toMatchObject({ reason })
  expect(values(metrics, 'up')).toEqual([0])
  expect(Object.keys(metrics)).toHaveLength(5)
  expect(series.size).toBe(0)
})

test('a body that stops in the middle is no exposition', async () => {
  expect((await scrape(target(), 'a 1\nb 2')).error).toMatchObject({ reason: 'truncated' })
  expect((await scrape(target(), 'a 1\n', 0, 'openmetrics')).error).toMatchObject({ reason: 'truncated' })
})

test('series that come and go leave nothing behind', async () => {
  const series = target()
  for (let round = 0; round < 20; round++) {
    const body = Array.from({ length: 20 }, (_, i) => `m${round}_${i}{pod="p${round}"} ${i}`).join('\n')
    await scrape(series, `${body}\n`, round * 1000)
    // A broken one with as many new series.
    await scrape(series, `${body.replaceAll('m', 'n')}\nbroken\n`, round * 1000 + 500)
  }
  expect(series.size).toBe(20)
})

test('whatever came before, a scrape says what its own text says, and declares gone exactly what the last good one had and it has not', async () => {
  const series = fc.record({ name: fc.constantFrom('a', 'a_b', 'b'), x: fc.constantFrom('', '1', '2', '10'), value: fc.integer() })
  const step = fc.record({
    lines: fc.uniqueArray(series, { selector: ({ name, x }) => `${name} ${x}`, maxLength: 9 }),
    typed: fc.boolean(),
    broken: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async steps => {
      const scraped = target()
      let live = new Set<string>()
      for (const [index, { lines, typed, broken }] of steps.entries()) {
        const body = [
          // An unknown type and a gauge are both gauges, of another type.
          ...(typed ? ['# TYPE a gauge'] : []),
          ...lines.map(({ name, x, value }) => `${name}${x && `{x="${x}"}`} ${value}`),
          ...(broken ? ['broken'] : []),
          '',
        ].join('\n')
        const { all } = await scrape(scraped, body, index * 1000)
        const said = new Map<string, number>()
        const gone = new Set<string>()
        for (const metric of all.resourceMetrics[0].scopeMetrics[0].metrics)
          for (const point of metric.gauge.dataPoints) {
            if (!['a', 'a_b', 'b'].includes(metric.name)) continue
            const key = `${metric.name} ${attributes(point.attributes).x ?? ''}`
            if (point.flags === 1) gone.add(key)
            else said.set(key, point.asDouble ?? 0)
          }
        const expected = new Map(broken ? [] : lines.map(({ name, x, value }) => [`${name} ${x}`, value]))
        expect(said).toEqual(expected)
        expect(gone).toEqual(new Set(Array.from(live).filter(key => !expected.has(key))))
        live = new Set(expected.keys())
      }
    }),
  )
})
