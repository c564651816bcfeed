/** What every driver must do, continued: checkpoints, restarts, settings, limits, order. */
import fc from 'fast-check'
import { BYTES_PER_CHUNK } from '../engine/hold.js'
import { Refusal } from '../stream.js'
import { SAMPLE, type Told } from './ledger.js'
import { type Output, Scene, WINDOWING } from './scene.js'
import type { MakeWorld } from './worlds.js'

const fingerprint = (id: number): Uint8Array => {
  const bytes = Buffer.alloc(16, 7)
  bytes.writeUInt32LE(id)
  return bytes
}
const metric = (scene: Scene, name: string): number => scene.meter.value(`ai_factory_gateway_stream_${name}`)
const texts = (scene: Scene, outs: readonly Told[]): string[] => outs.map(({ text }) => scene.relative(text))

/** What happens in a script: an append (key, event time before now, items, fact or sample) or a pause. */
type Step = { key: string; back: number; items: number; sample: boolean; copy: boolean } | { sleep: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      key: fc.constantFrom('a', 'b', 'c', 'd'),
      back: fc.constantFrom(0, 10, 60, 149, 150, 300, 1400),
      items: fc.integer({ min: 1, max: 5 }),
      sample: fc.boolean(),
      copy: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ sleep: fc.constantFrom(5, 25, 100, 700) }) },
)

/** Plays a script; at the steps in `restarts` the stream is crashed or stopped, and started again. */
const play = async (
  makeWorld: MakeWorld,
  steps: readonly Step[],
  restarts: ReadonlyMap<number, 'stop' | 'crash'>,
): Promise<{ scene: Scene; outs: Output[] }> => {
  const scene = await new Scene(makeWorld({ partitions: 3 })).start()
  let id = 0
  for (const [index, each] of steps.entries()) {
    const how = restarts.get(index)
    if (how) {
      await scene[how]()
      await scene.start()
    }
    if ('sleep' in each) await scene.sleep(each.sleep)
    else {
      const { key, back, items, sample, copy } = each
      const entry = { key, at: scene.now - back, items, ...(sample ? { kind: SAMPLE } : {}), fingerprint: fingerprint(++id), text: `${id}` }
      await scene.append(entry)
      if (copy) await scene.append(entry)
    }
  }
  await scene.sleep(WINDOWING.grace * 2 + WINDOWING.window + 300)
  await scene.stop()
  return { scene, outs: scene.outs }
}

export const conformanceOfRestarts = (driver: string, makeWorld: MakeWorld): void => {
  describe(`${driver} driver, restarts`, () => {
    describe('checkpoint', () => {
      test('rule 18: a moment is committed only when everything before it is acknowledged, in whatever order', async () => {
        const scene = await new Scene(makeWorld()).start()
        const waiting: (() => void)[] = []
        scene.deliver = () => new Promise(resolve => waiting.push(resolve))
        for (let at = 0; at < 3; at++) {
          await scene.append({ items: at + 1 })
          await scene.sleep(250)
        }
        expect(waiting.length).toBeGreaterThan(2)
        const before = metric(scene, 'checkpoints_total')
        for (const acknowledge of waiting.slice(1)) acknowledge()
        await scene.sleep(100)
        expect(metric(scene, 'checkpoints_total')).toBe(before)
        const first = texts(scene, scene.outs)[0]
        await scene.crash()
        scene.take()
        scene.deliver = async () => {}
        await scene.start()
        await scene.sleep(400)
        expect(scene.take()[0]).toBe(first)
        const committed = metric(scene, 'checkpoints_total')
        await scene.sleep(200)
        expect(metric(scene, 'checkpoints_total')).toBeGreaterThan(committed)
      })

      test('rule 19: what is needed no more is left out at a restart, what is needed is read', async () => {
        const scene = await new Scene(makeWorld()).start()
        for (let round = 0; round < 100; round++) {
          await scene.append({ kind: SAMPLE, at: scene.now })
          await scene.jump(50)
        }
        await scene.append({ at: scene.now, items: 9 })
        await scene.sleep(100)
        await scene.stop()
        const read = metric(scene, 'read_records_total')
        await scene.start()
        await scene.settle()
        const replayed = metric(scene, 'replayed_records_total')
        // Two seconds of fifty milliseconds: window + history + 4 x grace, and the spacing of marks.
        expect(replayed).toBeGreaterThan(25)
        expect(replayed).toBeLessThan(read * 0.7)
        await scene.sleep(400)
        expect(scene.take()[0]).toBe('due k@5000 x9 saw 5')
      })

      test('rule 20: a restart gives what an undisturbed run gives, wherever it happens; copies are equal', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(step, { minLength: 5, maxLength: 30 }),
            fc.array(fc.tuple(fc.nat(29), fc.constantFrom('stop' as const, 'crash' as const)), { minLength: 1, maxLength: 3 }),
            async (steps, restarts) => {
              const undisturbed = await play(makeWorld, steps, new Map())
              const disturbed = await play(makeWorld, steps, new Map(restarts))
              const sortedOnce = (scene: Scene, outs: readonly Output[]): string[] =>
                [...new Set(outs.map(({ text, value }) => `${scene.relative(text)} ${value}`))].sort()
              expect(sortedOnce(disturbed.scene, disturbed.outs)).toEqual(sortedOnce(undisturbed.scene, undisturbed.outs))
            },
          ),
          { numRuns: 12, endOnFailure: true },
        )
      }, 60_000)

      test('rule 20: an orderly restart sends nothing twice', async () => {
        const scene = await new Scene(makeWorld({ partitions: 2 })).start()
        for (let round = 0; round < 12; round++) {
          await scene.append({ key: `w${round % 3}`, items: round + 1 })
          await scene.sleep(60)
          await scene.stop()
          await scene.start()
        }
        await scene.sleep(500)
        const outs = scene.take()
        expect(new Set(outs).size).toBe(outs.length)
        expect(outs.filter(text => text.startsWith('due')).length).toBe(12)
      })

      test('rule 20: what was evicted stays evicted after a restart', async () => {
        const scene = await new Scene(makeWorld(), {}, { maxHeld: BYTES_PER_CHUNK * 2 }).start()
        await scene.append({ items: 1 }, { items: 2 }, { items: 3 }, { items: 4 })
        await scene.sleep(60)
        expect(scene.take()).toEqual(['evicted k@0 x1 saw 0', 'evicted k@0 x2 saw 0'])
        await scene.stop()
        await scene.start()
        await scene.sleep(400)
        expect(scene.take()).toEqual(['due k@0 x3 saw 0', 'due k@0 x4 saw 0', 'window 0-100 k=10'])
      })

      test('rule 21: changed settings cut the open windows, and the new ones begin where they ended', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.append({ at: 10 }, { at: 120, items: 2 })
        await scene.sleep(50)
        await scene.stop()
        const wider = { window: 300, grace: 100, maxGap: 300, history: 2000 }
        await scene.start(wider)
        await scene.sleep(150)
        expect(scene.take().filter(text => text.includes('cut'))).toEqual(['window 0-100 k=1 cut', 'window 100-200 k=2 cut'])
        await scene.append({ at: scene.now, items: 5 })
        await scene.sleep(20)
        await scene.crash()
        await scene.start(wider)
        await scene.sleep(800)
        const outs = scene.take().filter(text => text.startsWith('window'))
        expect(outs).toHaveLength(1)
        expect(outs[0]).toMatch(/^window 400-700 k=5$/)
      })

      test('rule 22: after a crash, copies are only of what followed the last checkpoint, and the epoch is new', async () => {
        const scene = await new Scene(makeWorld(), { commitInterval: 100 }).start()
        await scene.append({ items: 1 })
        await scene.sleep(600)
        const committed = scene.outs.length
        await scene.append({ at: scene.now - 400, items: 2 })
        await scene.settle()
        const [first] = scene.outs
        await scene.crash()
        await scene.jump(10)
        await scene.start()
        await scene.sleep(600)
        const outs = texts(scene, scene.outs)
        expect(outs.filter(text => text.startsWith('due k@0 x1'))).toHaveLength(1)
        expect(outs.slice(committed).every(text => !text.startsWith('window 0-'))).toBe(true)
        expect(scene.outs.at(-1)!.epoch).not.toBe(first!.epoch)
      })
    })

    describe('limits', () => {
      test('rule 23: a history that cannot cover max_gap, grace and window is refused', async () => {
        const refused = new Scene(makeWorld()).start({ ...WINDOWING, history: 649 })
        await expect(refused).rejects.toThrow('history must be at least 2 x max_gap + grace + window = 0.65s')
      })

      test('rule 24: a log that cannot be written refuses as retryable, or lets pass; ticks go on when it can again', async () => {
        const world = makeWorld()
        const scene = await new Scene(world).start()
        await scene.append({ items: 1 })
        world.refuse(true)
        const refusal = await scene.append({ items: 2 }).catch(error => error)
        expect(refusal).toBeInstanceOf(Refusal)
        expect(refusal).toMatchObject({ retryable: true, after: 1000 })
        expect(metric(scene, 'refused_items_total')).toBe(2)
        world.refuse(false)
        await scene.append({ items: 3 })
        await scene.sleep(400)
        expect(scene.take()).toEqual(['due k@0 x1 saw 0', 'due k@0 x3 saw 0', 'window 0-100 k=4'])

        const other = makeWorld()
        const passing = await new Scene(other, { onUnavailable: 'pass' }).start()
        other.refuse(true)
        expect(await passing.append({ items: 2 })).toBe('pass')
        expect(metric(passing, 'passed_items_total')).toBe(2)
        other.refuse(false)
        expect(await passing.append({ items: 2 })).toBe('held')
      })

      test('rule 24: after a bug that ended the reading, appends are refused as retryable, or pass, and a restart reads what was held', async () => {
        const duplicate = (): never => {
          throw new Error('bug')
        }
        const breakIt = async (scene: Scene): Promise<void> => {
          await scene.append({ items: 2, fingerprint: fingerprint(1) })
          expect(metric(scene, 'reading')).toBe(1)
          await scene.append({ items: 2, fingerprint: fingerprint(1) }, { items: 5 })
          await scene.sleep(50)
          expect(metric(scene, 'reading')).toBe(0)
        }
        const world = makeWorld()
        let told = 0
        const scene = await new Scene(world, {}, { duplicate, broken: () => void told++ }).start()
        await breakIt(scene)
        expect(told).toBe(1)
        expect(scene.log.lines.some(({ level, message }) => level === 'error' && message.includes('restarted'))).toBe(true)
        const refusal = await scene.append({ items: 9 }).catch(error => error)
        expect(refusal).toBeInstanceOf(Refusal)
        expect(refusal).toMatchObject({ reason: 'not_read', retryable: true, message: expect.stringContaining('restart the gateway') })
        expect(scene.meter.value('ai_factory_gateway_stream_refused_items_total', { reason: 'not_read' })).toBe(9)
        await scene.stop()
        scene.take()
        const mended = await new Scene(world).start()
        await mended.append({ items: 9 })
        await mended.sleep(400)
        expect(metric(mended, 'reading')).toBe(1)
        expect(mended.take().map(text => text.replace(/@-?\d+/, ''))).toEqual(
          expect.arrayContaining(['due k x2 saw 0', 'due k x5 saw 0', 'due k x9 saw 0']),
        )

        const passing = await new Scene(makeWorld(), { onUnavailable: 'pass' }, { duplicate }).start()
        await breakIt(passing)
        expect(await passing.append({ items: 9 })).toBe('pass')
        expect(metric(passing, 'passed_items_total')).toBe(9)
      })

      test('rule 25: unacknowledged bytes pause reading, appends go on, and all leaves in order afterwards', async () => {
        const scene = await new Scene(makeWorld(), { maxInFlightBytes: 2000 }).start()
        await scene.sleep(1000)
        let open = (): void => {}
        const gate = new Promise<void>(resolve => (open = resolve))
        scene.deliver = () => gate
        for (let round = 0; round < 100; round++) await scene.append({ at: 100, items: round + 1 })
        await scene.sleep(100)
        expect(scene.outs.length).toBeLessThan(100)
        expect(metric(scene, 'in_flight_bytes')).toBeLessThan(100 * 101)
        open()
        await scene.sleep(300)
        expect(scene.outs.filter(({ text }) => text.startsWith('late')).map(({ items }) => items)).toEqual(
          Array.from({ length: 100 }, (_, index) => index + 1),
        )
      })

      test('rule 25: a rejected delivery is handed over again until it is taken, and stop gives up at its deadline', async () => {
        const scene = await new Scene(makeWorld()).start()
        let rejections = 3
        scene.deliver = async () => {
          if (rejections-- > 0) throw new Error('backend is down')
        }
        await scene.append({})
        await scene.sleep(3000)
        // Two slices, the fact's and its window's, and three of their deliveries repeated.
        const delivered = scene.take()
        expect([delivered.length, new Set(delivered).size]).toEqual([5, 2])
        expect(metric(scene, 'redeliveries_total')).toBe(3)
        scene.deliver = () => new Promise(() => {})
        await scene.append({ items: 7 })
        await scene.sleep(400)
        await scene.stop(AbortSignal.abort())
        scene.take()
        scene.deliver = async () => {}
        await scene.start()
        await scene.sleep(400)
        expect(scene.take().some(text => / x7 /.test(text))).toBe(true)
      })
    })

    test('rule 26: per producer and partition, log order is append order', async () => {
      const scene = await new Scene(makeWorld({ partitions: 4 })).start()
      await scene.sleep(1000)
      const appends: Promise<unknown>[] = []
      for (let round = 0; round < 50; round++)
        appends.push(scene.append({ key: 'a', at: 0, items: 2 * round + 1 }, { key: 'a', at: 0, items: 2 * round + 2 }))
      await Promise.all(appends)
      await scene.settle()
      expect(scene.outs.map(({ items }) => items)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
    })

    test('rule 26: inside grace the order of arrival changes no result', async () => {
      const facts = fc.array(
        fc.record({
          key: fc.constantFrom('a', 'b', 'c'),
          at: fc.integer({ min: 0, max: 400 }),
          items: fc.integer({ min: 1, max: 4 }),
          sample: fc.boolean(),
          lag: fc.integer({ min: 0, max: 149 }),
        }),
        { minLength: 1, maxLength: 20 },
      )
      const run = async (
        entries: readonly { key: string; at: number; items: number; sample: boolean; lag: number }[],
        lagOf: (lag: number) => number,
      ): Promise<string[]> => {
        const scene = await new Scene(makeWorld({ partitions: 2 })).start()
        const arrivals = entries.map(entry => ({ ...entry, arrival: entry.at + lagOf(entry.lag) })).sort((a, b) => a.arrival - b.arrival)
        for (const { key, at, items, sample, arrival } of arrivals) {
          if (arrival > scene.now) await scene.jump(arrival - scene.now)
          await scene.append({ key, at, items, ...(sample ? { kind: SAMPLE } : {}) })
        }
        await scene.sleep(600)
        return texts(scene, scene.outs).sort()
      }
      await fc.assert(
        fc.asyncProperty(facts, async entries => {
          expect(await run(entries, lag => lag)).toEqual(await run(entries, () => 0))
        }),
        { numRuns: 10 },
      )
    }, 60_000)
  })
}
