import type { z } from 'zod'
import { Batch } from '../../proto/batch.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { turns } from '../../runtime/testing/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import batch from './index.js'

const setUp = (written: z.input<typeof batch.config> = {}) => {
  const { upstream, out, clock, meter } = harness('batch')
  return { out, clock, meter, processor: batch.create(batch.config.parse(written), upstream) }
}

const request = (byte: number, items: number, metadata = {}): Batch => Batch.of('logs', [Uint8Array.of(0x0a, 1, byte)], items, metadata)

test('senders are answered when the batch their request went into was delivered, not before', async () => {
  const { out, meter, processor } = setUp({ send_batch_size: 10 })
  let deliver = () => {}
  out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
  const answered: number[] = []
  const senders = [request(1, 4), request(2, 6)].map((one, index) => processor.consume(one).then(() => answered.push(index)))
  await turns()
  expect(out.batches.map(one => [one.items, [...Buffer.concat(one.slices)]])).toEqual([[10, [0x0a, 1, 1, 0x0a, 1, 2]]])
  expect(answered).toEqual([])
  deliver()
  await Promise.all(senders)
  expect(answered).toEqual([0, 1])
  expect(meter.sum('otelcol_processor_batch_batch_size_trigger_send', { processor: 'batch' })).toBe(1)
})

test('what has waited for timeout leaves, alone as the very batch it came in', async () => {
  const { out, clock, meter, processor } = setUp({ timeout: '1s' })
  const one = request(1, 3)
  const sender = processor.consume(one)
  await clock.advance(999)
  expect(out.batches).toHaveLength(0)
  expect(meter.sum('otelcol_processor_batch_metadata_cardinality')).toBe(1)
  await clock.advance(1)
  await sender
  expect(out.batches[0]).toBe(one)
  expect(meter.sum('otelcol_processor_batch_timeout_trigger_send')).toBe(1)
  expect(meter.sum('otelcol_processor_batch_metadata_cardinality')).toBe(0)
})

test('values of metadata_keys are kept apart', async () => {
  const { out, clock, processor } = setUp({ metadata_keys: ['transport'] })
  const senders = [request(1, 1, { transport: 'grpc' }), request(2, 1, { transport: 'http' }), request(3, 1, { transport: 'grpc' })].map(
    one => processor.consume(one),
  )
  await clock.advance(200)
  await Promise.all(senders)
  expect(out.batches.map(one => [one.metadata.transport, one.items])).toEqual([
    ['grpc', 2],
    ['http', 1],
  ])
})

test('of a batch refused as bad data only the guilty request is refused to its sender', async () => {
  const { out, processor } = setUp({ send_batch_size: 3 })
  out.answer = one => (Buffer.concat(one.slices).includes(13) ? new PermanentError('bad', 'bad_data') : undefined)
  const verdicts = await Promise.allSettled([request(1, 1), request(13, 1), request(2, 1)].map(one => processor.consume(one)))
  expect(verdicts.map(verdict => verdict.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(out.batches.map(one => one.items)).toEqual([3, 1, 1, 1])
})

test('a batch that failed for now is given back to every sender', async () => {
  const { out, processor } = setUp({ send_batch_size: 2 })
  out.answer = () => new RetryableError('busy', 'unavailable')
  const verdicts = await Promise.allSettled([processor.consume(request(1, 1)), processor.consume(request(2, 1))])
  expect(verdicts).toMatchObject([{ reason: { reason: 'unavailable' } }, { reason: { reason: 'unavailable' } }])
})

test('stop passes on what waits, refuses what comes later, and gives up on a stuck neighbour at the deadline', async () => {
  const { out, processor } = setUp()
  const sender = processor.consume(request(1, 1))
  await processor.stop?.(new AbortController().signal)
  await sender
  expect(out.items).toBe(1)
  await expect(processor.consume(request(2, 1))).rejects.toMatchObject({ reason: 'shutdown' })
  await processor.start?.()
  out.answer = () => new Promise(() => {})
  void processor.consume(request(3, 1))
  await processor.stop?.(AbortSignal.timeout(20))
})

test('a largest batch below the usual one is refused', () => {
  expect(() => batch.config.parse({ send_batch_max_size: 10 })).toThrow(/at least send_batch_size/)
})
