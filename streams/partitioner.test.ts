import { murmur2, partitionOf } from './partitioner.js'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('partitioner', () => {
  // The vectors of org.apache.kafka.common.utils.UtilsTest.testMurmur2.
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('murmur2 of %s is what Kafka computes', (text, expected) => {
    expect(murmur2(bytes(text))).toBe(expected)
  })

  test('a negative hash gives a partition in range', () => {
    expect(partitionOf(bytes('21'), 16)).toBe((-973932308 & 0x7fffffff) % 16)
  })
})
