import { fnv1a, murmur2, partitionOf } from './partitioner.js'

describe('partitioner', () => {
  // From Kafka's own UtilsTest.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %s is Java’s', (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash)
  })

  // From the FNV reference vectors.
  test.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('FNV-1a of %p', (key, hash) => {
    expect(fnv1a(Buffer.from(key)) >>> 0).toBe(hash)
  })

  it('a negative hash loses its sign after the remainder in Sarama, before it in Java', () => {
    expect(partitionOf('sarama_compat', Buffer.from('a'), 12)).toBe(Math.abs((0xe40c292c | 0) % 12))
    expect(partitionOf('murmur2', Buffer.from('21'), 12)).toBe((-973932308 & 0x7fffffff) % 12)
  })
})
