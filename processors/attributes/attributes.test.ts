import { parse } from 'yaml'
import { Batch } from '../../proto/batch.js'
import { GOLDEN } from '../../proto/testing/golden.js'
import { ItemCursor } from '../../proto/views/items.js'
import { Writer } from '../../proto/wire.js'
import { PermanentError } from '../../runtime/errors.js'
import { harness } from '../../runtime/testing/harness.js'
import attributes from './index.js'

const ITEMS = { traces: 1, metrics: 4, logs: 1 }
const batchOf = (signal: keyof typeof GOLDEN) => Batch.of(signal, [GOLDEN[signal]], ITEMS[signal], { transport: 'http' })
const setUp = (written: unknown) => {
  const machine = harness('attributes')
  return { ...machine, consume: attributes.create(attributes.config.parse(written), machine.upstream).consume }
}
const attributesOf = (batch: Batch | undefined) => {
  const items = new ItemCursor(batch?.signal ?? 'traces')
  return batch?.groups.flatMap(group => {
    const found: unknown[] = []
    items.over(group.rest)
    while (items.next()) {
      const { attributes: list } = items.item
      found.push(Array.from({ length: list.length }, (_, index) => [list.key(index), list.value(index).text()]))
    }
    return found
  })
}

test('changes the attributes of a span', async () => {
  const { consume, out } = setUp({
    actions: [
      { key: 't', action: 'delete' },
      { key: 'gen_ai.usage.input_tokens', value: 7, action: 'update' },
      { key: 'env', value: 'production', action: 'insert' },
    ],
  })
  await consume(batchOf('traces'))
  expect(attributesOf(out.batches[0])).toEqual([
    [
      ['gen_ai.usage.input_tokens', '7'],
      ['env', 'production'],
    ],
  ])
  expect(out.batches[0]).toMatchObject({ items: 1, metadata: { transport: 'http' } })
})

test('changes data points of every kind', async () => {
  const { consume, out } = setUp({ actions: [{ key: 'gpu', value: 0, action: 'upsert' }] })
  await consume(batchOf('metrics'))
  expect(attributesOf(out.batches[0])).toEqual(Array(4).fill([['gpu', '0']]))
})

test('changes log records and leaves everything else as it came', async () => {
  const { consume, out } = setUp({ actions: [{ key: 'arr', from_attribute: 'b', action: 'update' }] })
  const before = batchOf('logs')
  await consume(before)
  expect(attributesOf(out.batches[0])?.[0]).toContainEqual(['arr', '"AP8="'])
  const [found, came] = [out.batches[0]!, before].map(batch => Buffer.concat(batch.slices as Uint8Array[]).toString('hex'))
  // `arr` was a list of one text and is now two bytes, three bytes shorter, as are the three messages around it.
  const list = '320e0a0361727212072a050a030a0171'
  const bytes = '320b0a0361727212043a0200ff'
  expect(found).toBe(came!.replace(list, bytes).replace('0a6612641262', '0a631261125f'))
})

test.each(['traces', 'metrics', 'logs'] as const)('%s without an effect pass as the same object', async signal => {
  const { consume, out } = setUp({ actions: [{ key: 'absent', action: 'delete' }] })
  const batch = batchOf(signal)
  await consume(batch)
  expect(out.batches[0]).toBe(batch)
})

test('a malformed item is refused for good and nothing is passed on', async () => {
  const { consume, out } = setUp({ actions: [{ key: 'secret', action: 'delete' }] })
  const broken = new Writer()
    .message(1, group => group.message(2, scope => scope.message(2, span => span.bytes(9, Uint8Array.of(0x0a, 0x7f)))))
    .finish()
  const refusal = await consume(Batch.of('traces', [broken], 1)).catch(error => error)
  expect(refusal).toBeInstanceOf(PermanentError)
  expect(refusal).toMatchObject({ reason: 'malformed' })
  expect(out.batches).toHaveLength(0)
})

test.each(Object.entries(attributes.examples))('the example "%s" is valid', (_, yaml) => {
  expect(attributes.config.safeParse(parse(yaml)).success).toBe(true)
})
