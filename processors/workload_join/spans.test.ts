import { eventsOf, spansOf, Table, WINDOWING } from './testing/table.js'
import { batch, counter, gauge, logRecord, type SpanSpec, span, type Values } from './testing/telemetry.js'

/** Seconds after a window boundary, as milliseconds since the epoch. */
const T0 = 1_700_000_000_000
const s = (seconds: number) => T0 + seconds * 1000
const W = 'prod/chat/llama'
const RESOURCE = { 'ai_factory.workload.id': W, 'ai_factory.workload.source': 'k8s.pod', 'ai_factory.workload.confidence': 'derived' }
const GPU = { UUID: 'GPU-a', gpu: '0', pod: 'llama-0', Hostname: 'node-1' }
const ENGINE = { model_name: 'llama', engine: '0' }

const util = (at: number, percent: number | undefined, labels: Values = GPU, resource: Values = RESOURCE) =>
  batch('metrics', {
    resource: { ...resource, 'service.instance.id': 'node-1:9400' },
    items: [gauge('DCGM_FI_DEV_GPU_UTIL', s(at), percent, labels)],
  })
const traces = (specs: readonly SpanSpec[], resource: Values = RESOURCE) =>
  batch('traces', { resource, items: specs.map(({ start, end, ...rest }) => span({ start: s(start), end: s(end), ...rest })) })

/** Samples every second of [from, to], appended as they are taken; the value is the second. */
const sampled = (table: Table, from: number, to: number, value = (second: number) => second) => {
  for (let second = from; second <= to; second++) table.append(s(second), util(second, value(second)))
}
const only = <T>(list: readonly T[]): T => {
  expect(list).toHaveLength(1)
  return list[0]!
}

describe('spans', () => {
  test('rules 8, 13: a span waits until the watermark has passed its end, then gets the time-weighted mean over its own interval', () => {
    const table = new Table()
    sampled(table, 0, 4)
    table.append(s(4), traces([{ start: 2.5, end: 3.5 }]))
    expect(spansOf(table.take())).toEqual([])
    sampled(table, 5, 18)
    expect(spansOf(table.take())).toEqual([])
    sampled(table, 19, 20)
    const { attributes } = only(spansOf(table.take()))
    expect(attributes['ai_factory.join.outcome']).toBe('matched')
    // A sample at t stands for (t of the one before, t]: 2.5 to 3 is 3 %, 3 to 3.5 is 4 %.
    expect(attributes['ai_factory.gpu.utilization']).toBeCloseTo(0.035, 9)
    expect(attributes['ai_factory.join.coverage']).toBeCloseTo(1, 5)
    expect(attributes['ai_factory.join.carried']).toBe(0)
    expect(table.outcomes).toMatchObject({ matched: 1 })
  })

  test('rule 16: identity, outcome, GPUs and engine are written; what is unknown is absent', () => {
    const table = new Table()
    for (let second = 0; second <= 30; second++) {
      table.append(
        s(second),
        batch(
          'metrics',
          {
            resource: { ...RESOURCE, 'service.instance.id': 'node-1:9400' },
            items: [
              gauge('DCGM_FI_DEV_GPU_UTIL', s(second), 50, GPU),
              gauge('DCGM_FI_DEV_GPU_UTIL', s(second), 100, { ...GPU, UUID: 'GPU-b' }),
              gauge('DCGM_FI_DEV_FB_USED', s(second), 30, GPU),
              gauge('DCGM_FI_DEV_FB_FREE', s(second), 60, GPU),
              gauge('DCGM_FI_DEV_FB_RESERVED', s(second), 10, GPU),
              gauge('DCGM_FI_DEV_POWER_USAGE', s(second), 300, GPU),
              gauge('DCGM_FI_DEV_POWER_USAGE', s(second), 200, { ...GPU, UUID: 'GPU-b' }),
              gauge('DCGM_FI_DEV_GPU_TEMP', s(second), 40 + second, GPU),
              counter('DCGM_FI_DEV_POWER_VIOLATION', s(second), second * 250e6, GPU),
            ],
          },
          {
            resource: { ...RESOURCE, 'service.instance.id': 'llama-0:8000' },
            items: [
              gauge('vllm:num_requests_waiting', s(second), 7, ENGINE),
              gauge('vllm:num_requests_running', s(second), 3, ENGINE),
              gauge('vllm:kv_cache_usage_perc', s(second), 0.25, ENGINE),
            ],
          },
        ),
      )
      if (second === 12) table.append(s(12), traces([{ start: 10, end: 12, attributes: { mine: 'x' } }]))
    }
    const { attributes } = only(spansOf(table.take()))
    expect(attributes).toMatchObject({
      mine: 'x',
      'ai_factory.workload.id': W,
      'ai_factory.workload.source': 'k8s.pod',
      'ai_factory.workload.confidence': 'derived',
      'ai_factory.join.outcome': 'matched',
      'ai_factory.gpu.count': 2,
      'ai_factory.gpu.ids': ['GPU-a', 'GPU-b'],
    })
    const near = (name: string, value: number) => expect(attributes[`ai_factory.${name}`]).toBeCloseTo(value, 6)
    near('gpu.utilization', 0.75)
    near('gpu.memory.utilization', 0.3)
    near('gpu.memory.usage', 30 * 2 ** 20)
    near('gpu.power', 500)
    near('gpu.temperature.max', 52)
    near('gpu.throttled', 0.25)
    near('engine.queue.depth', 7)
    near('engine.running', 3)
    near('engine.kv_cache.utilization', 0.25)
    expect(attributes).not.toHaveProperty(['ai_factory.gpu.sm.active'])
  })

  test('compact enrichment writes less', () => {
    const table = new Table({ enrich: 'compact' })
    sampled(table, 0, 3)
    table.append(s(3), traces([{ start: 1, end: 2 }]))
    sampled(table, 4, 30)
    const { attributes } = only(spansOf(table.take()))
    expect(attributes).toHaveProperty(['ai_factory.gpu.utilization'])
    expect(attributes).not.toHaveProperty(['ai_factory.gpu.ids'])
    expect(attributes).not.toHaveProperty(['ai_factory.workload.source'])
  })

  test('what a span carries of ours already is replaced, never doubled; the rest of it stays byte for byte', () => {
    const table = new Table()
    sampled(table, 0, 3)
    const before = { 'ai_factory.workload.id': 'other', 'ai_factory.gpu.power': 1, 'ai_factory.custom': 'kept', z: 'kept' }
    table.append(s(3), traces([{ start: 1, end: 2, attributes: before }]))
    sampled(table, 4, 30)
    const { attributes } = only(spansOf(table.take()))
    expect(attributes).toMatchObject({ 'ai_factory.workload.id': W, 'ai_factory.custom': 'kept', z: 'kept' })
    expect(attributes).not.toHaveProperty(['ai_factory.gpu.power'])
  })

  test.each<[string, Values, SpanSpec, number | undefined]>([
    ['nothing known of where it ran: all GPUs', {}, { start: 5, end: 6 }, 2],
    ['its pod', { 'k8s.pod.name': 'llama-1' }, { start: 5, end: 6 }, 1],
    ['a pod that has no GPU', { 'k8s.pod.name': 'router-0' }, { start: 5, end: 6 }, undefined],
    ['its host, long name against short', { 'host.name': 'NODE-2.example.org' }, { start: 5, end: 6 }, 1],
    ['a host that no GPU names: all', { 'host.name': 'llama-1' }, { start: 5, end: 6 }, 2],
    ['its GPU', { gpu_uuid: 'GPU-b' }, { start: 5, end: 6 }, 1],
    ['a caller: all of the workload it calls', { 'k8s.pod.name': 'web-3', 'ai_factory.caller.id': 'prod/web' }, { start: 5, end: 6 }, 2],
    ['a client span: all', { 'k8s.pod.name': 'web-3' }, { start: 5, end: 6, kind: 'client' }, 2],
  ])('rule 13: GPUs narrowed by %s', (_, resource, spec, count) => {
    const table = new Table()
    for (let second = 0; second <= 30; second++) {
      table.append(s(second), util(second, 10, { UUID: 'GPU-a', pod: 'llama-0', Hostname: 'node-1' }))
      table.append(s(second), util(second, 10, { UUID: 'GPU-b', exported_pod: 'llama-1', pod: 'dcgm-exporter-x', Hostname: 'node-2' }))
      if (second === 6) table.append(s(6), traces([spec], { ...RESOURCE, ...resource }))
    }
    const { attributes } = only(spansOf(table.take()))
    expect(attributes['ai_factory.gpu.count']).toBe(count)
    expect(attributes['ai_factory.join.outcome']).toBe(count === undefined ? 'unmatched' : 'matched')
  })

  test('rule 13: a span of a workload without samples does not wait; nor do samples and logs', () => {
    const table = new Table()
    table.append(s(0), traces([{ start: -2, end: -1 }]))
    table.append(s(1), util(1, 5))
    table.append(s(1), batch('logs', { resource: RESOURCE, items: [logRecord(s(1))] }))
    const outs = table.take()
    expect(outs.map(({ signal }) => signal)).toEqual(['traces', 'metrics', 'logs'])
    expect(only(spansOf(outs)).attributes['ai_factory.join.outcome']).toBe('unmatched')
    expect(table.outcomes).toEqual({ unmatched: 1, passed: 2 })
  })

  test('rule 13: with hold_spans false a span goes on at once with what is there', () => {
    const table = new Table({ holdSpans: false })
    sampled(table, 0, 4)
    table.append(s(4), traces([{ start: 2, end: 4 }]))
    expect(only(spansOf(table.take())).attributes['ai_factory.gpu.utilization']).toBeCloseTo(0.035, 6)
  })

  test('spans that nobody behind takes are folded and counted, do not wait and go no further; the events are the same', () => {
    const [all, few] = [new Table(), new Table({ wanted: new Set(['events']) })]
    const spans = traces([{ start: 2, end: 4 }])
    for (const table of [all, few]) {
      sampled(table, 0, 4)
      table.append(s(4), spans)
      table.append(s(4), batch('logs', { resource: RESOURCE, items: [logRecord(s(4))] }))
    }
    expect(few.timetable.heldChunks).toBe(0)
    expect(few.outcomes).toEqual({ no_exporter: 7 })
    for (const table of [all, few]) table.closeUntil(s(4), s(10))
    const [whole, events] = [all.take(), few.take()]
    expect(events.every(({ signal }) => signal === 'events')).toBe(true)
    expect(eventsOf(events)).toEqual(eventsOf(whole))
    expect(eventsOf(events)[0]?.spans).toMatchObject({ count: 1 })
  })

  test.each<[string, (table: Table) => void, Record<string, number>]>([
    ['late', table => table.append(s(20), traces([{ start: 1, end: 2 }])), { late: 1 }],
    ['too_late', table => table.append(s(400), traces([{ start: 1, end: 2 }])), { too_late: 1 }],
    ['no_workload', table => table.append(s(20), traces([{ start: 19, end: 20 }], { 'service.name': 'x' })), { no_workload: 1 }],
    ['no_target', table => table.append(s(20), traces([{ start: 19, end: 20 }], { 'ai_factory.caller.id': 'prod/web' })), { no_target: 1 }],
  ])('rule 14: %s is counted and passed on', (_, act, expected) => {
    const table = new Table()
    sampled(table, 0, 20)
    table.take()
    act(table)
    expect(spansOf(table.take())).toHaveLength(1)
    expect(table.outcomes).toMatchObject(expected)
  })

  test('rule 14: evicted spans are passed on as they came', () => {
    const table = new Table({}, WINDOWING, 1)
    sampled(table, 0, 3)
    table.append(s(3), traces([{ start: 1, end: 2, attributes: { a: 'b' } }]))
    expect(only(spansOf(table.take())).attributes).toEqual({ a: 'b' })
    expect(table.outcomes).toMatchObject({ evicted: 1 })
  })

  test('rules 7, 10: a late span is enriched from what is there and counted in the window that is open', () => {
    const table = new Table()
    sampled(table, 0, 40)
    table.append(s(40), traces([{ start: 3, end: 4, kind: 'server', attributes: { 'gen_ai.usage.output_tokens': 8 } }]))
    const outs = table.take()
    expect(only(spansOf(outs)).attributes).toMatchObject({ 'ai_factory.join.outcome': 'late' })
    expect(only(spansOf(outs)).attributes['ai_factory.gpu.utilization']).toBeCloseTo(0.04, 6)
    table.closeUntil(s(41), s(60))
    const [event] = eventsOf(table.take()).filter(({ spans }) => spans)
    expect(event).toMatchObject({ windowStartMs: s(20), spans: { count: 0, lateCount: 1 } })
    expect(event?.tokens).toMatchObject([{ source: 'engine_spans', output: 0, lateOutput: 8 }])
  })

  test('rule 6: a span whose end is unknown, reversed or far ahead is read as ending when it was appended', () => {
    const table = new Table()
    sampled(table, 0, 5)
    const odd = [
      { start: 3, end: -T0 / 1000 },
      { start: 9, end: 2 },
      { start: 1, end: 900 },
    ]
    table.append(s(5), traces(odd))
    sampled(table, 6, 60)
    table.closeUntil(s(61), s(70))
    const outs = table.take()
    expect(spansOf(outs).map(({ attributes }) => attributes['ai_factory.join.outcome'])).toEqual(['matched', 'matched', 'matched'])
    expect(eventsOf(outs).filter(({ spans }) => spans)).toMatchObject([{ windowStartMs: s(0), spans: { count: 3 } }])
  })

  test('rule 8: a value is carried on for max_gap, counted as carried; a staleness marker ends the carry', () => {
    const spanAfter = (marker: boolean) => {
      const table = new Table()
      sampled(table, 0, 10, () => 40)
      if (marker) table.append(s(11), util(11, undefined))
      table.append(s(14), traces([{ start: 10, end: 14 }]))
      for (let second = 15; second < 60; second++) table.tick(s(second))
      return only(spansOf(table.take())).attributes
    }
    const carried = spanAfter(false)
    expect(carried['ai_factory.gpu.utilization']).toBeCloseTo(0.4, 9)
    expect(carried['ai_factory.join.coverage']).toBeLessThan(0.01)
    expect(carried['ai_factory.join.carried']).toBeCloseTo(4, 2)
    const ended = spanAfter(true)
    expect(ended['ai_factory.join.carried']).toBeLessThan(0.01)
  })

  test('unknown fields and scope fields of what passes the join stay byte for byte', () => {
    const table = new Table()
    const original = batch('metrics', { resource: { 'service.name': 'x' }, items: [gauge('some.metric', s(1), 1)] })
    table.append(s(1), original)
    expect(Buffer.concat([...only(table.take()).slices])).toEqual(Buffer.concat([...original.slices]))
  })

  test('bytes that cannot be read are passed on, counted, and harm no neighbour', () => {
    const table = new Table()
    sampled(table, 0, 3)
    const broken = { ...span({ start: s(1), end: s(2) }) }
    const request = batch('traces', { resource: RESOURCE, items: [broken] })
    const bytes = Buffer.concat([...request.slices])
    // The length of the last attribute field is made to point outside.
    const at = bytes.lastIndexOf(0x39)
    table.timetable.append(s(3), { key: W, kind: 16, firstTime: s(2), lastTime: s(2), value: [bytes.subarray(0, at + 3)] })
    table.append(s(3), traces([{ start: 1, end: 2 }]))
    sampled(table, 4, 30)
    expect(table.ignored.unreadable).toBeGreaterThan(0)
    expect(table.outcomes.matched).toBe(1)
    expect(table.timetable.errors).toEqual([])
  })
})
