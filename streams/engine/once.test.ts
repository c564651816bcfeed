import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { Once } from './once.js'

const fingerprint = (id: number) => createHash('sha1').update(String(id)).digest().subarray(0, 16)

describe('once', () => {
  test('behaves like a list of sightings with their times', () => {
    const sightings = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 0, max: 400 })), { maxLength: 300 })
    fc.assert(
      fc.property(sightings, fc.integer({ min: 1, max: 2000 }), (list, horizon) => {
        const once = new Once(horizon)
        const last = new Map<number, number>()
        let now = 1_000_000
        for (const [id, later] of list) {
          now += later
          const time = last.get(id)
          const expected = time !== undefined && now - time <= horizon
          expect(once.seen(fingerprint(id), now)).toBe(expected)
          if (!expected) last.set(id, now)
        }
      }),
    )
  })

  test('memory follows the horizon, not the number ever seen', () => {
    const once = new Once(1000)
    let peak = 0
    let seen = 0
    for (let id = 0; id < 200_000; id++) {
      if (once.seen(fingerprint(id), 1_000_000 + id)) seen++
      peak = Math.max(peak, once.bytes)
    }
    expect(seen).toBe(0)
    expect(peak).toBeLessThan(100_000)
  })
})
