/** What every driver must do: the rules of docs/stream.md that are not telemetry's, on the same scenes. */

import { BYTES_PER_CHUNK } from '../engine/hold.js'
import { Refusal, TooLarge } from '../stream.js'
import { SAMPLE } from './ledger.js'
import { Scene, TICK, WINDOWING } from './scene.js'
import type { MakeWorld } from './worlds.js'

const fingerprint = (id: number): Uint8Array => Buffer.alloc(16, id)
const restart = async (scene: Scene, how: 'stop' | 'crash', windowing = WINDOWING): Promise<void> => {
  await scene[how]()
  await scene.start(windowing)
}
const metric = (scene: Scene, name: string): number => scene.meter.value(`ai_factory_gateway_stream_${name}`)

export const conformance = (driver: string, makeWorld: MakeWorld): void => {
  describe(`${driver} driver`, () => {
    describe('append', () => {
      test('rule 1: an append resolves when all its entries are held, and what was acknowledged survives a crash', async () => {
        const scene = await new Scene(makeWorld({ partitions: 4 })).start()
        await scene.append({ key: 'a' }, { key: 'b' }, { key: 'c' })
        await scene.crash()
        await scene.start()
        await scene.sleep(500)
        expect(
          scene
            .take()
            .filter(text => text.startsWith('due'))
            .sort(),
        ).toEqual(['due a@0 x1 saw 0', 'due b@0 x1 saw 0', 'due c@0 x1 saw 0'])
      })

      test('rule 1: a sender that repeats a refused append makes no copies', async () => {
        const world = makeWorld()
        const scene = await new Scene(world).start()
        await scene.append({ fingerprint: fingerprint(1), text: 'held' })
        world.refuse(true)
        await expect(scene.append({ fingerprint: fingerprint(1) }, { fingerprint: fingerprint(2) })).rejects.toThrow(Refusal)
        world.refuse(false)
        await scene.append({ fingerprint: fingerprint(1) }, { fingerprint: fingerprint(2) })
        await scene.sleep(400)
        expect(scene.take()).toEqual(['due k@0 x1 saw 0', 'due k@0 x1 saw 0', 'window 0-100 k=2'])
        expect(scene.duplicates).toBe(1)
      })

      test('rule 2: an item above max_record_bytes lies in parts and leaves whole; above 16 MiB it alone is refused for good', async () => {
        const scene = await new Scene(makeWorld({ partitions: 2 })).start()
        const large = Buffer.from(Array.from({ length: 25_000 }, (_, index) => index % 251))
        await scene.append({ key: 'a', items: 3, value: [large.subarray(0, 1500), large.subarray(1500)] }, { key: 'b', text: 'small' })
        await scene.sleep(300)
        expect(scene.outs.map(({ text, value }) => [scene.relative(text), Buffer.from(value).equals(large)])).toContainEqual([
          'due a@0 x3 saw 0',
          true,
        ])
        const tooLarge = { items: 4, value: [Buffer.alloc(16 * 1024 * 1024 + 1)] }
        const tooLongKey = { items: 2, key: 'k'.repeat(65_536) }
        const before = metric(scene, 'appended_items_total')
        const refusal = await scene.append({ key: 'b', text: 'beside', items: 7 }, tooLarge, tooLongKey).catch(error => error)
        expect(refusal).toBeInstanceOf(TooLarge)
        expect(refusal).toMatchObject({ reason: 'too_large', retryable: false, entries: [{ items: 4 }, { items: 2 }] })
        expect(await scene.append(tooLarge).catch(error => error)).toBeInstanceOf(TooLarge)
        expect(metric(scene, 'appended_items_total') - before).toBe(7)
        expect(scene.meter.value('ai_factory_gateway_stream_refused_items_total', { reason: 'too_large' })).toBe(10)
        await restart(scene, 'crash')
        await scene.sleep(300)
        expect(scene.take().some(text => /^due b@\d+ x7 saw 0$/.test(text))).toBe(true)
        await scene.append({ key: 'a', text: 'on' })
        await scene.sleep(400)
        expect(scene.take().some(text => /^due a@\d+ x1 saw 0$/.test(text))).toBe(true)
        expect(metric(scene, 'lost_items_total')).toBe(0)
      })

      test('rule 3: append time is the appender’s, whatever event times say', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.append({ at: 1_000_000 }, { at: -500 })
        await scene.sleep(1000)
        expect(scene.take()).toEqual(['late k@-500 x1 saw 0', 'window -200--100 late k=1', 'due k@0 x1 saw 0 flagged', 'window 0-100 k=1'])
      })

      test('rule 4: quiet partitions tick, so that the last window closes; stop closes none', async () => {
        const scene = await new Scene(makeWorld({ partitions: 4 })).start()
        await scene.append({ key: 'a' })
        await scene.sleep(100)
        await scene.stop()
        expect(scene.take()).toEqual([])
        await scene.start()
        await scene.sleep(100 + WINDOWING.grace + 2 * TICK)
        expect(scene.take()).toEqual(['due a@0 x1 saw 0', 'window 0-100 a=1'])
        expect(metric(scene, 'ticks_total')).toBeGreaterThan(4)
      })

      test('rule 4: a partition that is busy, or paused by its own outputs, gets no tick', async () => {
        const scene = await new Scene(makeWorld(), { maxInFlightBytes: 50 }).start()
        for (let at = 0; at < 10; at++) {
          await scene.append({ kind: SAMPLE })
          await scene.sleep(50)
        }
        expect(metric(scene, 'ticks_total')).toBeLessThanOrEqual(1)
        let resume = (): void => {}
        scene.deliver = () => new Promise(resolve => (resume = resolve))
        await scene.append({ at: 0 })
        await scene.sleep(100)
        const ticks = metric(scene, 'ticks_total')
        await scene.sleep(500)
        expect(metric(scene, 'ticks_total')).toBe(ticks)
        resume()
        scene.deliver = async () => {}
        await scene.sleep(300)
        expect(metric(scene, 'ticks_total')).toBeGreaterThan(ticks)
      })

      test('rule 5: offsets and checkpoints survive together, over many restarts', async () => {
        const scene = await new Scene(makeWorld({ partitions: 2 })).start()
        const seen: string[] = []
        for (let round = 0; round < 6; round++) {
          await scene.append({ key: 'a', items: round + 1 }, { key: 'b', items: round + 1 })
          await scene.sleep(round * 40)
          await restart(scene, round % 2 === 0 ? 'stop' : 'crash')
          seen.push(...scene.take())
        }
        await scene.sleep(600)
        seen.push(...scene.take())
        for (const key of ['a', 'b']) expect(new Set(seen.filter(text => text.startsWith(`due ${key}`))).size).toBe(6)
        expect(metric(scene, 'lost_items_total')).toBe(0)
      })
    })

    describe('time', () => {
      test('rule 6: zero, reversed and far-ahead times are read as the append time and flagged; they move nothing', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.sleep(20)
        await scene.append(
          { key: 'zero', firstTime: 0, lastTime: 0 },
          { key: 'reversed', firstTime: scene.start0 + 10, lastTime: scene.start0 },
          { key: 'ahead', at: 20 + WINDOWING.grace + 1 },
          { key: 'in grace', at: 20 + WINDOWING.grace },
        )
        await scene.sleep(500)
        expect(scene.take()).toEqual([
          'due zero@20 x1 saw 0 flagged',
          'due reversed@20 x1 saw 0 flagged',
          'due ahead@20 x1 saw 0 flagged',
          'window 0-100 ahead=1 reversed=1 zero=1',
          'due in grace@170 x1 saw 0',
          'window 100-200 in grace=1',
        ])
      })

      test('rule 7: a fact at or below the watermark is late and leaves at once', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.sleep(1000)
        await scene.append({ key: 'on time', at: 851 }, { key: 'late', at: 850 })
        await scene.settle()
        expect(scene.take()).toEqual(['late late@850 x1 saw 0'])
        await scene.sleep(500)
        expect(scene.take()).toEqual(['due on time@851 x1 saw 0', 'window 800-900 late late=1 on time=1'])
      })
    })

    describe('once', () => {
      test('rule 11: a copy is recognised within the horizon, also after a restart, and a fact without fingerprint never', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.append({ fingerprint: fingerprint(1) }, { key: 'bare' })
        await scene.append({ fingerprint: fingerprint(1) }, { key: 'bare' })
        await scene.sleep(300)
        for (const how of ['stop', 'crash'] as const) {
          await restart(scene, how)
          await scene.append({ fingerprint: fingerprint(1), at: 0 })
          await scene.sleep(100)
        }
        expect(scene.duplicates).toBe(3)
        const facts = scene.take().filter(text => !text.startsWith('window'))
        expect([...new Set(facts)]).toEqual(['due k@0 x1 saw 0', 'due bare@0 x1 saw 0'])
      })

      test('rule 11: beyond the horizon a copy is too late: passed on, never booked', async () => {
        const scene = await new Scene(makeWorld()).start()
        // As far ahead of its append time as it may be: its copy is forgotten last.
        await scene.append({ fingerprint: fingerprint(1), at: WINDOWING.grace })
        await scene.sleep(WINDOWING.history + 2 * WINDOWING.grace)
        scene.take()
        await scene.append({ fingerprint: fingerprint(1), at: WINDOWING.grace })
        await scene.settle()
        expect([scene.take(), scene.duplicates]).toEqual([[], 1])
        await scene.sleep(100)
        await scene.append({ fingerprint: fingerprint(1), at: WINDOWING.grace })
        await scene.sleep(500)
        expect(scene.take()).toEqual(['too_late k@150 x1 saw 0'])
      })
    })

    describe('waiting', () => {
      test('rule 13: a fact waits until the watermark has passed it and sees what came meanwhile; samples do not wait', async () => {
        const scene = await new Scene(makeWorld()).start()
        await scene.append({ at: 100, items: 2 })
        await scene.sleep(200)
        await scene.append({ at: 90, kind: SAMPLE, items: 40 })
        await scene.sleep(25)
        expect(scene.take()).toEqual([])
        await scene.sleep(200)
        expect(scene.take()).toEqual(['due k@100 x2 saw 40', 'window 100-200 k=2'])
      })

      test('rule 14: every item leaves with one outcome, or is counted as a duplicate', async () => {
        const scene = await new Scene(makeWorld({ partitions: 3 }), {}, { maxHeld: BYTES_PER_CHUNK * 5 }).start()
        await scene.sleep(2000)
        let sent = 0
        for (let round = 0; round < 40; round++) {
          const at = 2000 + round * 10 - [0, 50, 400, 1800][round % 4]!
          await scene.append({ key: `w${round % 7}`, at, items: 1 + (round % 3), fingerprint: fingerprint(1 + (round % 30)) })
          sent += 1 + (round % 3)
          await scene.sleep(10)
        }
        await scene.sleep(600)
        const left = new Map<string, number>()
        for (const { text, items } of scene.outs) {
          const outcome = text.split(' ')[0]!
          if (outcome !== 'window') left.set(outcome, (left.get(outcome) ?? 0) + items)
        }
        expect([...left.keys()].sort()).toEqual(['due', 'evicted', 'late', 'too_late'])
        expect([...left.values()].reduce((a, b) => a + b) + scene.duplicates).toBe(sent)
        expect(metric(scene, 'evicted_items_total')).toBe(left.get('evicted'))
      })

      test('rule 15: what waits takes at most 48 bytes a chunk, and where the log does not have it its value as it came, compressed', async () => {
        const world = makeWorld()
        const scene = await new Scene(world).start()
        await scene.append(...Array.from({ length: 200 }, () => ({ text: 'x'.repeat(900) })))
        await scene.settle()
        expect(metric(scene, 'held_chunks')).toBe(200)
        expect(metric(scene, 'held_bytes')).toBeLessThanOrEqual(200 * (48 + (world.keepsValues ? 900 / 10 : 0)))
        await scene.sleep(400)
        expect(metric(scene, 'held_bytes')).toBe(0)
        expect(scene.outs.filter(({ value }) => value.length === 900).length).toBe(200)
      })
    })
  })
}
