import fc from 'fast-check'
import type { CorrelatedEvent, GpuTime } from '../../proto/events/event.js'
import { presence } from './device_time.js'
import { eventsOf, Table, WINDOWING } from './testing/table.js'
import { batch, counter, gauge, type Values } from './testing/telemetry.js'
import { Track } from './track.js'

const T0 = 1_700_000_000_000
const s = (seconds: number) => T0 + seconds * 1000
const HOST = 'node-1'
const UNALLOCATED = `unallocated/${HOST}`
const W = 'prod/chat/llama'

/** Seconds between which the device was there, of samples and staleness markers at these seconds. */
const there = (samples: readonly number[], markers: readonly number[], start: number, end: number, board = false): number => {
  const track = new Track(1)
  for (const at of samples) track.touch(s(at))
  for (const at of markers) track.stale(s(at), 0)
  return presence(track, { start: s(start), end: s(end), maxGap: 20_000 }, board) / 1000
}

describe('when a device is there', () => {
  test.each<[string, readonly number[], readonly number[], number]>([
    ['sampled before, in and after the window', [95, 105, 115], [], 10],
    ['sampled before and after it', [95, 112], [], 10],
    ['first seen inside: from then on', [104, 114], [], 6],
    ['never seen', [], [], 0],
    ['seen only later', [112], [], 0],
    ['gone by a marker', [95, 100], [103], 3],
    ['gone before', [90], [95], 0],
    ['a failed scrape, seen again soon: not meanwhile', [95, 108], [101], 1 + 2],
    ['a failed scrape before, seen again inside', [95, 106], [98], 4],
    ['silent: for max_gap', [85], [], 5],
    ['silent for longer, then seen again: until max_gap, and from then on', [82, 107], [], 2 + 3],
    ['gone and come back much later: until the marker', [85, 107], [101], 1 + 3],
    ['its very end is a sample', [100, 110], [], 10],
  ])('%s', (_title, samples, markers, expected) => {
    expect(there(samples, markers, 100, 110)).toBe(expected)
  })

  test('a board is there from its first sample on, whatever scrapes failed', () => {
    expect(there([104], [106], 100, 110, true)).toBe(6)
    expect(there([10, 80], [11], 100, 110, true)).toBe(10)
    expect(there([112], [], 100, 110, true)).toBe(0)
  })
})

interface State {
  readonly util?: number
  readonly sm?: number
  readonly clock?: number
  /** Nanoseconds throttled so far. */
  readonly throttle?: number
  readonly share?: number
  readonly owner?: string
}

/** One scrape of a host. */
const scrape = (at: number, devices: Readonly<Record<string, State>>, stale = false) =>
  batch(
    'metrics',
    ...Object.entries(devices).map(([uuid, { util, sm, clock, throttle, share, owner = UNALLOCATED }]) => {
      const labels: Values = {
        UUID: uuid,
        Hostname: HOST,
        modelName: uuid.startsWith('B') ? 'B200' : 'H100',
        ...(owner === UNALLOCATED ? {} : { pod: `${owner}-0` }),
      }
      return {
        resource: { 'ai_factory.workload.id': owner, ...(share === undefined ? {} : { 'ai_factory.gpu.share': share }) },
        items: [
          counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', s(at), stale ? undefined : at * 100_000, labels),
          ...(util === undefined ? [] : [gauge('DCGM_FI_DEV_GPU_UTIL', s(at), stale ? undefined : util, labels)]),
          ...(sm === undefined ? [] : [gauge('DCGM_FI_PROF_SM_ACTIVE', s(at), stale ? undefined : sm, labels)]),
          ...(clock === undefined ? [] : [gauge('DCGM_FI_DEV_SM_CLOCK', s(at), stale ? undefined : clock, labels)]),
          ...(throttle === undefined ? [] : [gauge('DCGM_FI_DEV_POWER_VIOLATION', s(at), stale ? undefined : throttle, labels)]),
        ],
      }
    }),
  )

/** Scraped every 5 s from 0 to `until`; undefined is a scrape that failed. What is no longer told by the same labels is marked, as Prometheus does. */
const run = (until: number, devicesAt: (at: number) => Readonly<Record<string, State>> | undefined): CorrelatedEvent[] => {
  const table = new Table()
  let before: Readonly<Record<string, State>> = {}
  for (let at = 0; at <= until; at++) {
    table.tick(s(at))
    if (at % 5 !== 0) continue
    const devices = devicesAt(at) ?? {}
    const gone = Object.entries(before).filter(([uuid, { owner }]) => devices[uuid]?.owner !== owner)
    if (Object.keys(devices).length > 0) table.append(s(at), scrape(at, devices))
    if (gone.length > 0) table.append(s(at), scrape(at, Object.fromEntries(gone), true))
    before = devices
  }
  expect(table.timetable.errors).toEqual([])
  return eventsOf(table.take())
}
const timeOf = (events: readonly CorrelatedEvent[], second: number, workload: string): GpuTime[] =>
  events.find(({ windowStartMs, workloadId }) => windowStartMs === s(second) && workloadId === workload)?.gpuTime ?? []

describe('what device time goes into', () => {
  const one = (state: State) =>
    timeOf(
      run(60, () => ({ a: { owner: W, ...state } })),
      20,
      W,
    )
  const H100 = 'H100'

  test.each<[string, State, Record<string, number>]>([
    ['busy', { util: 90, sm: 0.8 }, { productive: 10 }],
    ['busy, multiprocessors not told', { util: 90 }, { productive: 10 }],
    ['nothing to do', { util: 4, sm: 0.01 }, { idle_held: 10 }],
    ['busy with few multiprocessors', { util: 90, sm: 0.3 }, { inefficient: 10 }],
    ['only energy is told', {}, { unknown: 10 }],
    ['a quarter of the device', { util: 90, sm: 0.8, share: 0.25 }, { productive: 2.5 }],
  ])('%s', (_title, state, expected) => {
    expect(one(state)).toEqual(Object.entries(expected).map(([bucket, seconds]) => ({ model: H100, bucket, seconds })))
  })

  test('throttled is only what a device falls behind the fastest of its model', () => {
    const events = run(60, at => ({
      a: { owner: W, util: 90, sm: 0.9, clock: 1980, throttle: 0 },
      // Half of its time, at half the clocks.
      b: { owner: W, util: 90, sm: 0.9, clock: 990, throttle: at * 0.5e9 },
      B: { owner: W, util: 90, sm: 0.9, clock: 500, throttle: at * 0.5e9 },
    }))
    const rows = timeOf(events, 20, W)
    expect(rows.map(({ model, bucket }) => `${model} ${bucket}`)).toEqual(['B200 productive', 'H100 throttled', 'H100 productive'])
    expect(rows[1]?.seconds).toBeCloseTo(2.5, 9)
    expect(rows[2]?.seconds).toBeCloseTo(17.5, 9)
  })

  test('what nobody owns is unallocated, the rest of a shared board too', () => {
    const events = run(60, () => ({ a: {}, b: { owner: W, util: 90, share: 0.75 } }))
    expect(timeOf(events, 20, UNALLOCATED)).toEqual([{ model: H100, bucket: 'unallocated', seconds: 12.5 }])
    expect(timeOf(events, 20, W)).toEqual([{ model: H100, bucket: 'productive', seconds: 7.5 }])
  })

  test('boards × seconds in every window, whoever owns them, with a third of the scrapes missing', () => {
    const state = fc.record({
      util: fc.integer({ min: 0, max: 100 }),
      sm: fc.double({ min: 0, max: 1, noNaN: true }),
      owner: fc.constantFrom('a', 'b', UNALLOCATED),
    })
    const story = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), state, state, state), { minLength: 40, maxLength: 40 })
    fc.assert(
      fc.property(story, steps => {
        const events = run(180, at => {
          const [failed, x, y, z] = steps[Math.floor(at / 5)] ?? []
          // The first scrape names all boards.
          return at === 0 || failed ? { x: x ?? {}, y: y ?? {}, z: z ?? {} } : undefined
        })
        for (let window = 10; window + WINDOWING.window / 1000 + WINDOWING.grace / 1000 <= 180; window += 10) {
          const rows = events.filter(({ windowStartMs }) => windowStartMs === s(window)).flatMap(({ gpuTime }) => gpuTime)
          const held = rows.reduce((sum, { seconds }) => sum + seconds, 0)
          expect(rows.every(({ seconds }) => seconds > 0)).toBe(true)
          expect(held).toBeCloseTo(30, 6)
        }
      }),
      { numRuns: 60 },
    )
  })
})
