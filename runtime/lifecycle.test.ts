/** Starting and stopping, through the graph. */
import { component } from './component.js'
import { RetryableError } from './errors.js'
import { buildGraph } from './graph.js'
import { TokenMap } from './host.js'
import { FAREWELL_MS } from './lifecycle.js'
import { Recorder } from './testing/recorder.js'
import { ALL, about, batch, never, OTLP, world } from './testing/world.js'

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
