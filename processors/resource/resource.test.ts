import { parse } from 'yaml'
import { Batch } from '../../proto/batch.js'
import { GOLDEN } from '../../proto/testing/golden.js'
import { ResourceView } from '../../proto/views/resource.js'
import { Writer } from '../../proto/wire.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { harness } from '../../runtime/testing/harness.js'
import resource from './index.js'

const batch = Batch.of('traces', [GOLDEN.traces], 1, { transport: 'grpc' })
const setUp = (written: unknown) => {
  const machine = harness('resource')
  return { ...machine, consume: resource.create(resource.config.parse(written), machine.upstream).consume }
}
const attributesOf = (batch: Batch | undefined) => {
  const { attributes } = new ResourceView().read(batch?.groups[0]?.resource ?? new Uint8Array(0))
  return Array.from({ length: attributes.length }, (_, index) => [attributes.key(index), attributes.value(index).plain()])
}

test('adds an attribute, and shares the bytes of the items', async () => {
  const { consume, out } = setUp({ attributes: [{ key: 'k8s.cluster.name', value: 'factory-1', action: 'insert' }] })
  await consume(batch)
  const [changed] = out.batches
  expect(attributesOf(changed)).toEqual([
    ['service.name', 'x'],
    ['k8s.cluster.name', 'factory-1'],
  ])
  expect(changed?.groups[0]?.rest).toBe(batch.groups[0]?.rest)
  expect(changed).toMatchObject({ items: 1, metadata: { transport: 'grpc' } })
  expect(attributesOf(batch)).toEqual([['service.name', 'x']])
})

test('every action does what the Collector’s does, and sees what those before it did', async () => {
  const { consume, out } = setUp({
    attributes: [
      { key: 'service.name', value: 'ignored', action: 'insert' },
      { key: 'absent', value: 1, action: 'update' },
      { key: 'copy', from_attribute: 'service.name', action: 'insert' },
      { key: 'copy', value: ['a', 1, { b: 0.5 }], action: 'upsert' },
      { key: 'second', from_attribute: 'copy', action: 'upsert' },
      { key: 'third', from_attribute: 'nowhere', action: 'upsert' },
      { key: 'service.name', value: 'y', action: 'update' },
      { key: 'copy', action: 'delete' },
    ],
  })
  await consume(batch)
  expect(attributesOf(out.batches[0])).toEqual([
    ['service.name', 'y'],
    ['second', ['a', 1, new Map([['b', 0.5]])]],
  ])
})

test('a batch without a resource gets one', async () => {
  const { consume, out } = setUp({ attributes: [{ key: 'a', value: true, action: 'upsert' }] })
  await consume(Batch.of('logs', [GOLDEN.logs], 1))
  expect(attributesOf(out.batches[0])).toEqual([['a', true]])
})

test('a batch on which no action has an effect passes as the same object', async () => {
  const { consume, out } = setUp({ attributes: [{ key: 'service.name', value: 'y', action: 'insert' }] })
  await consume(batch)
  expect(out.batches[0]).toBe(batch)
})

test('a malformed resource is refused for good and nothing is passed on', async () => {
  const { consume, out } = setUp({ attributes: [{ key: 'secret', action: 'delete' }] })
  const broken = new Writer().message(1, group => group.message(1, body => body.bytes(1, Uint8Array.of(0x0a, 0x7f)))).finish()
  const refusal = await consume(Batch.of('traces', [broken], 0)).catch(error => error)
  expect(refusal).toBeInstanceOf(PermanentError)
  expect(refusal).toMatchObject({ reason: 'malformed' })
  expect(out.batches).toHaveLength(0)
})

test('a refusal from behind reaches the sender', async () => {
  const { consume, out } = setUp({ attributes: [{ key: 'a', value: 1, action: 'upsert' }] })
  out.answer = () => new RetryableError('full', 'queue_full')
  await expect(consume(batch)).rejects.toThrow('full')
})

test.each([
  ['no action', { attributes: [] }],
  ['an unknown action', { attributes: [{ key: 'a', action: 'hash' }] }],
  ['an empty key', { attributes: [{ key: '', action: 'delete' }] }],
  ['an upsert without value', { attributes: [{ key: 'a', action: 'upsert' }] }],
  ['a value that was forgotten', { attributes: [{ key: 'a', action: 'upsert', value: null }] }],
  ['both value and from_attribute', { attributes: [{ key: 'a', action: 'insert', value: 1, from_attribute: 'b' }] }],
  ['a delete with value', { attributes: [{ key: 'a', action: 'delete', value: 1 }] }],
  ['an unknown option', { attributes: [{ key: 'a', action: 'delete', pattern: '.' }] }],
])('%s is a mistake', (_, written) => {
  expect(resource.config.safeParse(written).success).toBe(false)
})

test.each(Object.entries(resource.examples))('the example "%s" is valid', (_, yaml) => {
  expect(resource.config.safeParse(parse(yaml)).success).toBe(true)
})
