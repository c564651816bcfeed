import fc from 'fast-check'
import { Batch } from './batch.js'
import { countItems, inspect } from './inspect.js'
import { GOLDEN } from './testing/golden.js'
import { WireError, Writer } from './wire.js'

const SIGNALS = ['traces', 'metrics', 'logs'] as const
const ITEMS = { traces: 1, metrics: 4, logs: 1 }
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
/** A request with one span of this body. */
const request = (item: Uint8Array): Uint8Array => new Writer().message(1, group => group.message(2, scope => scope.bytes(2, item))).finish()

describe('inspect', () => {
  it.each(SIGNALS)('counts the items of a %s request', signal => {
    expect(inspect(signal, GOLDEN[signal])).toBe(ITEMS[signal])
    expect(inspect(signal, new Uint8Array(0))).toBe(0)
  })

  it.each(SIGNALS)('counts the items of one %s group without looking into them', signal => {
    const [group] = Batch.of(signal, [GOLDEN[signal]], 1).groups
    expect(countItems(signal, group!.rest)).toBe(ITEMS[signal])
  })

  it.each(SIGNALS)('refuses a %s request cut anywhere but between its groups', signal => {
    for (let length = 1; length < GOLDEN[signal].length; length++)
      expect(() => inspect(signal, GOLDEN[signal].subarray(0, length))).toThrow(WireError)
  })

  it('passes or refuses any bytes, and always ends', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SIGNALS), fc.uint8Array({ maxLength: 200 }), (signal, bytes) => {
        try {
          expect(inspect(signal, bytes)).toBeGreaterThanOrEqual(0)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('passes or refuses a valid request with bytes changed, and always ends', () => {
    const change = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.constantFrom(...SIGNALS), change, (signal, changes) => {
        const bytes = GOLDEN[signal].slice()
        for (const [at, value] of changes) bytes[at % bytes.length] = value
        try {
          inspect(signal, bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['a trace id of 15 bytes', `0a0f${'11'.repeat(15)}`, 'trace id of 15 bytes in Span'],
    ['a span id of 16 bytes', `1210${'11'.repeat(16)}`, 'span id of 16 bytes in Span'],
    ['a parent span id of one byte', '220111', 'span id of 1 bytes in Span'],
    ['a name that is a number', '2801', 'field 5 of Span has wire type 0'],
    ['a start time that is a varint', '3801', 'field 7 of Span has wire type 0'],
    ['flags that are a varint', '800101', 'field 16 of Span has wire type 0'],
    ['a group', '0b0c', 'field 1 of Span has wire type 3'],
    ['an unassigned wire type', 'a606', 'field 100 of Span has wire type 6'],
    ['field number 0', '0001', 'field number 0 in Span'],
    ['field number 0, written long', '800001', 'field number 0 in Span'],
    ['a varint of 11 bytes', `50${'ff'.repeat(10)}01`, 'a varint is longer than 10 bytes'],
    ['a tag of 2^35', 'ffffffffff0f00', 'field number'],
    ['a length beyond 2^31', '4affffffff7f', 'ends outside its message'],
    ['a length beyond 2^63', '4affffffffffffffffff01', 'ends outside its message'],
    ['a fixed64 cut short', '39000000', 'ends outside its message'],
  ])('refuses %s', (_, item, message) => {
    expect(() => inspect('traces', request(hex(item)))).toThrow(message)
    expect(() => inspect('traces', request(hex(item)))).toThrow(WireError)
  })

  it.each([
    ['empty ids', '0a00 1200 2200'],
    ['a varint with needless zero bytes', '5080 8080 00'],
    ['an int64 below zero', '30ffffffffffffffffff01'],
    ['an unknown field of every wire type', '9006 01  9106 0000000000000000  9206 0161  9506 00000000'],
    ['attributes nobody reads here, however broken', '4a02ffff'],
  ])('accepts %s', (_, item) => {
    expect(inspect('traces', request(hex(item)))).toBe(1)
  })

  it('accepts histogram buckets packed and one by one, and refuses any other type', () => {
    const metrics = (point: string) =>
      new Writer()
        .message(1, group => group.message(2, scope => scope.message(2, metric => metric.message(9, data => data.bytes(1, hex(point))))))
        .finish()
    expect(inspect('metrics', metrics('32080100000000000000'))).toBe(1)
    expect(inspect('metrics', metrics('310100000000000000'))).toBe(1)
    expect(() => inspect('metrics', metrics('3001'))).toThrow('field 6 of HistogramDataPoint has wire type 0')
  })

  it('does not follow messages nested 10,000 deep', () => {
    let nested: Uint8Array = new Uint8Array(0)
    for (let depth = 0; depth < 10_000; depth++) nested = new Writer().bytes(5, nested).finish()
    expect(inspect('logs', request(nested))).toBe(1)
  })
})
