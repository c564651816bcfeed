import fc from 'fast-check'
import { Batch } from '../../proto/batch.js'
import { decode, requestType } from '../../proto/testing/oracle.js'
import type { Entry } from '../../streams/index.js'
import { KIND } from './kinds.js'
import { Splitter } from './split.js'
import { batch, counter, gauge, logRecord, span } from './testing/telemetry.js'

const T0 = 1_700_000_000_000
const WINDOW = 10_000
const workload = (id: string) => ({ 'ai_factory.workload.id': id })
const bytes = ({ value }: Entry) => Buffer.concat([...value])
const splitter = new Splitter()
const split = (one: Batch) => splitter.split(one, WINDOW)
const spansIn = (entry: Entry): { resource: string; ids: string[] }[] =>
  (decode(requestType('traces'), bytes(entry)).resourceSpans ?? []).map(
    (group: { resource: { attributes: { value: { stringValue: string } }[] }; scopeSpans: { spans: { spanId: Buffer }[] }[] }) => ({
      resource: group.resource.attributes[0]?.value.stringValue ?? '',
      ids: group.scopeSpans.flatMap(({ spans }) => spans.map(({ spanId }) => spanId.toString('hex'))),
    }),
  )

describe('a batch on its way to the stream', () => {
  test('rules 1, 2: is split by workload; groups of one workload lie together, with their times, items and kind', () => {
    const entries = split(
      batch(
        'traces',
        { resource: workload('a'), items: [span({ start: T0, end: T0 + 100 })] },
        { resource: workload('b'), items: [span({ start: T0, end: T0 + 50 })] },
        { resource: workload('a'), items: [span({ start: T0, end: T0 + 300 }), span({ start: T0, end: T0 + 200 })] },
      ),
    )
    expect(entries.map(({ key, kind, items, firstTime, lastTime }) => ({ key, kind, items, firstTime, lastTime }))).toEqual([
      { key: 'a', kind: KIND.traces, items: 3, firstTime: T0 + 100, lastTime: T0 + 300 },
      { key: 'b', kind: KIND.traces, items: 1, firstTime: T0 + 50, lastTime: T0 + 50 },
    ])
  })

  test('a batch of one workload is appended as the very bytes that came', () => {
    const one = batch('metrics', { resource: workload('a'), items: [gauge('x', T0, 1), counter('y', T0 + 1, 2)] })
    const [entry] = split(one)
    expect(bytes(entry!)).toEqual(Buffer.concat([...one.slices]))
    expect(entry).toMatchObject({ kind: KIND.metrics, items: 2, firstTime: T0, lastTime: T0 + 1 })
  })

  test('rule 2: an item larger than an entry stands alone, its neighbours lie together without it', () => {
    const small = () => span({ start: T0, end: T0 + 1 })
    const large = span({ start: T0, end: T0 + 1, attributes: { text: 'x'.repeat(5 << 20) } })
    const entries = split(batch('traces', { resource: workload('a'), items: [small(), small(), large, small(), large, small()] }))
    expect(entries.map(({ items, value }) => [items, Buffer.concat([...value]).length > 5 << 20])).toEqual([
      [4, false],
      [1, true],
      [1, true],
    ])
  })

  test('rule 2: no entry spans more than a window of event times, and no item is lost or doubled', () => {
    const times = fc.array(fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.constant(-1)), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(times, fc.nat(2), (ends, workloads) => {
        const items = ends.map(end => span({ start: end < 0 ? 0 : T0 + end - 5, end: end < 0 ? 0 : T0 + end }))
        const entries = split(
          batch(
            'traces',
            ...items.map((item, i) => ({
              resource: workload(`w${i % (workloads + 1)}`),
              items: i % 4 === 0 ? [item, ...items.slice(0, 0)] : [item],
            })),
          ),
        )
        for (const { firstTime, lastTime } of entries) expect(lastTime - firstTime).toBeLessThanOrEqual(WINDOW)
        const found = entries.flatMap(entry =>
          spansIn(entry).flatMap(({ resource, ids }) => {
            expect(resource).toBe(entry.key)
            return ids
          }),
        )
        expect(found.sort()).toEqual(items.map(({ spanId }) => spanId.toString('hex')).sort())
        expect(entries.reduce((sum, entry) => sum + entry.items, 0)).toBe(items.length)
      }),
      { numRuns: 60 },
    )
  })

  test('rule 2: one group whose items are far apart in time is cut, metrics and logs too', () => {
    const points = split(batch('metrics', { resource: workload('a'), items: [gauge('x', T0, 1), gauge('x', T0 + 30_000, 2)] }))
    expect(points.map(({ items, firstTime }) => [items, firstTime])).toEqual([
      [1, T0],
      [1, T0 + 30_000],
    ])
    const logs = split(batch('logs', { resource: workload('a'), items: [logRecord(T0), logRecord(T0 + 30_000)] }))
    expect(logs).toHaveLength(2)
  })

  test('rule 2: a request of many megabytes is cut into entries that the stream takes, however few its groups', () => {
    const long = 'x'.repeat(20_000)
    const items = Array.from({ length: 1000 }, (_, i) => span({ start: T0, end: T0 + (i % 3), attributes: { long } }))
    const entries = split(batch('traces', { resource: workload('a'), items }, { resource: workload('a'), items: items.slice(0, 1) }))
    expect(entries.length).toBeGreaterThan(4)
    for (const entry of entries) expect(bytes(entry).length).toBeLessThan(5 * 2 ** 20)
    expect(entries.reduce((sum, { items: count }) => sum + count, 0)).toBe(1001)
    const ids = entries.flatMap(entry => spansIn(entry).flatMap(group => group.ids))
    expect(new Set(ids).size).toBe(1000)
  })

  test('rule 11: copies share a fingerprint; other bytes, another workload or another kind do not', () => {
    const one = batch('traces', { resource: workload('a'), items: [span({ start: T0, end: T0 + 1 })] })
    const other = batch('traces', { resource: workload('a'), items: [span({ start: T0, end: T0 + 1 })] })
    const print = (from: Batch) => Buffer.from(split(from)[0]?.fingerprint ?? []).toString('hex')
    expect(print(one)).toHaveLength(32)
    expect(print(one)).toBe(print(Batch.of('traces', one.slices, 1)))
    expect(print(one)).not.toBe(print(other))
    const shared = batch('metrics', { resource: { ...workload('a'), 'ai_factory.gpu.owners': ['b'] }, items: [gauge('x', T0, 1)] })
    const prints = split(shared).map(({ fingerprint }) => Buffer.from(fingerprint!).toString('hex'))
    expect(new Set(prints).size).toBe(2)
  })

  test('rule 11: an entry that holds an item with neither id nor time carries no fingerprint', () => {
    const print = (from: Batch) => split(from)[0]?.fingerprint
    const noId = { ...span({ start: 0, end: 0 }), spanId: Buffer.alloc(0) }
    expect(print(batch('traces', { resource: workload('a'), items: [noId, span({ start: T0, end: T0 })] }))).toBeUndefined()
    expect(print(batch('logs', { resource: workload('a'), items: [logRecord(0)] }))).toBeUndefined()
    expect(print(batch('metrics', { resource: workload('a'), items: [gauge('x', 0, 1)] }))).toBeUndefined()
    expect(print(batch('traces', { resource: workload('a'), items: [span({ start: 0, end: 0 })] }))).toBeDefined()
  })

  test('rules 11, 14: without a workload the fingerprint is the key; a call without a target is told apart', () => {
    const [stray] = split(batch('traces', { resource: { 'service.name': 'x' }, items: [span({ start: T0, end: T0 + 1 })] }))
    expect(stray).toMatchObject({ kind: KIND.of('traces', false), key: Buffer.from(stray!.fingerprint!).toString('hex') })
    const [call] = split(batch('traces', { resource: { 'ai_factory.caller.id': 'web' }, items: [span({ start: T0, end: T0 + 1 })] }))
    expect(call?.kind).toBe(KIND.noTarget)
  })

  test('a sample of a device with several owners goes on once and feeds the figures of each', () => {
    const resource = { ...workload('a'), 'ai_factory.gpu.owners': ['b', 'c'] }
    expect(split(batch('metrics', { resource, items: [gauge('x', T0, 1)] })).map(({ key, kind }) => [key, kind])).toEqual([
      ['a', KIND.metrics],
      ['b', KIND.joinOnly],
      ['c', KIND.joinOnly],
    ])
  })

  test('rule 6: a span that ends before it starts has no time of its own', () => {
    expect(split(batch('traces', { resource: workload('a'), items: [span({ start: T0 + 5, end: T0 })] }))[0]).toMatchObject({
      firstTime: 0,
      lastTime: 0,
    })
  })

  test('unknown fields of the request are appended once', () => {
    const one = batch(
      'traces',
      { resource: workload('a'), items: [span({ start: T0, end: T0 })] },
      { resource: workload('b'), items: [span({ start: T0, end: T0 })] },
    )
    const unknown = Uint8Array.of(0xfa, 0x01, 0x02, 0x68, 0x69)
    const entries = split(Batch.of('traces', [...one.slices, unknown], 2))
    expect(entries.map(entry => bytes(entry).includes(Buffer.from(unknown)))).toEqual([true, false])
  })
})
