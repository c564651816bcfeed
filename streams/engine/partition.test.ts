import type { Handler, Moment, Release, StreamRecord, Windowing } from '../handler.js'
import { Timetable } from '../testing/timetable.js'
import { BYTES_PER_CHUNK } from './hold.js'

const windowing: Windowing = { window: 10, grace: 15, maxGap: 20, history: 100 }
const FACT = 16
const SAMPLE = 17

/** Facts wait, samples do not; says what it was told. */
class Diary implements Handler<string> {
  readonly facts = new Map<number, number>()
  fold(record: StreamRecord, at: Moment): boolean {
    if (record.key === 'poison') throw new Error('poison')
    const start = Math.max(Math.floor(record.lastTime / 10) * 10, Math.floor(at.watermark / 10) * 10)
    this.facts.set(start, (this.facts.get(start) ?? 0) + record.items)
    return record.kind === FACT
  }
  release(record: StreamRecord, why: Release, folded: Moment, now: Moment): string {
    return `${why} ${record.key}@${record.lastTime}${record.flagged ? ' flagged' : ''} folded ${folded.streamTime} now ${now.streamTime}`
  }
  close(start: number, end: number, _at: Moment, _muted: boolean, cut: boolean): string | undefined {
    const facts = this.facts.get(start)
    this.facts.delete(start)
    return facts === undefined ? undefined : `window ${start}-${end}: ${facts}${cut ? ' cut' : ''}`
  }
  change(): void {}
  stateBytes(): number {
    return this.facts.size * 16
  }
}

const table = (maxHeld?: number) => new Timetable(() => new Diary(), windowing, maxHeld)

describe('partition', () => {
  test('a fact waits until the watermark has passed it, then its window closes, in order of event time', () => {
    const t = table()
    t.append(1000, { key: 'a', kind: FACT, lastTime: 995 })
    t.append(1001, { key: 's', kind: SAMPLE, lastTime: 999 })
    expect(t.take()).toEqual(['due s@999 folded 1001 now 1001'])
    t.tick(1009)
    expect(t.take()).toEqual([])
    t.append(1016, { key: 'b', kind: FACT, lastTime: 1003 })
    t.tick(1100)
    expect(t.take()).toEqual([
      'due a@995 folded 1000 now 1016',
      'window 990-1000: 2',
      'due b@1003 folded 1016 now 1100',
      'window 1000-1010: 1',
    ])
  })

  test('late facts leave at once, too late ones unfolded, and strangers with clocks ahead do not move time', () => {
    const t = table()
    t.tick(1000)
    t.append(1001, { key: 'late', kind: FACT, lastTime: 986 })
    t.append(1001, { key: 'gone', kind: FACT, lastTime: 886 })
    t.append(1002, { key: 'ahead', kind: SAMPLE, lastTime: 5000 })
    t.append(1002, { key: 'zero', kind: SAMPLE, firstTime: 0, lastTime: 0 })
    t.append(1002, { key: 'reversed', kind: SAMPLE, firstTime: 1001, lastTime: 1000 })
    t.tick(1100)
    expect(t.take()).toEqual([
      'late late@986 folded 1001 now 1001',
      'too_late gone@886 folded 1001 now 1001',
      'due ahead@1002 flagged folded 1002 now 1002',
      'due zero@1002 flagged folded 1002 now 1002',
      'due reversed@1002 flagged folded 1002 now 1002',
      'window 980-990: 1',
      'window 1000-1010: 3',
    ])
  })

  test('a handler that throws harms its record only, and the record is passed on', () => {
    const t = table()
    t.append(1000, { key: 'poison', kind: FACT, lastTime: 999 })
    t.append(1000, { key: 'b', kind: SAMPLE, lastTime: 999 })
    expect(t.take()).toEqual(['due poison@999 folded 1000 now 1000', 'due b@999 folded 1000 now 1000'])
    expect(t.errors).toEqual([new Error('poison')])
  })

  test('above max_held the oldest leave as evicted', () => {
    const t = table(2 * BYTES_PER_CHUNK)
    for (let at = 0; at < 4; at++) t.append(1000 + at, { key: `k${at}`, kind: FACT, lastTime: 1000 - at })
    expect(t.take()).toEqual(['evicted k0@1000 folded 1000 now 1002', 'evicted k1@999 folded 1001 now 1003'])
    t.tick(1100)
    expect(t.take()).toEqual([
      'due k3@997 folded 1003 now 1100',
      'due k2@998 folded 1002 now 1100',
      'window 990-1000: 3',
      'window 1000-1010: 1',
    ])
  })

  test('a pause of months closes what is open and leaves out the empty windows', () => {
    const t = table()
    t.append(1000, { key: 'a', kind: FACT, lastTime: 999 })
    const start = performance.now()
    t.tick(1e12)
    t.append(1e12, { key: 'b', kind: FACT, lastTime: 1e12 - 1 })
    t.tick(1e12 + 100)
    expect(t.take()).toEqual([
      'due a@999 folded 1000 now 1000000000000',
      'window 990-1000: 1',
      'due b@999999999999 folded 1000000000000 now 1000000000100',
      'window 999999999990-1000000000000: 1',
    ])
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
