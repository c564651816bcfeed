import fc from 'fast-check'
import { assign, readSubscription, type Subscription, writeSubscription } from './sticky.js'

const TOPICS = { t: Array.from({ length: 16 }, (_, partition) => partition) }
const fresh: Subscription = { topics: ['t'], generation: -1, owned: {} }
const holding = (
  assignment: Map<string, Record<string, number[]>>,
  generation: number,
  ids: readonly string[],
): Map<string, Subscription> => new Map(ids.map(id => [id, { topics: ['t'], generation, owned: assignment.get(id) ?? {} }]))
const moved = (before: Map<string, Record<string, number[]>>, now: Map<string, Record<string, number[]>>): number =>
  [...now].reduce((sum, [id, { t = [] }]) => sum + t.filter(partition => !before.get(id)?.t?.includes(partition)).length, 0)

describe('sticky assignment', () => {
  test('a member that comes or goes moves only what evenness asks for', () => {
    const one = assign(new Map([['a', fresh]]), TOPICS)
    expect(one.get('a')!.t!.length).toBe(16)
    const two = assign(holding(one, 1, ['a', 'b']), TOPICS)
    expect([two.get('a')!.t!.length, two.get('b')!.t!.length, moved(one, two)]).toEqual([8, 8, 8])
    const three = assign(holding(two, 2, ['a', 'b', 'c']), TOPICS)
    expect([moved(two, three), three.get('c')!.t!.length]).toEqual([5, 5])
    const left = assign(holding(three, 3, ['a', 'c']), TOPICS)
    expect(moved(three, left)).toBe(three.get('b')!.t!.length)
  })

  test('of two that claim a partition, the one of the later generation keeps it', () => {
    const claim = (generation: number): Subscription => ({ topics: ['t'], generation, owned: { t: [0] } })
    const both = new Map([
      ['a', claim(3)],
      ['b', claim(4)],
    ])
    expect(assign(both, { t: [0, 1] }).get('b')).toEqual({ t: [0] })
  })

  test('every partition has one owner, shares differ by one at most, and the order of members does not matter', () => {
    const subscription = fc.record({
      topics: fc.constant(['t']),
      generation: fc.integer({ min: -1, max: 5 }),
      owned: fc.record({ t: fc.uniqueArray(fc.nat(20)) }),
    })
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), subscription, { minKeys: 1, maxKeys: 6 }), fc.nat(20), (members, count) => {
        const topics = { t: Array.from({ length: count }, (_, partition) => partition) }
        const result = assign(new Map(Object.entries(members)), topics)
        expect(assign(new Map(Object.entries(members).reverse()), topics)).toEqual(result)
        const shares = [...result.values()].map(({ t = [] }) => t)
        expect(shares.flat().sort((a, b) => a - b)).toEqual(topics.t)
        expect(Math.max(...shares.map(({ length }) => length)) - Math.min(...shares.map(({ length }) => length))).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('a subscription is read as it was written, and one of another program owns nothing', () => {
    const mine: Subscription = { topics: ['t', 'u'], generation: 4, owned: { t: [1, 2] } }
    expect(readSubscription(writeSubscription(mine))).toEqual(mine)
    const foreign = writeSubscription(mine)
    foreign.fill(0xff, foreign.length - 10)
    expect(readSubscription(foreign)).toMatchObject({ generation: -1, owned: {} })
  })
})
