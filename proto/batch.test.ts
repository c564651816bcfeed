import fc from 'fast-check'
import { Batch, Group } from './batch.js'
import { OTLP_SIGNALS } from './services.js'
import { GOLDEN } from './testing/golden.js'
import { anyRequest } from './testing/oracle.js'
import { WireError, Writer } from './wire.js'

const bytesOf = (batch: Batch) => Uint8Array.from(Buffer.concat(batch.slices as Uint8Array[]))
const text = (value: string) => Uint8Array.from(Buffer.from(value))
/** A group of this resource and one scope. */
const group = (resource: string, scope: string) => new Writer().message(1, body => body.bytes(1, text(resource)).bytes(2, text(scope)))

test('a batch is exactly the bytes it was made of, taken apart or not', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...OTLP_SIGNALS).chain(signal => fc.tuple(fc.constant(signal), anyRequest(signal))),
      ([signal, bytes]) => {
        const batch = Batch.of(signal, [bytes], 0)
        const again = batch.withGroups(batch.groups)
        expect(bytesOf(again)).toEqual(bytes)
        expect([batch.bytes, again.bytes]).toEqual([bytes.length, bytes.length])
        const rebuilt = Batch.ofGroups(
          signal,
          batch.groups.map(({ resource, rest }) => Group.of(resource, rest)),
          0,
        )
        expect(rebuilt.bytes).toBe(bytesOf(rebuilt).length)
        expect(rebuilt.groups.map(({ rest }) => rest)).toEqual(Batch.of(signal, [bytesOf(rebuilt)], 0).groups.map(({ rest }) => rest))
      },
    ),
    { numRuns: 200 },
  )
})

test('a changed resource shares the rest, and only the head is new', () => {
  const batch = Batch.of('traces', [GOLDEN.traces], 1)
  const [before] = batch.groups
  const after = batch.withGroups([before!.withResource(text('changed'))])
  expect(after.slices).toHaveLength(2)
  expect(after.slices[1]).toBe(before!.rest)
  expect(after.bytes).toBe(bytesOf(after).length)
  expect(Batch.of('traces', [bytesOf(after)], 1).groups[0]).toMatchObject({ resource: text('changed'), rest: before!.rest })
})

test('fields of the request that are no groups survive a change of its groups, in every order and over several slices', () => {
  const slices = [
    new Writer().string(100, 'before').raw(group('a', 'x').finish()).finish(),
    new Writer().raw(group('b', 'y').finish()).uint(101, 7).finish(),
  ]
  const batch = Batch.of('logs', slices, 2)
  expect(batch.groups).toHaveLength(2)
  const after = batch.withGroups([batch.groups[1]!.withResource(text('c'))], 1)
  const unknown = new Writer().string(100, 'before').uint(101, 7).finish()
  expect(bytesOf(after)).toEqual(new Writer().raw(group('c', 'y').finish()).raw(unknown).finish())
  expect(after.bytes).toBe(bytesOf(after).length)
  expect(bytesOf(batch)).toEqual(Uint8Array.from(Buffer.concat(slices)))
})

test.each([
  [
    'appears twice is merged',
    new Writer().bytes(1, text('a')).bytes(2, text('x')).bytes(1, text('b')),
    'ab',
    new Writer().bytes(2, text('x')),
  ],
  ['comes last is found', new Writer().bytes(2, text('x')).bytes(1, text('b')), 'b', new Writer().bytes(2, text('x'))],
  ['is absent is empty', new Writer().bytes(2, text('x')), '', new Writer().bytes(2, text('x'))],
])('a resource that %s, and the group goes on as it came', (_, body, resource, rest) => {
  const bytes = new Writer().bytes(1, body.finish()).finish()
  const batch = Batch.of('traces', [bytes], 1)
  expect(batch.groups[0]).toMatchObject({ resource: text(resource), rest: rest.finish() })
  expect(bytesOf(batch.withGroups(batch.groups))).toEqual(bytes)
})

test('malformed bytes are an error, not a group less', () => {
  expect(() => Batch.of('traces', [Uint8Array.of(0x08, 0x01)], 1).groups).toThrow(WireError)
  expect(() => Batch.of('traces', [Uint8Array.of(0x0a, 0x05)], 1).groups).toThrow(WireError)
  expect(() => Batch.of('traces', [Uint8Array.of(0x0a, 0x02, 0x08, 0x01)], 1).groups).toThrow('field 1 has wire type 0, expected 2')
})

test('batches laid end to end keep bytes, items and the metadata of the first', () => {
  const one = Batch.of('traces', [GOLDEN.traces], 1, { transport: 'grpc' })
  const edited = one.withGroups([one.groups[0]!.withResource(text('r'))])
  const all = Batch.concat([one, edited, Batch.of('traces', [], 0)])
  expect(bytesOf(all)).toEqual(Uint8Array.from(Buffer.concat([bytesOf(one), bytesOf(edited)])))
  expect(all).toMatchObject({ items: 2, metadata: { transport: 'grpc' }, bytes: one.bytes + edited.bytes })
  expect(all.groups).toHaveLength(2)
  expect(all.groups[1]).toBe(edited.groups[0])
  expect(Batch.concat([one])).toBe(one)
  expect(() => Batch.concat([])).toThrow(RangeError)
})

test('metadata is added to, and the bytes stay', () => {
  const batch = Batch.of('traces', [GOLDEN.traces], 1, { transport: 'http' }).withMetadata({ epoch: '1' })
  expect(batch).toMatchObject({ items: 1, metadata: { transport: 'http', epoch: '1' }, bytes: GOLDEN.traces.length })
})

test('whole slices can each be read alone, also after an edit and when laid together', () => {
  const one = Batch.of('traces', [GOLDEN.traces], 1)
  const edited = one.withGroups([one.groups[0]!.withResource(text('r'))])
  const all = Batch.concat([one, edited])
  expect(one.wholeSlices).toEqual([GOLDEN.traces])
  expect(all.wholeSlices).toHaveLength(2)
  expect(Uint8Array.from(Buffer.concat(all.wholeSlices as Uint8Array[]))).toEqual(bytesOf(all))
  for (const slice of all.wholeSlices) expect(Batch.of('traces', [slice], 1).groups).toHaveLength(1)
})
