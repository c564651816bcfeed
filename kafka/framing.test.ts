import fc from 'fast-check'
import { Framing } from './framing.js'

const answer = (length: number, fill: number): Buffer => {
  const bytes = Buffer.alloc(4 + length, fill)
  bytes.writeInt32BE(length, 0)
  return bytes
}

describe('framing', () => {
  test('whatever pieces the bytes come in, the answers come out whole and in order', () => {
    const lengths = fc.array(fc.oneof(fc.nat(40), fc.nat(200_000)), { maxLength: 12 })
    fc.assert(
      fc.property(lengths, fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 20 }), (sizes, pieces) => {
        const answers = sizes.map((size, index) => answer(size, index))
        const wire = Buffer.concat(answers)
        const taken: Buffer[] = []
        const framing = new Framing(bytes => taken.push(bytes))
        for (let at = 0, turn = 0; at < wire.length; turn++) {
          const { room } = framing
          const read = Math.min(room.length, pieces[turn % pieces.length]!, wire.length - at)
          wire.copy(room, 0, at, at + read)
          framing.filled(read)
          at += read
        }
        expect(taken.length).toBe(answers.length)
        expect(Buffer.concat(taken).equals(wire)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  test('pieces read elsewhere come out whole too, and one that is whole is not copied', () => {
    const taken: Buffer[] = []
    const framing = new Framing(bytes => taken.push(bytes))
    const whole = answer(100_000, 1)
    framing.push(whole)
    expect(taken.pop()).toBe(whole)
    const wire = Buffer.concat([whole, answer(3, 2), whole, answer(0, 3)])
    for (let at = 0; at < wire.length; at += 70_001) framing.push(wire.subarray(at, at + 70_001))
    expect(Buffer.concat(taken).equals(wire)).toBe(true)
    expect(taken.length).toBe(4)
  })

  test.each([-1, 2 ** 31 - 1])('a length of %d is told, not allocated', length => {
    const framing = new Framing(() => {})
    framing.room.writeInt32BE(length)
    expect(() => framing.filled(4)).toThrow(/no Kafka broker/)
  })
})
