import { TestMeter } from '../testing/meter.js'
import { Registry } from './registry.js'

describe('registry', () => {
  it('gives the same instrument for the same name and labels, in whatever order the labels are written', () => {
    const meter = new TestMeter()
    meter.counter('c', 'help', { a: '1', b: '2' }).add(1)
    meter.counter('c', 'help', { b: '2', a: '1' }).add(2)
    meter.counter('c', 'help', { a: '1' }).add(4)
    expect(meter.sum('c', { b: '2' })).toBe(3)
    expect(meter.sum('c', { a: '1' })).toBe(7)
  })

  it('replaces the reader of a gauge that is asked for again', () => {
    const meter = new TestMeter()
    meter.gauge('g', 'help', {}, () => 1)
    meter.gauge('g', 'help', {}, () => 2)
    expect(meter.sum('g')).toBe(2)
  })

  it('keeps counters growing whatever is added to them', () => {
    const meter = new TestMeter()
    const counter = meter.counter('c', 'help')
    for (const amount of [2, -5, Number.NaN, 0.5]) counter.add(amount)
    expect(meter.sum('c')).toBe(2.5)
  })

  it('counts an observation at a bound into that bound, and ignores NaN', () => {
    const registry = new Registry()
    const histogram = registry.histogram('h', 'help', [1, 2])
    for (const value of [1, 1.5, 2, 3, Number.NaN]) histogram.record(value)
    expect(registry.collect()[0]!.series[0]!.value).toMatchObject({ counts: [1, 2, 1], sum: 7.5 })
  })

  it('refuses a name used for two types and names that no scraper could read', () => {
    const registry = new Registry()
    registry.counter('c', 'help')
    expect(() => registry.gauge('c', 'help', {}, () => 0)).toThrow('is a counter')
    expect(() => registry.counter('a-b', 'help')).toThrow('no metric name')
    expect(() => registry.counter('d', 'help', { 'a.b': '' })).toThrow('no label name')
  })

  it('holds at most 2,000 series of a name; what comes later is counted together', () => {
    const meter = new TestMeter()
    for (let i = 0; i < 2_500; i++) meter.counter('c', 'help', { i: String(i) }).add(1)
    meter.counter('c', 'help', { i: '0' }).add(1)
    expect(meter.collect()[0]!.series).toHaveLength(2_001)
    expect(meter.sum('c', { otel_metric_overflow: 'true' })).toBe(500)
    expect(meter.sum('c', { i: '0' })).toBe(2)
  })
})
