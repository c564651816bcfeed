import { z } from 'zod'
import { Batch, type Signal } from '../proto/batch.js'
import { eventsBatch } from '../proto/events/codec.js'
import type { CorrelatedEvent } from '../proto/events/event.js'
import { type Component, type Consume, component, type Lifecycle } from './component.js'
import { PermanentError, RetryableError } from './errors.js'
import { buildGraph, type GraphPlan, type PipelinePlan } from './graph.js'
import { HEALTH, type Health } from './health.js'
import { TokenMap } from './host.js'
import { FAREWELL_MS } from './lifecycle.js'
import { harness } from './testing/harness.js'
import { Recorder } from './testing/recorder.js'

const OTLP: readonly Signal[] = ['traces', 'metrics', 'logs']
const ALL: readonly Signal[] = [...OTLP, 'events']
const batch = (signal: Signal = 'traces', items = 2) => Batch.of(signal, [new Uint8Array([10, 0])], items, { transport: 'grpc' })
const never = () => new AbortController().signal

const about = { summary: 'For a test.', stability: 'stable', config: z.strictObject({}), examples: {} } as const

/** A factory of small components whose lifecycle is written to `journal`. */
const world = () => {
  const { context, clock, log, meter } = harness('graph')
  const journal: string[] = []
  const failures = new Map<string, Error>()
  const lifecycle = (id: string): Lifecycle => ({
    async start() {
      journal.push(`start ${id}`)
      const failure = failures.get(`start ${id}`)
      if (failure) throw failure
    },
    async stop() {
      journal.push(`stop ${id}`)
      const failure = failures.get(`stop ${id}`)
      if (failure) throw failure
    },
  })
  const entrances = new Map<string, Consume>()
  let created = 0
  const receiver = component({
    ...about,
    kind: 'receiver',
    type: 'in',
    signals: ALL,
    create(_, { id, next }) {
      created += 1
      entrances.set(id, next)
      return lifecycle(id)
    },
  })
  const processor = (signals: readonly Signal[], work: (given: Batch, next: Consume) => Promise<void> = (given, next) => next(given)) =>
    component({
      ...about,
      kind: 'processor',
      type: 'mid',
      signals,
      create(_, { id, next, pipeline }) {
        created += 1
        return { ...lifecycle(`${id}@${pipeline}`), consume: given => work(given, next) }
      },
    })
  const exporter = (out: Recorder, signals: readonly Signal[] = OTLP) =>
    component({
      ...about,
      kind: 'exporter',
      type: 'out',
      signals,
      create(_, { id }) {
        created += 1
        return { ...lifecycle(id), consume: out.consume }
      },
    })
  let health: Health | undefined
  const extension = component({
    ...about,
    kind: 'extension',
    type: 'ext',
    signals: [],
    create(_, { id, host }) {
      health = host.get(HEALTH)
      return lifecycle(id)
    },
  })
  const graph = (
    pipelines: Record<string, PipelinePlan>,
    parts: { processors?: Record<string, Component<'processor'>>; exporters: Record<string, Component<'exporter'>> },
  ) => {
    const plan: GraphPlan = {
      receivers: { in: { component: receiver, config: {} }, 'in/b': { component: receiver, config: {} } },
      processors: Object.fromEntries(Object.entries(parts.processors ?? {}).map(([id, made]) => [id, { component: made, config: {} }])),
      exporters: Object.fromEntries(Object.entries(parts.exporters).map(([id, made]) => [id, { component: made, config: {} }])),
      extensions: { ext: { component: extension, config: {} } },
      pipelines,
    }
    return buildGraph(plan, { log, meter, clock, host: context.host })
  }
  const send = (given: Batch, receiverId = 'in') => entrances.get(receiverId)!(given)
  return { graph, processor, exporter, send, journal, failures, log, meter, clock, count: () => created, health: () => health! }
}

describe('lifecycle', () => {
  it('starts downstream first and stops upstream first, whichever pipelines share the parts', async () => {
    const w = world()
    const out = new Recorder()
    const graph = w.graph(
      {
        a: { receivers: ['in'], processors: ['p', 'q'], exporters: ['out'] },
        b: { receivers: ['in', 'in/b'], processors: ['q'], exporters: ['out'] },
      },
      { processors: { p: w.processor(ALL), q: w.processor(ALL) }, exporters: { out: w.exporter(out), unused: w.exporter(out) } },
    )
    expect(w.count()).toBe(6)
    await graph.start()
    expect(w.journal).toEqual(['start ext', 'start out', 'start q@a', 'start p@a', 'start q@b', 'start in', 'start in/b'])
    w.journal.length = 0
    await graph.stop(never())
    expect(w.journal).toEqual(['stop in', 'stop in/b', 'stop p@a', 'stop q@b', 'stop q@a', 'stop out', 'stop ext'])
  })

  it('names the component that cannot start, stops what had started, and can be started again', async () => {
    const w = world()
    const graph = w.graph(
      { a: { receivers: ['in', 'in/b'], processors: [], exporters: ['out'] } },
      { exporters: { out: w.exporter(new Recorder()) } },
    )
    w.failures.set('start in/b', new Error('port 4317 is taken'))
    await expect(graph.start()).rejects.toThrow('receiver in/b: port 4317 is taken')
    expect(w.journal).toEqual(['start ext', 'start out', 'start in', 'start in/b', 'stop in', 'stop in/b', 'stop out', 'stop ext'])
    w.failures.clear()
    await graph.start()
    await graph.stop(never())
  })

  it('stops without start, twice, and from the middle of a start', async () => {
    const w = world()
    const graph = w.graph(
      { a: { receivers: ['in'], processors: [], exporters: ['out'] } },
      { exporters: { out: w.exporter(new Recorder()) } },
    )
    await graph.stop(never())
    expect(w.journal).toEqual([])
    const starting = graph.start()
    const stopping = graph.stop(never())
    await expect(starting).rejects.toThrow('stopped while starting')
    await stopping
    await graph.stop(never())
    expect(w.journal.filter(line => line.startsWith('start')).length).toBe(w.journal.filter(line => line.startsWith('stop')).length)
    await graph.start()
    await Promise.all([graph.stop(never()), graph.stop(never())])
    expect(w.journal.at(-1)).toBe('stop ext')
  })

  it('goes on stopping past a part that fails and a part that hangs until the deadline, and says so', async () => {
    const w = world()
    const hanging = component({
      ...about,
      kind: 'processor',
      type: 'mid',
      signals: ALL,
      create: (_, { next }) => ({ consume: next, stop: () => new Promise(() => {}) }),
    })
    const graph = w.graph(
      { a: { receivers: ['in'], processors: ['hanging'], exporters: ['out'] } },
      { processors: { hanging }, exporters: { out: w.exporter(new Recorder()) } },
    )
    await graph.start()
    w.failures.set('stop in', new Error('socket lost'))
    const deadline = new AbortController()
    const stopping = graph.stop(deadline.signal)
    deadline.abort()
    await w.clock.advance(FAREWELL_MS)
    await stopping
    expect(w.journal.slice(-3)).toEqual(['stop in', 'stop out', 'stop ext'])
    expect(w.log.lines.filter(line => line.level === 'error').map(line => [line.fields.component, line.message])).toEqual([
      ['in', 'failed to stop'],
      ['hanging', expect.stringContaining('did not stop before the deadline')],
    ])
  })

  it('tells senders, before their connections go, what an exporter could not deliver by the deadline', async () => {
    const w = world()
    const journal: string[] = []
    let sending: Promise<void> = Promise.resolve()
    const receiver = component({
      ...about,
      kind: 'receiver',
      type: 'in',
      signals: ALL,
      create: (_, { next }) => ({
        async start() {
          sending = next(batch()).catch(error => void journal.push(`sender told: ${error.reason}`))
        },
        async stop(deadline) {
          await Promise.race([sending, new Promise(resolve => deadline.addEventListener('abort', resolve))])
          journal.push(`connections gone, ${deadline.aborted ? 'late' : 'in time'}`)
        },
      }),
    })
    let giveBack: (error: Error) => void = () => {}
    const exporter = component({
      ...about,
      kind: 'exporter',
      type: 'out',
      signals: OTLP,
      create: () => ({
        consume: () => new Promise((_, reject) => (giveBack = reject)),
        async stop(deadline) {
          expect(deadline.aborted).toBe(true)
          giveBack(new RetryableError('the gateway is shutting down', 'shutdown'))
        },
      }),
    })
    const pipelines = { f: { receivers: ['in'], processors: [], exporters: ['out'] } }
    const parts = { receivers: { in: { component: receiver, config: {} } }, exporters: { out: { component: exporter, config: {} } } }
    const graph = buildGraph(
      { ...parts, processors: {}, extensions: {}, pipelines },
      { log: w.log, meter: w.meter, clock: w.clock, host: new TokenMap() },
    )
    await graph.start()
    const deadline = new AbortController()
    const stopping = graph.stop(deadline.signal)
    await new Promise(setImmediate)
    expect(journal).toEqual([])
    deadline.abort()
    await stopping
    expect(journal).toEqual(['sender told: shutdown', 'connections gone, in time'])
    expect(w.clock.pending).toBe(0)
  })

  it('is ready exactly between the last start and the first stop', async () => {
    const w = world()
    const graph = w.graph(
      { a: { receivers: ['in'], processors: [], exporters: ['out'] } },
      { exporters: { out: w.exporter(new Recorder()) } },
    )
    expect(w.health().readySince).toBeUndefined()
    await graph.start()
    expect(w.health().readySince).toBe(1_800_000_000_000)
    await graph.stop(never())
    expect(w.health().readySince).toBeUndefined()
  })

  it('names the component whose making fails', () => {
    const w = world()
    const broken = component({
      ...about,
      kind: 'exporter',
      type: 'out',
      signals: OTLP,
      create: () => {
        throw new Error('no such file: ca.pem')
      },
    })
    expect(() => w.graph({ a: { receivers: ['in'], processors: [], exporters: ['broken'] } }, { exporters: { broken } })).toThrow(
      'exporter broken: no such file: ca.pem',
    )
  })
})

describe('routing', () => {
  it('carries one signal through a typed pipeline and all through any other, by the receivers that feed it', async () => {
    const w = world()
    const [typed, free] = [new Recorder(), new Recorder()]
    w.graph(
      {
        'traces/x': { receivers: ['in'], processors: [], exporters: ['typed'] },
        factory: { receivers: ['in', 'in/b'], processors: [], exporters: ['free'] },
      },
      { exporters: { typed: w.exporter(typed), free: w.exporter(free) } },
    )
    const [span, point, other] = [batch('traces'), batch('metrics'), batch('traces')]
    await w.send(span)
    await w.send(point)
    await w.send(other, 'in/b')
    expect(typed.batches).toEqual([span])
    expect(free.batches).toEqual([span, point, other])
  })

  it('passes signals that a processor does not list around it, as the same object and uncounted', async () => {
    const w = world()
    const out = new Recorder()
    const refusing = w.processor(['metrics'], async () => {
      throw new PermanentError('no', 'bad_data')
    })
    w.graph(
      { a: { receivers: ['in'], processors: ['refusing'], exporters: ['out'] } },
      { processors: { refusing }, exporters: { out: w.exporter(out) } },
    )
    const span = batch('traces')
    await w.send(span)
    await expect(w.send(batch('metrics'))).rejects.toThrow('no')
    expect(out.batches[0]).toBe(span)
    expect(w.meter.sum('otelcol_processor_incoming_items', { otel_signal: 'traces' })).toBe(0)
    expect(w.meter.sum('otelcol_processor_incoming_items', { otel_signal: 'metrics' })).toBe(2)
  })

  it('drops, counts and acknowledges what no exporter of the pipeline takes, with one warning', async () => {
    const w = world()
    const out = new Recorder()
    w.graph({ a: { receivers: ['in'], processors: [], exporters: ['out'] } }, { exporters: { out: w.exporter(out, ['traces']) } })
    await w.send(batch('logs', 3))
    await w.send(batch('logs', 4))
    expect(out.batches).toEqual([])
    expect(w.meter.sum('ai_factory_gateway_dropped_items', { component: 'a', signal: 'logs', reason: 'no_exporter' })).toBe(7)
    expect(w.log.at('warn')).toHaveLength(1)
  })

  it('refuses for good what no pipeline of the receiver carries, so that the sender hears of it', async () => {
    const w = world()
    w.graph({ traces: { receivers: ['in'], processors: [], exporters: ['out'] } }, { exporters: { out: w.exporter(new Recorder()) } })
    await expect(w.send(batch('metrics'))).rejects.toMatchObject({ name: 'PermanentError', reason: 'no_pipeline' })
    expect(w.meter.sum('otelcol_receiver_refused_metric_points', { receiver: 'in', transport: 'grpc' })).toBe(2)
  })
})

describe('correlated events', () => {
  const event = (workloadId: string): CorrelatedEvent => ({
    id: new Uint8Array(16),
    schemaVersion: 1,
    workloadId,
    workloadSource: 'attribute',
    workloadConfidence: 'exact',
    windowStartMs: 1_800_000_000_000,
    windowLengthMs: 10_000,
    flags: [],
    headlineSource: 'engine_metrics',
    tokens: [],
    requests: [],
    spans: { count: 3, errors: 1, lateCount: 0, lateErrors: 0 },
    exemplars: [],
  })
  const events = () => eventsBatch([event('prod/chat/llama'), event('prod/chat/qwen')])
  const byJoin = (w: ReturnType<typeof world>) => w.processor(ALL, (given, next) => next(given.signal === 'traces' ? events() : given))

  it('go as they are to exporters that take them, and to the others once as metrics and logs', async () => {
    const w = world()
    const [native, otlp, logs] = [new Recorder(), new Recorder(), new Recorder()]
    w.graph(
      { f: { receivers: ['in'], processors: ['join'], exporters: ['native', 'otlp', 'logs'] } },
      {
        processors: { join: byJoin(w) },
        exporters: { native: w.exporter(native, ALL), otlp: w.exporter(otlp), logs: w.exporter(logs, ['logs']) },
      },
    )
    await w.send(batch('traces'))
    expect(native.batches.map(({ signal, items }) => [signal, items])).toEqual([['events', 2]])
    expect(otlp.batches.map(({ signal }) => signal)).toEqual(['metrics', 'logs'])
    expect(logs.batches).toEqual([otlp.batches[1]])
    expect(logs.batches[0]).toBe(otlp.batches[1])
  })

  it('are rendered once and repeated only to the exporter that refused its part', async () => {
    const w = world()
    const [native, otlp] = [new Recorder(), new Recorder()]
    w.graph(
      { f: { receivers: ['in'], processors: [], exporters: ['native', 'otlp'] } },
      { exporters: { native: w.exporter(native, ALL), otlp: w.exporter(otlp) } },
    )
    otlp.answer = ({ signal }) => (signal === 'logs' ? new RetryableError('busy', 'queue_full') : undefined)
    const sent = events()
    await expect(w.send(sent)).rejects.toThrow('busy')
    otlp.answer = () => undefined
    await w.send(sent)
    expect(native.batches).toEqual([sent])
    expect(otlp.batches.map(({ signal }) => signal)).toEqual(['metrics', 'logs', 'logs'])
    expect(otlp.batches[2]).toBe(otlp.batches[1])
  })

  it('that cannot be read are refused for good', async () => {
    const w = world()
    w.graph({ f: { receivers: ['in'], processors: [], exporters: ['otlp'] } }, { exporters: { otlp: w.exporter(new Recorder()) } })
    await expect(w.send(Batch.of('events', [new Uint8Array([10, 255])], 1))).rejects.toMatchObject({
      name: 'PermanentError',
      reason: 'bad_data',
    })
  })
})

describe('refusals and books', () => {
  it('turns whatever a component throws into a retryable refusal and logs it as a bug with its stack', async () => {
    const w = world()
    const out = new Recorder()
    out.answer = () => new TypeError('x is undefined')
    w.graph({ a: { receivers: ['in'], processors: [], exporters: ['out'] } }, { exporters: { out: w.exporter(out) } })
    await expect(w.send(batch())).rejects.toMatchObject({ name: 'RetryableError', reason: 'internal' })
    expect(w.log.lines.filter(line => line.level === 'error')).toEqual([
      {
        level: 'error',
        message: expect.stringContaining('bug'),
        fields: expect.objectContaining({ component: 'out', stack: expect.stringContaining('x is undefined') }),
      },
    ])
  })

  it('balances every edge: received = acknowledged + held + refused by reason, while in flight and after', async () => {
    const w = world()
    const [a, b] = [new Recorder(), new Recorder()]
    const halving = w.processor(ALL, (given, next) => next(Batch.of(given.signal, given.slices, given.items / 2, given.metadata)))
    w.graph(
      { f: { receivers: ['in'], processors: ['halving'], exporters: ['a', 'b'] } },
      { processors: { halving }, exporters: { a: w.exporter(a), b: w.exporter(b) } },
    )
    let release: (answer: Error | undefined) => void = () => {}
    b.answer = () => new Promise(resolve => (release = resolve))
    const books = (kind: string, component: string) =>
      ['received', 'acknowledged', 'held', 'refused'].map(column =>
        w.meter.sum(`ai_factory_gateway_${column}_items`, { kind, component, signal: 'traces' }),
      )

    const first = w.send(batch('traces', 10))
    await new Promise(setImmediate)
    expect([books('receiver', 'in'), books('processor', 'halving'), books('exporter', 'a'), books('exporter', 'b')]).toEqual([
      [10, 0, 10, 0],
      [10, 0, 10, 0],
      [5, 5, 0, 0],
      [5, 0, 5, 0],
    ])
    release(undefined)
    await first
    const second = w.send(batch('traces', 20))
    await new Promise(setImmediate)
    release(new RetryableError('busy', 'queue_full'))
    await expect(second).rejects.toThrow('busy')
    expect([books('receiver', 'in'), books('processor', 'halving'), books('exporter', 'a'), books('exporter', 'b')]).toEqual([
      [30, 10, 0, 20],
      [30, 10, 0, 20],
      [15, 15, 0, 0],
      [15, 5, 0, 10],
    ])
    expect(w.meter.sum('ai_factory_gateway_refused_items', { component: 'b', reason: 'queue_full' })).toBe(10)
    expect(w.meter.sum('otelcol_receiver_accepted_spans', { receiver: 'in', transport: 'grpc' })).toBe(10)
    expect(w.meter.sum('otelcol_receiver_refused_spans', { receiver: 'in', transport: 'grpc' })).toBe(20)
    expect(w.meter.sum('otelcol_processor_incoming_items', { processor: 'halving' })).toBe(30)
    expect(w.meter.sum('otelcol_processor_outgoing_items', { processor: 'halving' })).toBe(15)
  })
})
