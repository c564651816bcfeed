/** What is thrown across an edge, and what is counted there. */
import fc from 'fast-check'
import { Batch } from '../proto/batch.js'
import { PartialError, PermanentError, RetryableError } from './errors.js'
import { Recorder } from './testing/recorder.js'
import { ALL, batch, world } from './testing/world.js'

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

  it('balances every edge when part of a batch is refused for good, and tells whoever sent it how much', async () => {
    const w = world()
    const out = new Recorder()
    const picky = w.processor(ALL, async (given, next) => {
      await next(given)
      throw new PartialError('3 are too large', 'too_large', 3)
    })
    const same = w.processor(ALL)
    w.graph(
      { f: { receivers: ['in'], processors: ['same', 'picky'], exporters: ['out'] } },
      { processors: { same, picky }, exporters: { out: w.exporter(out) } },
    )
    await expect(w.send(batch('traces', 10))).rejects.toMatchObject({ items: 3, reason: 'too_large' })
    const books = (component: string) =>
      ['received', 'acknowledged', 'held', 'refused'].map(column => w.meter.sum(`ai_factory_gateway_${column}_items`, { component }))
    expect(['in', 'same', 'picky', 'out'].map(books)).toEqual([
      [10, 7, 0, 3],
      [10, 7, 0, 3],
      [10, 7, 0, 3],
      [10, 10, 0, 0],
    ])
    expect(w.meter.sum('otelcol_receiver_accepted_spans', { receiver: 'in' })).toBe(7)
    expect(w.meter.sum('otelcol_receiver_refused_spans', { receiver: 'in' })).toBe(3)
  })

  it('delivers every batch exactly once to every branch and balances, whatever fails, behind a caller that sends again', async () => {
    const answer = fc.constantFrom('yes', 'yes', 'later', 'never', 'bug')
    const errors = {
      later: new RetryableError('later', 'queue_full'),
      never: new PermanentError('never', 'bad_data'),
      bug: new TypeError('bug'),
    }
    const script = fc.array(answer, { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), script, script), { minLength: 1, maxLength: 5 }), async rounds => {
        const w = world()
        const outs = [new Recorder(), new Recorder()]
        w.graph(
          { f: { receivers: ['in'], processors: [], exporters: ['a', 'b'] } },
          { exporters: { a: w.exporter(outs[0]!), b: w.exporter(outs[1]!) } },
        )
        const settled = outs.map(() => new Map<Batch, number>())
        let attempts = 0
        for (const [items, ...scripts] of rounds) {
          const sent = batch('traces', items)
          outs.forEach((out, i) => {
            const left = [...scripts[i]!]
            out.answer = given => {
              const said = left.shift() ?? 'yes'
              if (said === 'yes' || said === 'never') settled[i]!.set(given, (settled[i]!.get(given) ?? 0) + 1)
              return said === 'yes' ? undefined : errors[said]
            }
          })
          for (let again = true; again; ) {
            attempts += items
            again = await w.send(sent).then(
              () => false,
              error => error instanceof RetryableError,
            )
          }
        }
        for (const seen of settled) expect([...seen.values()]).toEqual(rounds.map(() => 1))
        const column = (name: string, component: string) => w.meter.sum(`ai_factory_gateway_${name}_items`, { component })
        for (const [i, component] of ['a', 'b'].entries()) {
          const handed = outs[i]!.items
          expect(column('received', component)).toBe(handed)
          expect(column('acknowledged', component) + column('refused', component)).toBe(handed)
          expect(column('held', component)).toBe(0)
        }
        expect(column('received', 'in')).toBe(attempts)
        expect(column('acknowledged', 'in') + column('refused', 'in')).toBe(attempts)
      }),
      { numRuns: 100 },
    )
  })
})
