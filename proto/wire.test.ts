import fc from 'fast-check'
import protobuf from 'protobufjs'
import { BYTES, FIXED32, FIXED64, Fields, sizeOfHeader, sizeOfVarint, VARINT, WireError, Writer } from './wire.js'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
const first = (bytes: Uint8Array) => {
  const fields = new Fields(bytes)
  fields.next()
  return fields
}
const anyNumber = fc.integer({ min: 1, max: 2 ** 29 - 1 })

/** One field of every kind, with what was written. */
const anyField = fc.oneof(
  fc.record({ kind: fc.constant('uint' as const), number: anyNumber, value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant('int64' as const), number: anyNumber, value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
  fc.record({ kind: fc.constant('fixed64' as const), number: anyNumber, value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }),
  fc.record({ kind: fc.constant('fixed32' as const), number: anyNumber, value: fc.nat(0xffffffff) }),
  fc.record({ kind: fc.constant('double' as const), number: anyNumber, value: fc.double() }),
  fc.record({ kind: fc.constant('bytes' as const), number: anyNumber, value: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ kind: fc.constant('string' as const), number: anyNumber, value: fc.string({ unit: 'grapheme', maxLength: 300 }) }),
)

const write = (writer: Writer, { kind, number, value }: { kind: string; number: number; value: unknown }): void => {
  if (kind === 'uint') writer.uint(number, value as number)
  else if (kind === 'int64') writer.int64(number, value as bigint)
  else if (kind === 'fixed64') writer.fixed64(number, value as bigint)
  else if (kind === 'fixed32') writer.fixed32(number, value as number)
  else if (kind === 'double') writer.double(number, value as number)
  else if (kind === 'bytes') writer.bytes(number, value as Uint8Array)
  else writer.string(number, value as string)
}
const read = (fields: Fields, kind: string): unknown => {
  if (kind === 'uint') return fields.uint()
  if (kind === 'int64') return fields.int64()
  if (kind === 'fixed64') return fields.fixed64()
  if (kind === 'fixed32') return fields.fixed32()
  if (kind === 'double') return fields.double()
  return kind === 'bytes' ? Uint8Array.from(fields.view()) : fields.string()
}

describe('what Writer writes', () => {
  it('Fields reads back, and protobufjs reads alike', () => {
    fc.assert(
      fc.property(fc.array(anyField, { maxLength: 10 }), written => {
        const writer = new Writer(1)
        for (const field of written) write(writer, field)
        const bytes = writer.finish()
        const fields = new Fields(bytes)
        const oracle = protobuf.Reader.create(Buffer.from(bytes))
        for (const { kind, number, value } of written) {
          expect(fields.next()).toBe(true)
          expect([fields.number, read(fields, kind)]).toEqual([number, value])
          const tag = oracle.uint32()
          expect([tag >>> 3, tag & 7]).toEqual([number, fields.type])
          if (kind === 'uint' || kind === 'int64') expect(BigInt(oracle.int64().toString())).toBe(BigInt(value as bigint))
          else oracle.skipType(fields.type)
          expect(oracle.pos).toBe(fields.end)
        }
        expect(fields.next()).toBe(false)
        expect(oracle.pos).toBe(bytes.length)
      }),
    )
  })

  it('nested messages have the length of their bodies, however far the guess was off', () => {
    fc.assert(
      fc.property(fc.nat(40_000), fc.nat(40_000), (length, likely) => {
        const bytes = new Writer(1).uint(1, 1).begin(2, likely).begin(3).raw(new Uint8Array(length).fill(1)).end().end().uint(4, 2).finish()
        const inner = sizeOfHeader(3, length) + length
        expect(bytes).toHaveLength(4 + sizeOfHeader(2, inner) + inner)
        const outer = new Fields(bytes)
        const body = new Fields()
        expect([outer.next(), outer.next(), outer.number, body.enter(outer).next(), body.number]).toEqual([true, true, 2, true, 3])
        expect(body.end - body.start).toBe(length)
        expect([outer.next(), outer.uint()]).toEqual([true, 2])
      }),
    )
  })

  it('is handed out once: the writer goes on with other memory', () => {
    const writer = new Writer()
    const one = writer.string(1, 'one').finish()
    const two = writer.string(1, 'two').finish()
    expect([first(one).string(), first(two).string()]).toEqual(['one', 'two'])
    expect(writer.finish()).toHaveLength(0)
  })

  it('ends no message that was not begun', () => {
    expect(() => new Writer().end()).toThrow(RangeError)
  })
})

describe('Fields', () => {
  it('walks any bytes to their end or to a clear error, and what it walked is the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
        const fields = new Fields(bytes)
        let at = 0
        try {
          while (fields.next()) {
            expect(fields.tagStart).toBe(at)
            expect(fields.start).toBeGreaterThan(at)
            expect(fields.end).toBeLessThanOrEqual(bytes.length)
            at = fields.end
            for (const kind of ['uint', 'int64', 'fixed64', 'fixed32', 'double', 'bytes', 'string'])
              try {
                read(fields, kind)
              } catch (error) {
                expect(error).toBeInstanceOf(WireError)
              }
          }
          expect(at).toBe(bytes.length)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('never reads beyond the message, though the buffer goes on', () => {
    const bytes = hex('08ff01 12036162 63')
    expect(() => new Fields(bytes, 0, 2).next()).toThrow('a varint ends outside its message')
    expect(() => new Fields(bytes, 3, 6).next()).toThrow('field 2 ends outside its message')
    expect(new Fields(bytes, 0, 0).next()).toBe(false)
  })

  it.each([
    ['a needlessly long varint', '08 8180808000', 1, 1],
    ['2^53 - 1', '08 ffffffffffffff0f', 2 ** 53 - 1, 2 ** 53 - 1],
    ['-1', '08 ffffffffffffffffff01', 2 ** 64, -1],
    ['-2^63', '08 80808080808080808001', 2 ** 63, -(2 ** 63)],
    ['bits beyond the 64th, which are cut off', '08 818080808080808080 7e', 1, 1],
  ])('reads %s', (_, text, unsigned, signed) => {
    expect(first(hex(text)).uint()).toBe(unsigned)
    expect(first(hex(text)).int()).toBe(signed)
    expect(first(hex(text)).int64()).toBe(BigInt(signed))
  })

  it.each([
    ['00', 0],
    ['01', -1],
    ['02', 1],
    ['ffffffff0f', -(2 ** 31)],
    ['feffffff0f', 2 ** 31 - 1],
  ])('reads the zigzag varint %s', (text, value) => {
    expect(first(hex(`08${text}`)).zigzag()).toBe(value)
  })

  it.each([
    ['times as fractional milliseconds', '09 40420f0000000000', (fields: Fields) => fields.millis(), 1],
    ['sfixed64 below zero', '09 feffffffffffffff', (fields: Fields) => fields.sfixed64(), -2],
    ['text that is no UTF-8', '0a 03 61ff62', (fields: Fields) => fields.string(), 'a\ufffdb'],
  ])('reads %s', (_, text, value, expected) => {
    expect(value(first(hex(text)))).toBe(expected)
  })

  it.each([
    ['a varint of 11 bytes', `08 ${'80'.repeat(10)}00`, 'a varint is longer than 10 bytes'],
    ['a varint without an end', '08 80', 'a varint ends outside its message'],
    ['a tag without a value', '0a', 'a varint ends outside its message'],
    ['a length of 2^31', '0a 8080808008', 'field 1 ends outside its message'],
    ['a length of 2^64', '0a 80808080808080808002', 'field 1 ends outside its message'],
    ['a fixed32 cut short', '0d 000000', 'field 1 ends outside its message'],
    ['field number 0', '00 00', 'field number 0'],
    ['a field number of 2^29', '80808080 10 00', 'field number 536870912'],
    ['the start of a group', '0b', 'wire type 3'],
    ['the end of a group', '0c', 'wire type 4'],
    ['wire type 6', '0e', 'wire type 6'],
    ['wire type 7', '0f', 'wire type 7'],
  ])('refuses %s', (_, text, message) => {
    expect(() => first(hex(text))).toThrow(`malformed protobuf at byte`)
    expect(() => first(hex(text))).toThrow(message)
    expect(() => first(hex(text))).toThrow(WireError)
  })

  it('refuses to read a value as another type, and to enter what is no message', () => {
    const number = first(hex('0801'))
    expect(() => number.view()).toThrow('field 1 has wire type 0, expected 2')
    expect(() => new Fields().enter(number)).toThrow(WireError)
    expect(() => first(hex('0a00')).uint()).toThrow('field 1 has wire type 2, expected 0')
  })

  it('knows wire types by name', () => {
    expect([VARINT, FIXED64, BYTES, FIXED32]).toEqual([0, 1, 2, 5])
    expect([0, 127, 128, 2 ** 32, 2 ** 53 - 1].map(sizeOfVarint)).toEqual([1, 1, 2, 5, 8])
  })
})

test('times and counts written from numbers are the ones written from bigints', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 999_999 }), fc.maxSafeNat(), (whole, nanos, count) => {
      const milliseconds = whole + nanos / 1e6
      const exact = BigInt(whole) * 1_000_000n + BigInt(Math.round((milliseconds - whole) * 1e6))
      const expected = new Writer().fixed64(3, exact).fixed64(4, BigInt(count)).finish()
      expect(new Writer().millis(3, milliseconds).count(4, count).finish()).toEqual(expected)
    }),
  )
})
