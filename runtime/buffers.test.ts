import fc from 'fast-check'
import { Buffers } from './buffers.js'

describe('buffers that are used again', () => {
  test('what is taken is large enough, at most a fifth larger than asked for beyond 4 KiB, and comes again once given back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4 << 20 }), size => {
        const buffers = new Buffers()
        const buffer = buffers.take(size)
        expect(buffer.length).toBeGreaterThanOrEqual(size)
        expect(buffer.length).toBeLessThanOrEqual(Math.max(4096, size * 1.25))
        buffers.give(buffer)
        expect(buffers.take(size)).toBe(buffer)
        expect(buffers.take(size)).not.toBe(buffer)
      }),
    )
  })

  test('a buffer larger than 4 MiB is not kept', () => {
    const buffers = new Buffers()
    const buffer = buffers.take((4 << 20) + 1)
    buffers.give(buffer)
    expect(buffers.take((4 << 20) + 1)).not.toBe(buffer)
  })

  test('no more is kept than 32 MiB', () => {
    const buffers = new Buffers()
    const taken = Array.from({ length: 12 }, () => buffers.take(4 << 20))
    for (const buffer of taken) buffers.give(buffer)
    const again = Array.from({ length: 12 }, () => buffers.take(4 << 20))
    expect(again.filter(buffer => taken.includes(buffer))).toHaveLength(8)
  })

  test('who still reads a buffer that was given back sees it at once, in tests', () => {
    const buffers = new Buffers()
    const buffer = buffers.take(10)
    const view = buffer.subarray(2, 4)
    view.fill(7)
    buffers.give(buffer)
    expect([...view]).toEqual([0xdd, 0xdd])
  })
})
