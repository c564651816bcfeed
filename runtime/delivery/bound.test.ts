import { turns } from '../testing/clock.js'
import { backend, namesIn, options, outcome, setUp, spans } from './testing/backend.js'

describe('the bound', () => {
  const one = { retry_on_failure: { enabled: false } }

  test('num_consumers requests are under way, the others wait their turn', async () => {
    const { calls, send } = backend()
    const { consumer } = setUp(send, { ...one, sending_queue: { num_consumers: 2 } })
    const callers = [1, 2, 3].map(name => outcome(consumer.consume(spans(name))))
    await turns()
    expect(calls).toHaveLength(2)
    calls[1]?.answer()
    await turns()
    expect(calls).toHaveLength(3)
    calls[0]?.answer()
    calls[2]?.answer()
    await turns()
    expect(callers.map(caller => caller.state)).toEqual(['resolved', 'resolved', 'resolved'])
  })

  test.each([
    ['requests', { queue_size: 2 }],
    ['items', { sizer: 'items', queue_size: 4 }],
    ['bytes', { max_bytes: 2 * spans(1, 1).bytes }],
  ] as const)('full by %s: block keeps callers waiting in order', async (_sizer, queue) => {
    const { calls, send } = backend()
    const { consumer, meter } = setUp(send, { ...one, sending_queue: queue })
    const callers = [1, 2, 3].map(name => outcome(consumer.consume(spans(name, name))))
    await turns()
    expect(calls).toHaveLength(2)
    calls[0]?.answer()
    await turns()
    expect(calls).toHaveLength(3)
    expect(namesIn(calls[2]!.batch)).toEqual([3, 3])
    for (const call of calls) call.answer()
    await turns()
    expect(callers.every(caller => caller.state === 'resolved')).toBe(true)
    expect(meter.sum('otelcol_exporter_enqueue_failed_spans')).toBe(0)
  })

  test.each([{ on_full: 'drop' }, { block_on_overflow: false }] as const)(
    'full with %j: dropped, acknowledged and counted',
    async written => {
      const { calls, send } = backend()
      const { consumer, meter } = setUp(send, { sending_queue: { queue_size: 1, ...written } })
      const held = outcome(consumer.consume(spans(1)))
      const dropped = outcome(consumer.consume(spans(2, 3)))
      await turns()
      expect([held.state, dropped.state]).toEqual(['waiting', 'resolved'])
      expect(meter.sum('otelcol_exporter_enqueue_failed_spans')).toBe(2)
      expect(meter.sum('ai_factory_gateway_dropped_items', { reason: 'queue_full' })).toBe(2)
      calls[0]?.answer()
    },
  )

  test('a request larger than the whole queue goes alone instead of waiting for ever', async () => {
    const { calls, send } = backend()
    const { consumer } = setUp(send, { sending_queue: { sizer: 'items', queue_size: 2 } })
    const large = outcome(consumer.consume(spans(1, 2, 3)))
    const small = outcome(consumer.consume(spans(4)))
    await turns()
    expect(calls).toHaveLength(1)
    calls[0]?.answer()
    await turns()
    calls[1]?.answer()
    await turns()
    expect([large.state, small.state]).toEqual(['resolved', 'resolved'])
  })

  test('on_full and block_on_overflow together are refused', () => {
    expect(() => options({ sending_queue: { on_full: 'block', block_on_overflow: true } })).toThrow(/keep one/)
  })
})
