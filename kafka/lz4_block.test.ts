import fc from 'fast-check'
import { compressBlock, decompressBlock } from './lz4_block.js'

const LIMIT = 1 << 20

describe('LZ4 blocks', () => {
  test('what was compressed comes out again; its length stands before it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), bytes => {
        const plain = Buffer.concat([bytes, bytes])
        const packed = compressBlock(plain)
        expect(packed.readUInt32LE(0)).toBe(plain.length)
        expect(decompressBlock(packed, LIMIT).equals(plain)).toBe(true)
      }),
    )
  })

  test('a length beyond the limit is refused before anything is allocated; damaged bytes are an error, or as many bytes as they say', () => {
    const packed = compressBlock(Buffer.from('some text, some text, some text, and some more of it'))
    const lying = Buffer.from(packed)
    lying.writeUInt32LE(0xffff_ffff)
    expect(() => decompressBlock(lying, LIMIT)).toThrow(/where at most 1048576 may be/)
    expect(() => decompressBlock(Buffer.alloc(3), LIMIT)).toThrow(RangeError)
    const damage = fc.array(fc.tuple(fc.nat(packed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(damage, changes => {
        const bad = Buffer.from(packed)
        for (const [at, byte] of changes) bad[at] = byte
        let plain: Buffer
        try {
          plain = decompressBlock(bad, LIMIT)
        } catch {
          return
        }
        expect(plain.length).toBe(bad.readUInt32LE(0))
      }),
      { numRuns: 2000 },
    )
  })
})
