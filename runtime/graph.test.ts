/** Which batch goes where. */
import { Batch, type Signal } from '../proto/batch.js'
import { eventsBatch } from '../proto/events/codec.js'
import { bareEvent } from '../proto/testing/events.js'
import type { Upstream } from './component.js'
import { PermanentError, RetryableError } from './errors.js'
import { Recorder } from './testing/recorder.js'
import { ALL, batch, world } from './testing/world.js'

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

  it('tells a processor what anybody behind it reads, so that nothing else need be made', () => {
    const w = world()
    const told: Record<string, readonly Signal[] | undefined> = {}
    const listening = (id: string, signals: readonly Signal[]) => {
      const known = w.processor(signals)
      const create: typeof known.create = (config, context) => {
        told[id] = (context as Upstream).signals
        return known.create(config, context)
      }
      return { ...known, create }
    }
    w.graph(
      { a: { receivers: ['in'], processors: ['first', 'spans', 'last'], exporters: ['out'] } },
      {
        processors: { first: listening('first', ALL), spans: listening('spans', ['traces']), last: listening('last', ['metrics']) },
        exporters: { out: w.exporter(new Recorder(), ['metrics']) },
      },
    )
    expect(told).toEqual({ last: ['metrics', 'events'], spans: ['metrics', 'events'], first: ['traces', 'metrics', 'events'] })
  })

  it('refuses for good what no pipeline of the receiver carries, so that the sender hears of it', async () => {
    const w = world()
    w.graph({ traces: { receivers: ['in'], processors: [], exporters: ['out'] } }, { exporters: { out: w.exporter(new Recorder()) } })
    await expect(w.send(batch('metrics'))).rejects.toMatchObject({ name: 'PermanentError', reason: 'no_pipeline' })
    expect(w.meter.sum('otelcol_receiver_refused_metric_points', { receiver: 'in', transport: 'grpc' })).toBe(2)
  })
})

describe('correlated events', () => {
  const event = (workloadId: string) => bareEvent({ workloadId, spans: { count: 3, errors: 1, lateCount: 0, lateErrors: 0 } })
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
