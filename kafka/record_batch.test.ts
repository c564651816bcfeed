import fc from 'fast-check'
import type { OutgoingRecord } from './client.js'
import { crc32c } from './crc32c.js'
import { Batches, type Decoded, type DecodeOptions, encodeBatch } from './record_batch.js'

const STATE = { producerId: '7', epoch: 0, sequence: 0, transactional: false }
const OPTIONS = { from: 0, aborted: [], maxDecompressedBytes: 1 << 20, verify: true }
const record = (value: string): OutgoingRecord => ({ topic: 't', partition: 0, key: null, value: Buffer.from(value), timestamp: 1000 })
const batch = (values: readonly string[], base: number, compression: 'none' | 'gzip' | 'snappy' | 'lz4' = 'none'): Buffer => {
  const bytes = encodeBatch(values.map(record), compression, 1000, STATE)
  bytes.writeBigInt64BE(BigInt(base), 0)
  return bytes
}
const decodeBatches = (bytes: Buffer, options: DecodeOptions): Decoded => new Batches(bytes, options).read(Number.POSITIVE_INFINITY)
const values = (bytes: Buffer, options = OPTIONS): (string | undefined)[] =>
  decodeBatches(bytes, options).records.map(({ value }) => value?.toString())

const bytes = fc.option(fc.uint8Array({ maxLength: 300 }))
const anyRecord = fc.record({
  topic: fc.constant('t'),
  partition: fc.constant(0),
  key: bytes,
  value: bytes,
  timestamp: fc.integer({ min: 0, max: 2 ** 42 }),
  headers: fc.array(fc.tuple(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constant('__proto__'), fc.constant('7')), bytes), {
    maxLength: 4,
  }),
})

describe('record batches', () => {
  test('CRC-32C gives the check value of its definition, at every length and offset', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    const text = Buffer.from('xx123456789yy')
    expect(crc32c(text, 2, 11)).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(0))).toBe(0)
  })

  test('what was written is read: keys, values, null ones, headers in order with repeated and odd names, times', () => {
    fc.assert(
      fc.property(
        fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
        fc.constantFrom('none' as const, 'gzip' as const, 'snappy' as const, 'lz4' as const),
        (records, compression) => {
          const read = decodeBatches(encodeBatch(records, compression, 0, STATE), OPTIONS)
          expect(read.next).toBe(records.length)
          const plain = (content: Uint8Array | null) => content && [...content]
          expect(
            read.records.map(({ key, value, timestamp, headers }) => [
              plain(key),
              plain(value),
              timestamp,
              headers.map(([name, content]) => [name, plain(content)]),
            ]),
          ).toEqual(
            records.map(({ key, value, timestamp, headers }) => [
              plain(key),
              plain(value),
              timestamp,
              headers.map(([name, content]) => [name, plain(content)]),
            ]),
          )
        },
      ),
    )
  })

  test('records before the wanted offset are left out, and a batch that is cut waits for the next fetch', () => {
    const whole = Buffer.concat([batch(['a', 'b', 'c'], 10), batch(['d'], 13)])
    expect(values(whole, { ...OPTIONS, from: 12 })).toEqual(['c', 'd'])
    const cut = decodeBatches(whole.subarray(0, whole.length - 1), { ...OPTIONS, from: 11 })
    expect([cut.records.length, cut.next, cut.damaged]).toEqual([2, 13, undefined])
  })

  test.each([
    ['a flipped byte', (damaged: Buffer) => (damaged[damaged.length - 2]! ^= 1), 'checksum'],
    ['an unknown codec', (damaged: Buffer) => damaged.writeUInt32BE(crcOf(setCodec(damaged, 6)), 17), 'unknown codec'],
  ])('%s makes its own batch unreadable: those before it are read, and its end is known', (_, damage, words) => {
    const damaged = batch(['x', 'y'], 1)
    damage(damaged)
    const read = decodeBatches(Buffer.concat([batch(['a'], 0), damaged]), OPTIONS)
    expect(read.records.map(({ value }) => value?.toString())).toEqual(['a'])
    expect([read.next, read.damaged?.end, read.damaged?.error.message]).toEqual([1, 3, expect.stringContaining(words)])
  })

  test.each([
    ['a length that is none', (damaged: Buffer) => damaged.writeInt32BE(-5, 8), 'length'],
    ['a last offset before its first', (damaged: Buffer) => damaged.writeInt32BE(-7, 23), 'checksum'],
  ])('%s does not make a batch vanish or be read for ever: it is told, and whoever skips it goes on by one', (_, damage, words) => {
    const damaged = batch(['x', 'y'], 1)
    damage(damaged)
    const read = decodeBatches(Buffer.concat([batch(['a'], 0), damaged]), OPTIONS)
    expect([read.next, read.damaged?.end, read.damaged?.error.message]).toEqual([1, 2, expect.stringContaining(words)])
  })

  test.each(['gzip', 'snappy', 'lz4'] as const)('a %s batch that would grow beyond the limit is refused before it does', compression => {
    const bomb = encodeBatch([{ topic: 't', partition: 0, key: null, value: Buffer.alloc(32 << 20) }], compression, 0, STATE)
    const before = process.memoryUsage().arrayBuffers
    const { damaged } = decodeBatches(bomb, OPTIONS)
    expect(damaged?.error.message).toMatch(/more than 1048576 bytes when decompressed/)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20)
  })

  test('they are decompressed only as far as asked: one over the limit at most, in order, and what was aborted stays left out', () => {
    const KIB = 1024
    const big = (base: number, transactional = false): Buffer => {
      const bytes = encodeBatch([{ ...record(''), value: Buffer.alloc(100 * KIB, base) }], 'lz4', 0, { ...STATE, transactional })
      bytes.writeBigInt64BE(BigInt(base), 0)
      return bytes
    }
    const abort = batch([''], 2)
    abort.writeInt16BE(0x30, 21)
    abort.writeUInt32BE(crcOf(abort), 17)
    const bytes = Buffer.concat([big(0), big(1, true), abort, big(3, true), big(4), big(5)])
    const batches = new Batches(bytes, { ...OPTIONS, aborted: [{ producerId: 7n, firstOffset: 1 }] })
    expect(batches.end).toBe(6)
    const read: number[][] = []
    while (!batches.done) read.push(batches.read(150 * KIB).records.map(({ offset }) => offset))
    expect(read).toEqual([
      [0, 3],
      [4, 5],
    ])
  })

  test('damaged bytes never do worse than an error, without checksum too', () => {
    const good = batch(['some', 'records', 'to', 'spoil'], 0)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }), changes => {
        const bad = Buffer.from(good)
        for (const [at, byte] of changes) bad[at] = byte
        expect(() => decodeBatches(bad, { ...OPTIONS, verify: false })).not.toThrow()
      }),
      { numRuns: 2000 },
    )
  })
})

const setCodec = (bytes: Buffer, codec: number): Buffer => {
  bytes.writeInt16BE(codec, 21)
  return bytes
}
const crcOf = (bytes: Buffer): number => crc32c(bytes, 21)
