import fc from 'fast-check'
import { encodeAttribute, encodeValue, writeAttribute } from './attribute.js'
import { type AttributeAction, AttributeEditor } from './attribute-edit.js'
import { Batch, Group } from './batch.js'
import { ItemEditor, splitGroup } from './edit.js'
import { countItems, inspect } from './inspect.js'
import { OTLP_SIGNALS, type OtlpSignal } from './services.js'
import { GOLDEN } from './testing/golden.js'
import { anyRequest, decode, encode, messageType, type Plain, requestType } from './testing/oracle.js'
import { AnyValue } from './views/any-value.js'
import { WireError, Writer } from './wire.js'

const anySignal = fc.constantFrom(...OTLP_SIGNALS)
const anySignalAndRequest = anySignal.chain(signal => fc.tuple(fc.constant(signal), anyRequest(signal)))
const bytesOf = (batch: Batch) => Uint8Array.from(Buffer.concat(batch.slices as Uint8Array[]))
const batchOf = (signal: OtlpSignal, bytes: Uint8Array) => Batch.of(signal, [bytes], inspect(signal, bytes))

const GROUPS = { traces: 'resourceSpans', metrics: 'resourceMetrics', logs: 'resourceLogs' }
const SCOPES = { traces: 'scopeSpans', metrics: 'scopeMetrics', logs: 'scopeLogs' }
const ITEMS = { traces: 'spans', metrics: 'metrics', logs: 'logRecords' }
const KINDS = ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary']
const itemsOf = (signal: OtlpSignal, scope: Plain): Plain[] => {
  const direct = scope[ITEMS[signal]] ?? []
  return signal === 'metrics' ? direct.flatMap((metric: Plain) => KINDS.flatMap(kind => metric[kind]?.dataPoints ?? [])) : direct
}
/** Every item of a decoded request, to be changed in place. */
const allItems = (signal: OtlpSignal, request: Plain): Plain[] =>
  (request[GROUPS[signal]] ?? []).flatMap((group: Plain) => (group[SCOPES[signal]] ?? []).flatMap((scope: Plain) => itemsOf(signal, scope)))

/** What the actions mean, on decoded attributes. */
const apply = (list: Plain[] | undefined, actions: readonly AttributeAction[]): Plain[] => {
  let attributes = list ?? []
  const last = (key: string) => attributes.findLastIndex(attribute => (attribute.key ?? '') === key)
  for (const action of actions) {
    const at = last(action.key)
    if (action.action === 'delete') attributes = attributes.filter(attribute => (attribute.key ?? '') !== action.key)
    else if (action.action !== (at < 0 ? 'update' : 'insert')) {
      const from = 'from' in action ? attributes[last(action.from)] : undefined
      if ('from' in action && !from) continue
      const value = 'value' in action ? decode(messageType('AnyValue'), encodeValue(action.value)) : (from.value ?? {})
      if (at < 0) attributes = [...attributes, { key: action.key, value }]
      else attributes = attributes.with(at, { ...attributes[at], value })
    }
  }
  return attributes
}
const anyKey = fc.constantFrom('service.name', 'a', 'ab', 'ba', 'new', '__proto__')
const anyValue = fc.oneof(fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null), fc.constant(['x', 1]))
const anyActions: fc.Arbitrary<AttributeAction[]> = fc.array(
  fc.oneof(
    fc.record({ action: fc.constantFrom('insert', 'update', 'upsert'), key: anyKey, value: anyValue }),
    fc.record({ action: fc.constantFrom('insert', 'update', 'upsert'), key: anyKey, from: anyKey }),
    fc.record({ action: fc.constant('delete' as const), key: anyKey }),
  ),
  { maxLength: 4 },
)
/** An empty resource and an empty value say nothing, and may be left out. */
const even = (request: Plain): Plain =>
  JSON.parse(JSON.stringify(request), (key, value) =>
    (key === 'resource' || key === 'value') && typeof value === 'object' && Object.keys(value).length === 0 ? undefined : value,
  )
/** Equal as protobufjs reads them. */
const sameMessage = (signal: OtlpSignal, bytes: Uint8Array, expected: Plain) => {
  const type = requestType(signal)
  expect(even(decode(type, bytes))).toEqual(even(decode(type, encode(type, expected))))
}

describe('an edit equals decode, change, encode', () => {
  it('of resource attributes, with every byte of the rest shared', () => {
    fc.assert(
      fc.property(anySignalAndRequest, anyActions, ([signal, bytes], actions) => {
        const editor = new AttributeEditor(actions)
        const before = batchOf(signal, bytes)
        const after = before.withGroups(before.groups.map(group => editor.editResource(group)))
        const expected = decode(requestType(signal), bytes)
        for (const group of expected[GROUPS[signal]] ?? []) {
          const attributes = apply(group.resource?.attributes, actions)
          group.resource = { ...group.resource, attributes }
        }
        sameMessage(signal, bytesOf(after), expected)
        expect(after.bytes).toBe(bytesOf(after).length)
        for (const [index, group] of after.groups.entries()) expect(group.rest).toBe(before.groups[index]!.rest)
      }),
      { numRuns: 200 },
    )
  })

  it('of item attributes', () => {
    fc.assert(
      fc.property(anySignalAndRequest, anyActions, ([signal, bytes], actions) => {
        const attributes = new AttributeEditor(actions)
        const editor = new ItemEditor(signal)
        const before = batchOf(signal, bytes)
        const after = before.withGroups(
          before.groups.map(group => group.withRest(editor.edit(group.rest, (items, body) => attributes.editItem(items, body)))),
        )
        const expected = decode(requestType(signal), bytes)
        for (const item of allItems(signal, expected)) item.attributes = apply(item.attributes, actions)
        sameMessage(signal, bytesOf(after), expected)
        expect(inspect(signal, bytesOf(after))).toBe(before.items)
      }),
      { numRuns: 200 },
    )
  })

  it('of some items that get ready-made attributes appended', () => {
    const added = new Writer()
    fc.assert(
      fc.property(anySignalAndRequest, fc.nat(3), ([signal, bytes], every) => {
        const editor = new ItemEditor(signal)
        let seen = 0
        const before = batchOf(signal, bytes)
        const after = before.withGroups(
          before.groups.map(group =>
            group.withRest(
              editor.append(group.rest, ({ item }) => {
                if (seen++ % (every + 1) !== 0) return undefined
                writeAttribute(added, item.attributesField, 'ai_factory.workload.id', 'c/ns/llama')
                return added.finish()
              }),
            ),
          ),
        )
        const expected = decode(requestType(signal), bytes)
        allItems(signal, expected).forEach((item, index) => {
          if (index % (every + 1) === 0)
            item.attributes = [...(item.attributes ?? []), { key: 'ai_factory.workload.id', value: { stringValue: 'c/ns/llama' } }]
        })
        sameMessage(signal, bytesOf(after), expected)
      }),
      { numRuns: 200 },
    )
  })
})

describe('a split', () => {
  it('gives each key its items in order, with resource, scope and metric around them', () => {
    fc.assert(
      fc.property(anySignalAndRequest, fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }), ([signal, bytes], keys) => {
        const batch = batchOf(signal, bytes)
        for (const group of batch.groups) {
          let seen = 0
          const shares = splitGroup(signal, group, () => keys[seen++ % keys.length]!)
          const total = countItems(signal, group.rest)
          expect([...shares.values()].reduce((sum, share) => sum + share.items, 0)).toBe(total)
          const request = decode(requestType(signal), bytesOf(batch.withGroups([group])))
          for (const [key, share] of shares) {
            // Drop what is not this key's from the decoded request, and the messages left empty.
            let index = 0
            const kept = () => keys[index++ % keys.length] === key
            const expected = structuredClone(request)
            const [only] = expected[GROUPS[signal]]
            if (shares.size > 1) {
              only[SCOPES[signal]] = (only[SCOPES[signal]] ?? []).filter((scope: Plain) => {
                if (signal !== 'metrics') scope[ITEMS[signal]] = (scope[ITEMS[signal]] ?? []).filter(kept)
                else
                  scope.metrics = (scope.metrics ?? []).filter((metric: Plain) => {
                    const kind = KINDS.find(name => metric[name])
                    if (kind) metric[kind].dataPoints = (metric[kind].dataPoints ?? []).filter(kept)
                    return kind && metric[kind].dataPoints.length > 0
                  })
                return scope[ITEMS[signal]].length > 0
              })
            }
            sameMessage(signal, bytesOf(batch.withGroups([share.group])), expected)
            expect(countItems(signal, share.group.rest)).toBe(share.items)
          }
        }
      }),
      { numRuns: 300 },
    )
  })

  it('by one key gives the very group', () => {
    const [group] = Batch.of('metrics', [GOLDEN.metrics], 4).groups
    const shares = splitGroup('metrics', group!, () => 'one')
    expect(shares.get('one')).toEqual({ group, items: 4 })
    expect(shares.get('one')!.group).toBe(group)
  })
})

describe('a split of hostile groups', () => {
  const points = (count: number, description: number) =>
    new Writer()
      .message(2, scope =>
        scope.message(2, metric => {
          metric.bytes(2, new Uint8Array(description).fill(0x61)).begin(5)
          for (let index = 0; index < count; index++) metric.message(1, point => point.uint(8, index))
          metric.end()
        }),
      )
      .finish()
  const distinct = () => {
    let seen = 0
    return () => seen++
  }

  it('into as many parts as there are points takes one look at what is around them', () => {
    const shares = splitGroup('metrics', Group.of(new Uint8Array(0), points(20_000, 100)), distinct())
    expect(shares.size).toBe(20_000)
    expect(countItems('metrics', shares.get(19_999)!.group.rest)).toBe(1)
  })

  it('whose description would be multiplied beyond 64 MiB is refused', () => {
    const group = Group.of(new Uint8Array(0), points(100, 2 ** 20))
    expect(() => splitGroup('metrics', group, distinct())).toThrow(WireError)
    expect(() => splitGroup('metrics', group, distinct())).toThrow('a split would repeat more than 67108864 bytes')
  })
})

describe('unknown fields survive', () => {
  /** Field 100, of every wire type. */
  const unknown = (writer: Writer) => writer.uint(100, 7).fixed64(100, 8n).string(100, 'kept').fixed32(100, 9)
  const marks = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1').split('kept').length - 1
  const point = (value: number) => (data: Writer) =>
    data.message(1, item =>
      unknown(item.double(4, value).message(7, attribute => unknown(attribute.string(1, 'k').message(2, v => unknown(v.string(1, 'v')))))),
    )
  const request = unknown(
    new Writer().message(1, group =>
      unknown(
        group
          .message(1, resource => unknown(resource.message(1, attribute => unknown(attribute.string(1, 'k')))))
          .message(2, scope =>
            unknown(
              scope
                .message(1, unknown)
                .message(2, metric =>
                  unknown(metric.string(1, 'm').message(5, data => unknown(point(1)(data)) && point(2)(data) && point(3)(data))),
                ),
            ),
          ),
      ),
    ),
  ).finish()
  const before = batchOf('metrics', request)

  it('at every level of an edit', () => {
    const attributes = new AttributeEditor([{ action: 'update', key: 'k', value: 'other' }])
    const editor = new ItemEditor('metrics')
    const after = before.withGroups(
      before.groups
        .map(group => attributes.editResource(group))
        .map(group => group.withRest(editor.edit(group.rest, (items, body) => attributes.editItem(items, body)))),
    )
    // Lost with the old value of three attributes: what was inside that value.
    expect(marks(request)).toBe(17)
    expect(marks(bytesOf(after))).toBe(14)
    expect(inspect('metrics', bytesOf(after))).toBe(3)
  })

  it('around the items of each part of a split', () => {
    let seen = 0
    const shares = splitGroup('metrics', before.groups[0]!, () => seen++ % 2)
    const [even, odd] = [...shares.values()].map(share => bytesOf(before.withGroups([share.group])))
    // Two of three points, and one; each has 3 of the 17, all else is around them.
    expect(marks(even!)).toBe(14)
    expect(marks(odd!)).toBe(11)
  })
})

describe('where nothing changes', () => {
  it('the same group and the same rest come back', () => {
    const editor = new AttributeEditor([
      { action: 'insert', key: 'service.name', value: 'y' },
      { action: 'update', key: 'absent', value: 1 },
      { action: 'upsert', key: 'service.name', value: 'x' },
      { action: 'delete', key: 'absent' },
      { action: 'upsert', key: 'copy', from: 'absent' },
    ])
    const [group] = Batch.of('traces', [GOLDEN.traces], 1).groups
    expect(editor.editResource(group!)).toBe(group)
    expect(new ItemEditor('traces').edit(group!.rest, () => false)).toBe(group!.rest)
  })
})

describe('attribute values', () => {
  it.each([
    ['text', 'x', 'x'],
    ['a whole number', 5, '5'],
    ['a fraction', 0.5, '0.5'],
    ['minus zero', -0, '0'],
    ['a large integer', 2n ** 63n - 1n, '9223372036854775807'],
    ['a negative integer', -5, '-5'],
    ['truth', true, 'true'],
    ['bytes', Uint8Array.of(0, 255), '"AP8="'],
    ['nothing', null, ''],
    ['a list', ['x', 1, null, [true]], '["x",1,null,[true]]'],
    ['a map', { a: 1, b: { c: 'd' } }, '{"a":1,"b":{"c":"d"}}'],
  ])('%s is written and read back', (_, value, text) => {
    const bytes = encodeValue(value)
    expect(new AnyValue().read(bytes, 0, bytes.length).text()).toBe(text)
    expect(decode(messageType('KeyValue'), encodeAttribute('k', value)).value).toEqual(decode(messageType('AnyValue'), bytes))
  })
})
