import fc from 'fast-check'
import type { Batch } from '../../proto/batch.js'
import type { CorrelatedEvent } from '../../proto/events/event.js'
import { eventsOf, Table, WINDOWING } from './testing/table.js'
import { batch, counter, gauge, histogram, type SpanSpec, span, type Values } from './testing/telemetry.js'

const T0 = 1_700_000_000_000
const s = (seconds: number) => T0 + seconds * 1000
const W = 'prod/chat/llama'
const RESOURCE = { 'ai_factory.workload.id': W, 'ai_factory.workload.source': 'k8s.pod', 'ai_factory.workload.confidence': 'derived' }
const GPU = { UUID: 'GPU-a', pod: 'llama-0' }
const ENGINE = { model_name: 'llama', engine: '0' }
const TARGET = { ...RESOURCE, 'service.instance.id': 'llama-0:8000' }

const metrics = (...items: Parameters<typeof batch>[1]['items'][number][]) => batch('metrics', { resource: TARGET, items })
const spans = (...specs: SpanSpec[]) =>
  batch('traces', { resource: RESOURCE, items: specs.map(({ start, end, ...rest }) => span({ start: s(start), end: s(end), ...rest })) })
const tokens = (at: number, value: number) => counter('vllm:generation_tokens_total', s(at), value, ENGINE)
const energy = (at: number, joules: number, labels: Values = GPU) =>
  counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', s(at), joules * 1000, labels)

/** [append second, batch]; the rest of time is ticks until every window is closed. */
const run = (table: Table, steps: readonly (readonly [number, Batch])[], until = 60): CorrelatedEvent[] => {
  let last = 0
  for (const [at, out] of steps) {
    for (let second = last; second < Math.floor(at); second++) table.tick(s(second))
    table.append(s(at), out)
    last = Math.floor(at)
  }
  table.closeUntil(s(last + 1), s(until))
  return eventsOf(table.take())
}
const at = (events: readonly CorrelatedEvent[], second: number) => events.find(({ windowStartMs }) => windowStartMs === s(second))
const sum = (events: readonly CorrelatedEvent[], amount: (event: CorrelatedEvent) => number | undefined) =>
  events.reduce((total, event) => total + (amount(event) ?? 0), 0)
const figures = (event: CorrelatedEvent, source: string) => event.tokens.find(figure => figure.source === source)

describe('correlated events', () => {
  test('rule 17: one event a workload and window, when the watermark passes its end; the id is that of the window', () => {
    const table = new Table()
    const events = run(table, [
      [1, metrics(gauge('DCGM_FI_DEV_GPU_UTIL', s(1), 50, GPU))],
      [12, metrics(gauge('DCGM_FI_DEV_GPU_UTIL', s(12), 70, GPU))],
      [22, metrics(gauge('DCGM_FI_DEV_GPU_UTIL', s(22), 90, GPU))],
    ])
    expect(events.slice(0, 3).map(({ windowStartMs }) => windowStartMs)).toEqual([s(0), s(10), s(20)])
    expect(new Set(events.map(({ id }) => Buffer.from(id).toString('hex'))).size).toBe(events.length)
    expect(at(events, 0)).toMatchObject({ workloadId: W, workloadSource: 'k8s.pod', windowLengthMs: 10_000, schemaVersion: 1 })
    // (1, 12] is 70 %, (12, 22] is 90 %.
    expect(at(events, 0)?.gpu?.utilization).toBeCloseTo(0.7, 9)
    expect(at(events, 0)?.gpu?.coverage).toBeCloseTo(0.9, 9)
    expect(at(events, 10)?.gpu?.utilization).toBeCloseTo((2 * 0.7 + 8 * 0.9) / 10, 9)
    expect(at(events, 10)?.gpu?.coverage).toBeCloseTo(1, 9)
  })

  test('rule 8: after the last sample the value is carried for max_gap and counted as carried, then it is unknown', () => {
    const events = run(
      new Table(),
      [
        [1, metrics(gauge('DCGM_FI_DEV_GPU_UTIL', s(1), 50, GPU))],
        [9, metrics(gauge('DCGM_FI_DEV_GPU_UTIL', s(9), 50, GPU))],
      ],
      140,
    )
    expect(at(events, 20)?.gpu).toMatchObject({ utilization: 0.5, coverage: 0, carriedSeconds: 10 })
    expect(at(events, 90)?.gpu?.carriedSeconds).toBeCloseTo(9, 9)
    expect(at(events, 100)).toBeUndefined()
  })

  test('rules 9, 10: tokens, requests and energy are booked by value; what lies before is late; the sums are the whole growth', () => {
    const step = (second: number) =>
      metrics(
        tokens(second, second * 10),
        counter('vllm:prompt_tokens_total', s(second), second * 3, ENGINE),
        counter('vllm:request_success_total', s(second), second, { ...ENGINE, finished_reason: 'stop' }),
        counter('vllm:request_success_total', s(second), 5, { ...ENGINE, finished_reason: 'length' }),
        energy(second, second * 700),
      )
    const events = run(
      new Table(),
      [5, 12, 31, 62].map(second => [second, step(second)] as const),
      100,
    )
    expect(at(events, 0)).toMatchObject({ headlineSource: 'engine_metrics' })
    expect(figures(at(events, 0)!, 'engine_metrics')).toMatchObject({ input: 15, output: 50 })
    expect(sum(events, event => (event.gpu?.energyJoules ?? 0) + (event.gpu?.lateEnergyJoules ?? 0))).toBeCloseTo(57 * 700, 6)
    expect(
      sum(events, event => (figures(event, 'engine_metrics')?.output ?? 0) + (figures(event, 'engine_metrics')?.lateOutput ?? 0)),
    ).toBeCloseTo(570, 9)
    const finished = (reason: string) =>
      sum(events, event => sum2(event.requests.filter(({ finishReason }) => finishReason === reason).map(r => r.count + r.lateCount)))
    expect(finished('stop')).toBeCloseTo(57, 9)
    expect(finished('length')).toBe(0)
    // The sample at 62 came 31 s after the one before: what it says of closed windows is late.
    expect(sum(events, event => event.gpu?.lateEnergyJoules)).toBeGreaterThan(0)
  })
  const sum2 = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

  test('rule 9: histograms are booked per bucket, in whole counts', () => {
    const ttft = (second: number, counts: number[], total: number) =>
      metrics(histogram('vllm:time_to_first_token_seconds', s(second), [0.1, 1], counts, total, ENGINE))
    const events = run(new Table(), [
      [5, ttft(5, [0, 0, 0], 0)],
      [15, ttft(15, [3, 5, 1], 4.5)],
      [25, ttft(25, [3, 7, 1], 5.5)],
    ])
    const [first] = at(events, 0)?.serving?.latencies ?? []
    expect(first).toMatchObject({ name: 'time_to_first_token', bounds: [0.1, 1], bucketCounts: [1, 2, 0], count: 3, late: false })
    expect(first?.sum).toBeCloseTo(2.25, 9)
    expect(sum(events, event => sum2((event.serving?.latencies ?? []).map(({ count }) => count)))).toBe(11)
    expect(sum(events, event => sum2((event.serving?.latencies ?? []).map(latency => latency.sum)))).toBeCloseTo(5.5, 9)
  })

  test('rule 12: the headline is the first source that lives; the others stand beside and are not added', () => {
    const call = (second: number, kind: 'server' | 'client', output: number) =>
      spans({ start: second - 1, end: second, kind, attributes: { 'gen_ai.usage.output_tokens': output, 'gen_ai.usage.input_tokens': 1 } })
    const events = run(new Table(), [
      [1, metrics(tokens(1, 0))],
      [5, call(5, 'server', 40)],
      [6, call(6, 'client', 39)],
      [9, metrics(tokens(9, 42))],
      [12, call(12, 'server', 7)],
    ])
    expect(at(events, 0)?.headlineSource).toBe('engine_metrics')
    expect(at(events, 0)?.tokens).toMatchObject([
      { source: 'engine_metrics', output: 42 },
      { source: 'engine_spans', input: 1, output: 40 },
      { source: 'client_spans', output: 39 },
    ])
    // No sample of the engine in this window: its gap is filled by its own late growth, never by another source.
    expect(at(events, 10)?.headlineSource).toBe('engine_metrics')
    expect(at(events, 10)?.requests).toContainEqual({ source: 'engine_spans', finishReason: '', count: 1, lateCount: 0 })
  })

  test('rule 12: without engine metrics the engine’s spans are the headline; aggregates are never counted', () => {
    const usage = { 'gen_ai.usage.prompt_tokens': 3, 'gen_ai.usage.completion_tokens': 4 }
    const events = run(new Table(), [
      [
        3,
        spans(
          { start: 1, end: 2, kind: 'server', attributes: usage },
          { start: 1, end: 2, kind: 'client', attributes: { ...usage, 'gen_ai.operation.name': 'invoke_agent' } },
          { start: 1, end: 2, kind: 'internal', attributes: usage },
        ),
      ],
    ])
    expect(at(events, 0)?.headlineSource).toBe('engine_spans')
    expect(at(events, 0)?.tokens).toEqual([{ source: 'engine_spans', input: 3, output: 4, cached: 0 }])
    expect(at(events, 0)?.spans).toMatchObject({ count: 3 })
  })

  test('rule 12: a source that was not seen for history is no longer the headline', () => {
    const shorter = { ...WINDOWING, maxGap: 12_000, history: 60_000 }
    const call = (second: number) =>
      spans({ start: second - 1, end: second, kind: 'server', attributes: { 'gen_ai.usage.output_tokens': 1 } })
    const events = run(
      new Table({}, shorter),
      [[1, metrics(tokens(1, 0))], ...[3, 20, 40, 60, 80].map(second => [second, call(second)] as const)],
      120,
    )
    expect(at(events, 0)?.headlineSource).toBe('engine_metrics')
    expect(at(events, 40)?.headlineSource).toBe('engine_spans')
  })

  test('both old and new names of a token count are the same count', () => {
    const both = { 'gen_ai.usage.input_tokens': 5, 'gen_ai.usage.prompt_tokens': 5, 'gen_ai.usage.output_tokens': '6' }
    const events = run(new Table(), [[3, spans({ start: 1, end: 2, kind: 'server', attributes: both })]])
    expect(at(events, 0)?.tokens).toMatchObject([{ input: 5, output: 6 }])
  })

  test('without an energy counter power is integrated, and the event says so', () => {
    const power = (second: number, watts: number) => metrics(gauge('DCGM_FI_DEV_POWER_USAGE', s(second), watts, GPU))
    const events = run(new Table(), [
      [0, power(0, 100)],
      [10, power(10, 300)],
      [20, power(20, 300)],
    ])
    expect(at(events, 0)).toMatchObject({ flags: ['energy_from_power'], gpu: { energyJoules: 3000, powerWatts: 300 } })
  })

  test('a shared GPU: watts and joules are multiplied by the share, utilisation and temperature are not; other owners get their part', () => {
    const table = new Table()
    const resource = { ...TARGET, 'ai_factory.gpu.share': 0.25, 'ai_factory.gpu.owners': ['prod/chat/other'] }
    const step = (second: number) =>
      batch('metrics', {
        resource,
        items: [
          gauge('DCGM_FI_DEV_GPU_UTIL', s(second), 80, GPU),
          gauge('DCGM_FI_DEV_POWER_USAGE', s(second), 400, GPU),
          energy(second, second * 400),
        ],
      })
    for (const second of [0, 10, 20]) table.append(s(second), step(second))
    table.closeUntil(s(21), s(40))
    const outs = table.take()
    const events = eventsOf(outs)
    for (const workloadId of [W, 'prod/chat/other'])
      expect(events.find(event => event.windowStartMs === s(0) && event.workloadId === workloadId)?.gpu).toMatchObject({
        utilization: 0.8,
        powerWatts: 100,
        energyJoules: 1000,
      })
    // The sample itself goes on once.
    expect(outs.filter(({ signal }) => signal === 'metrics')).toHaveLength(3)
  })

  test('the slowest spans and the first errors of a window are named, a few of each', () => {
    const events = run(new Table(), [[9, spans(...Array.from({ length: 20 }, (_, i) => ({ start: 8 - i / 10, end: 8, error: i < 9 })))]])
    const { exemplars = [] } = at(events, 0) ?? {}
    expect(exemplars.filter(({ reason }) => reason === 'slowest').map(({ durationSeconds }) => durationSeconds)).toEqual([1.9, 1.8, 1.7])
    expect(exemplars.filter(({ reason }) => reason === 'error')).toHaveLength(3)
  })

  test('both names of one series at once are one series', () => {
    const both = (second: number) =>
      metrics(
        tokens(second, second * 10),
        counter('vllm:generation_tokens', s(second), second * 10, ENGINE),
        energy(second, second),
        gauge('DCGM_FI_DEV_POWER_USAGE', s(second), 100, GPU),
        gauge('DCGM_FI_DEV_BOARD_POWER_WATTS', s(second), 100, GPU),
      )
    const events = run(
      new Table(),
      [0, 10].map(second => [second, both(second)] as const),
    )
    expect(figures(at(events, 0)!, 'engine_metrics')?.output).toBeCloseTo(100, 9)
    expect(at(events, 0)?.gpu?.powerWatts).toBe(100)
  })

  test('a counter of delta temporality is not mistaken for a cumulative one', () => {
    const table = new Table()
    run(table, [[1, metrics(counter('vllm:generation_tokens', s(1), 5, ENGINE, 1))]])
    expect(table.ignored.delta_temporality).toBe(1)
  })

  test('rule 21: when settings change, open windows close as cut and the new ones begin where they end', () => {
    const table = new Table()
    for (let second = 0; second <= 30; second++) table.append(s(second), metrics(tokens(second, second), energy(second, second)))
    table.timetable.change(s(31), { ...WINDOWING, window: 20_000 })
    for (let second = 32; second <= 60; second++) table.append(s(second), metrics(tokens(second, second), energy(second, second)))
    table.closeUntil(s(61), s(140))
    const events = eventsOf(table.take())
    expect(events.some(({ flags }) => flags.includes('cut'))).toBe(true)
    for (let i = 1; i < events.length; i++)
      expect(events[i]!.windowStartMs).toBeGreaterThanOrEqual(events[i - 1]!.windowStartMs + events[i - 1]!.windowLengthMs)
    expect(
      sum(events, event => (figures(event, 'engine_metrics')?.output ?? 0) + (figures(event, 'engine_metrics')?.lateOutput ?? 0)),
    ).toBeCloseTo(60, 9)
  })

  test('rule 23: workloads beyond max_workloads are counted together, and nothing of them is lost', () => {
    const table = new Table({ maxWorkloads: 2 })
    for (let i = 0; i < 5; i++)
      table.append(s(3), batch('traces', { resource: { 'ai_factory.workload.id': `w${i}` }, items: [span({ start: s(1), end: s(2) })] }))
    table.closeUntil(s(4), s(20))
    const events = eventsOf(table.take())
    expect(events.map(({ workloadId, spans }) => [workloadId, spans?.count])).toEqual([
      ['ai_factory.overflow', 3],
      ['w0', 1],
      ['w1', 1],
    ])
    expect(events[0]?.flags).toEqual(['overflow'])
    expect(table.ignored.workloads_full).toBe(3)
  })

  test('rule 23: when the state is full new series are not remembered, and counted', () => {
    let room = true
    const table = new Table({ room: () => room })
    table.append(s(1), metrics(energy(1, 0)))
    room = false
    table.append(s(2), metrics(energy(2, 7), energy(2, 9, { UUID: 'GPU-new' })))
    table.closeUntil(s(3), s(20))
    expect(eventsOf(table.take())[0]?.gpu).toMatchObject({ count: 1, energyJoules: 7 })
    expect(table.ignored.state_full).toBe(1)
  })
})

/** A little factory: what it did, second by second, and how it was told to the gateway. */
const factory = fc.record({
  every: fc.integer({ min: 1, max: 12 }),
  rises: fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 25 })), { minLength: 5, maxLength: 30 }),
  delays: fc.array(fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 0, max: 4 }) }, fc.integer({ min: 0, max: 50 })), {
    minLength: 3,
    maxLength: 20,
  }),
})
const SECONDS = 150

/** Telemetry of the factory as [append second, order, batch], and its books. */
const told = ({ every, rises, delays }: { every: number; rises: [number, number][]; delays: number[] }) => {
  const steps: [number, Batch][] = []
  const books = { output: 0, requests: 0, joules: 0 }
  let output = 0
  let requests = 0
  let joules = 0
  let before: { output: number; requests: number; joules: number } | undefined
  for (let second = 0; second < SECONDS; second++) {
    const [rise, die] = rises[second % rises.length]!
    // Now and then the engine is restarted just before it is read.
    const reset = die === 0 && second % every === 0
    output = reset ? 0 : output + rise
    requests = reset ? 0 : requests + (rise % 3)
    joules += 300 + rise / 7
    if (second % every !== 0) continue
    // A late telling of the very first samples cannot be counted: they come in time.
    const delay = second < 20 ? 0 : delays[second % delays.length]!
    steps.push([
      second + 1 + delay,
      metrics(
        tokens(second, output),
        counter('vllm:request_success_total', s(second), requests, { ...ENGINE, finished_reason: 'stop' }),
        energy(second, joules),
        gauge('DCGM_FI_DEV_GPU_UTIL', s(second), rise / 5, GPU),
        gauge('DCGM_FI_DEV_GPU_TEMP', s(second), rise / 9, { ...GPU, UUID: `GPU-${second % 3}` }),
        histogram('vllm:time_to_first_token_seconds', s(second), [0.1, 1], [output, requests, output], output / 3, ENGINE),
      ),
    ])
    if (before) {
      const fell = output < before.output || requests < before.requests
      books.output += output < before.output ? output : output - before.output
      books.requests += requests < before.requests ? requests : requests - before.requests
      books.joules += joules - before.joules
      if (fell && !reset) throw new Error('a counter fell without a restart')
    }
    before = { output, requests, joules }
    steps.push([
      second + 1 + delays[(second + 1) % delays.length]!,
      spans({ start: second - 3, end: second, kind: 'server', attributes: { 'gen_ai.usage.output_tokens': rise } }),
    ])
  }
  steps.sort(([a], [b]) => a - b)
  return { steps, books }
}

describe('sums over the events', () => {
  test('rule 10: are what went in, for tokens, requests and energy to 1e-9, for latencies and spans exactly, however late and out of order it came', () => {
    fc.assert(
      fc.property(factory, plan => {
        const { steps, books } = told(plan)
        const table = new Table()
        const events = run(table, steps, 400)
        const close = (got: number, expected: number) => expect(Math.abs(got - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, expected))
        close(
          sum(events, event => (figures(event, 'engine_metrics')?.output ?? 0) + (figures(event, 'engine_metrics')?.lateOutput ?? 0)),
          books.output,
        )
        close(
          sum(events, event => sumOf(event.requests.filter(({ source }) => source === 'engine_metrics'))),
          books.requests,
        )
        close(
          sum(events, event => (event.gpu?.energyJoules ?? 0) + (event.gpu?.lateEnergyJoules ?? 0)),
          books.joules,
        )
        const counted = sum(events, event => (event.serving?.latencies ?? []).reduce((total, { count }) => total + count, 0))
        expect(counted).toBe(2 * books.output + books.requests)
        const appended = steps.filter(([, out]) => out.signal === 'traces').length
        expect(sum(events, event => (event.spans?.count ?? 0) + (event.spans?.lateCount ?? 0))).toBe(appended)
        expect(table.timetable.errors).toEqual([])
      }),
      {
        numRuns: 60,
        // A counter that stands still as far as was told, until late samples show that it was restarted again and again.
        examples: [
          [
            {
              every: 2,
              rises: [
                [0, 1],
                [0, 0],
                [0, 0],
                [0, 0],
                [0, 0],
                [1, 0],
              ],
              delays: [0, 0, 24, 0, 22, 0],
            },
          ],
        ],
      },
    )
  })
  const sumOf = (requests: readonly { count: number; lateCount: number }[]) =>
    requests.reduce((total, { count, lateCount }) => total + count + lateCount, 0)

  test('rule 20: restored at any moment, the join emits the same bytes after it as if nothing had happened', () => {
    fc.assert(
      fc.property(factory, fc.array(fc.nat({ max: 260 }), { maxLength: 4 }), (plan, restarts) => {
        const { steps } = told(plan)
        const shorter = { ...WINDOWING, maxGap: 12_000, history: 60_000 }
        const outputs = (stops: readonly number[]) => {
          const table = new Table({}, shorter)
          const bytes: string[] = []
          const drain = () => {
            for (const out of table.take()) bytes.push(`${out.signal} ${Buffer.concat([...out.slices]).toString('hex')}`)
          }
          let next = 0
          for (let second = 0; second < 260; second++) {
            for (; next < steps.length && steps[next]![0] <= second; next++) table.append(s(second), steps[next]![1])
            table.tick(s(second) + 500)
            drain()
            if (stops.includes(second)) {
              table.timetable.restart(table.timetable.checkpoint())
              drain()
            }
          }
          return bytes
        }
        expect(outputs(restarts)).toEqual(outputs([]))
      }),
      { numRuns: 40 },
    )
  })
})

describe('objectives', () => {
  const judged = (missed: readonly string[], output: number, more: Values = {}): SpanSpec => ({
    start: 1,
    end: 2,
    kind: 'server',
    attributes: {
      'gen_ai.usage.output_tokens': output,
      'ai_factory.slo.good': missed.length === 0,
      ...(missed.length > 0 ? { 'ai_factory.slo.missed': missed } : {}),
      'ai_factory.slo.target': 0.95,
      ...more,
    },
  })
  const figuresOf = (change: object) => ({
    source: 'engine_spans',
    target: 0.95,
    eligible: 0,
    good: 0,
    goodOutput: 0,
    errors: 0,
    missedTimeToFirstToken: 0,
    missedTimePerOutputToken: 0,
    missedDuration: 0,
    ...change,
  })

  test('verdicts are counted by what was missed, tokens of good requests alone; late ones in the window that books them', () => {
    const events = run(new Table(), [
      [
        3,
        spans(
          judged([], 10, { 'tenant.id': 'a' }),
          judged([], 20),
          judged(['time_to_first_token', 'duration'], 40, { 'tenant.id': 'a' }),
          judged(['error'], 80),
          judged(['no such objective'], 1),
          { start: 1, end: 2, kind: 'server', attributes: { 'gen_ai.usage.output_tokens': 7 } },
        ),
      ],
      [30, spans(judged([], 5))],
    ])
    expect(at(events, 0)?.slo).toEqual([
      figuresOf({ eligible: 5, good: 2, goodOutput: 30, errors: 1, missedTimeToFirstToken: 1, missedDuration: 1 }),
    ])
    expect(at(events, 10)?.slo).toEqual([figuresOf({ eligible: 1, good: 1, goodOutput: 5 })])
    expect(at(events, 0)?.tenants.find(({ tenant }) => tenant === 'a')).toMatchObject({ requests: 2, eligible: 2, good: 1 })
  })

  test('without verdicts nothing is said', () => {
    expect(
      at(run(new Table(), [[3, spans({ start: 1, end: 2, kind: 'server', attributes: { 'gen_ai.usage.output_tokens': 7 } })]]), 0)?.slo,
    ).toEqual([])
  })
})

describe('tenants', () => {
  const call = (tenant: string | undefined, input: number, output: number, kind: 'server' | 'client' = 'client'): SpanSpec => ({
    start: 1,
    end: 2,
    kind,
    attributes: {
      'gen_ai.usage.input_tokens': input,
      'gen_ai.usage.output_tokens': output,
      ...(tenant === undefined ? {} : { 'tenant.id': tenant }),
    },
  })

  test('what each of them took, those without a name together, late ones included; sources stand beside each other', () => {
    const events = run(new Table(), [
      [3, spans(call('b', 10, 1), call(undefined, 5, 5), call('a', 1, 2), call('b', 20, 2), call('a', 7, 8, 'server'))],
      [30, spans(call('a', 100, 0))],
    ])
    const row = (source: string, tenant: string, requests: number, input: number, output: number) => ({
      source,
      tenant,
      requests,
      input,
      output,
      cached: 0,
    })
    expect(at(events, 0)?.tenants).toEqual([
      row('engine_spans', 'a', 1, 7, 8),
      row('client_spans', '', 1, 5, 5),
      row('client_spans', 'a', 1, 1, 2),
      row('client_spans', 'b', 2, 30, 3),
    ])
    expect(at(events, 10)?.tenants).toEqual([row('client_spans', 'a', 1, 100, 0)])
  })

  test('the resource names the tenant of spans that do not; nobody named is nothing said; names come off the wire', () => {
    const resource = { ...RESOURCE, 'tenant.id': '__proto__' }
    const own = batch('traces', {
      resource,
      items: [call(undefined, 1, 1), call('x'.repeat(300), 2, 2)].map(spec => span({ ...spec, start: s(1), end: s(2) })),
    })
    const events = run(new Table(), [
      [3, own],
      [12, batch('traces', { resource: RESOURCE, items: [span({ ...call(undefined, 1, 1), start: s(11), end: s(12) })] })],
    ])
    expect(at(events, 0)?.tenants.map(({ tenant, input }) => [tenant, input])).toEqual([
      ['__proto__', 1],
      ['x'.repeat(256), 2],
    ])
    expect(at(events, 10)?.tenants).toEqual([])
  })

  test('beyond a thousand they are one', () => {
    const events = run(new Table(), [[3, spans(...Array.from({ length: 1005 }, (_, i) => call(`t${i}`, 1, 0)))]])
    const tenants = at(events, 0)?.tenants ?? []
    expect(tenants).toHaveLength(1001)
    expect(tenants.find(({ tenant }) => tenant === 'ai_factory.overflow')?.requests).toBe(5)
  })
})
