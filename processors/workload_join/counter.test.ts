import fc from 'fast-check'
import { Counter } from './counter.js'

const limits = { maxGap: 90_000, history: 300_000 }
const WINDOW = 10_000
const sec = (seconds: number) => seconds * 1000

/** What waits for the next window; taken. */
const lateOf = (counter: Counter): number => {
  const into = new Float64Array(counter.width)
  counter.takeLate(into)
  return into[0]!
}

/** Samples as [time s, value]; a number alone closes the windows up to that second. Returns [on time, late] per window end. */
const run = (steps: (readonly [number, number] | number)[], counter = new Counter()) => {
  const windows: Record<number, [number, number]> = {}
  let boundary = 0
  for (const step of steps) {
    if (typeof step !== 'number') {
      counter.add(sec(step[0]), [step[1]], 0, boundary, limits)
      continue
    }
    for (let end = boundary + WINDOW; end <= sec(step); end += WINDOW) {
      const into = new Float64Array(1)
      counter.advance(end, into)
      windows[end / 1000] = [into[0]!, lateOf(counter)]
      boundary = end
      counter.forget(-Infinity, -Infinity, limits.maxGap)
    }
  }
  return windows
}

describe('a counter booked by value', () => {
  test.each<[string, Parameters<typeof run>[0], ReturnType<typeof run>]>([
    ['rule 9: growth is interpolated at the window end', [[5, 0], [15, 100], 20], { 10: [50, 0], 20: [50, 0] }],
    ['rule 9: the first sample starts it, its value is no growth', [[5, 1000], [9, 1010], 10], { 10: [10, 0] }],
    ['rule 9: a fall is a reset, the later value is the growth', [[1, 100], [4, 130], [8, 20], 10], { 10: [50, 0] }],
    ['rule 9: samples out of order book the same', [[4, 130], [8, 20], [1, 100], 10], { 10: [50, 0] }],
    ['rule 9: over a gap longer than max_gap the growth is late', [[5, 0], 10, [105, 700], 110], { 10: [0, 0], 20: [0, 700], 110: [0, 0] }],
    ['rule 10: the part of a growth that lies in a closed window is late', [[5, 0], 10, [15, 100], 20], { 10: [0, 0], 20: [50, 50] }],
    [
      'rule 10: a late sample inside a steady rise changes nothing',
      [[1, 0], [9, 80], [12, 110], 20, [5, 40], 30],
      { 10: [90, 0], 20: [20, 0], 30: [0, 0] },
    ],
    [
      'rule 10: a late sample that reveals a reset books what was hidden',
      [[1, 0], [9, 80], 10, [5, 200], 20],
      { 10: [80, 0], 20: [0, 200] },
    ],
    ['rule 10: a late sample from before the first tells nothing', [[9, 80], 10, [5, 0], 20], { 10: [0, 0], 20: [0, 0] }],
    [
      'rule 19: a counter lives history past its last sample, then starts anew',
      [[5, 0], 10, [306, 5000], 320],
      { 310: [0, 0], 320: [0, 0] },
    ],
    ['a second sample of one time is ignored', [[1, 0], [5, 50], [5, 70], 10], { 10: [50, 0] }],
    [
      'rule 10: when too much was spread to the closed side, the open side gets less and nothing is negative',
      [[0, 0], [20, 200], 10, [11, 20], 20],
      { 10: [100, 0], 20: [100, 0] },
    ],
  ])('%s', (_, steps, expected) => {
    const windows = run(steps)
    for (const [end, [onTime, late]] of Object.entries(expected)) {
      expect(windows[Number(end)]![0]).toBeCloseTo(onTime, 9)
      expect(windows[Number(end)]![1]).toBeCloseTo(late, 9)
    }
  })

  test('whole components stay whole when a window end cuts them, and nothing is lost', () => {
    const counter = new Counter(3, 1)
    counter.add(sec(5), [0, 0, 0], 0, 0, limits)
    counter.add(sec(15), [5, 3, 0.7], 0, 0, limits)
    const first = new Float64Array(3)
    const second = new Float64Array(3)
    counter.advance(sec(10), first)
    counter.advance(sec(20), second)
    expect([...first]).toEqual([2, 1, 0.35])
    expect(first[0]! + second[0]!).toBe(5)
    expect(first[1]! + second[1]!).toBe(3)
  })

  /** What really grew: the sum over neighbours in time of all samples that count. */
  const growth = (samples: Map<number, number>) => {
    const sorted = [...samples].sort(([a], [b]) => a - b)
    let total = 0
    for (let i = 1; i < sorted.length; i++) total += sorted[i]![1] < sorted[i - 1]![1] ? sorted[i]![1] : sorted[i]![1] - sorted[i - 1]![1]
    return total
  }
  /** Time goes on by `step`; a sample lies `ago` before; values rise and are sometimes reset. */
  const scenario = fc.array(
    fc.record({
      step: fc.integer({ min: 0, max: 20_000 }),
      ago: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 12_000 }) }, fc.integer({ min: 0, max: 60_000 })),
      again: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  const curve = fc.array(fc.tuple(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 40 })

  test.each([false, true])('rule 10: amounts of all windows add up to the growth, to 1e-9 (idle samples forgotten: %s)', thin => {
    fc.assert(
      fc.property(scenario, curve, (steps, rises) => {
        const counter = new Counter()
        // The true counter at each second: a rise each second, back to 0 when the die says so.
        let value = 0
        const truth = Array.from({ length: 1400 }, (_, i) => {
          const [rise, die] = rises[i % rises.length]!
          value = die === 0 ? 0 : value + rise
          return value
        })
        const counted = new Map<number, number>()
        let now = 60_000
        let boundary = 30_000
        let booked = 0
        const close = (until: number) => {
          for (let end = boundary + WINDOW; end <= until; end += WINDOW) {
            const into = new Float64Array(1)
            counter.advance(end, into)
            expect(into[0]).toBeGreaterThanOrEqual(0)
            const late = lateOf(counter)
            expect(late).toBeGreaterThanOrEqual(0)
            booked += into[0]! + late
            boundary = end
            if (thin) counter.forget(-Infinity, boundary, limits.maxGap)
          }
        }
        for (const { step, ago } of steps) {
          now += step
          close(now - 15_000)
          const time = Math.max(0, Math.round((now - ago) / 1000) * 1000)
          const sample = truth[time / 1000]!
          counter.add(time, [sample], 0, boundary, limits)
          const first = Math.min(...counted.keys())
          if (!counted.has(time) && !(counted.size > 0 && time < first && time <= boundary)) counted.set(time, sample)
        }
        close(now + 200_000)
        expect(booked).toBeCloseTo(growth(counted), 6)
        expect(Math.abs(booked - growth(counted))).toBeLessThanOrEqual(1e-9 * Math.max(1, growth(counted)))
      }),
      { numRuns: 400 },
    )
  })

  test('rule 20: a counter that starts in the middle books the later windows the same, bit for bit', () => {
    fc.assert(
      fc.property(curve, fc.integer({ min: 1, max: 12 }), (rises, every) => {
        const sample = (time: number) => rises.slice(0, 1).reduce((sum, [rise]) => sum + rise * 0.1 * time, 0)
        const windows = (from: number) => {
          const counter = new Counter()
          const amounts: number[] = []
          let boundary = 0
          for (let time = 0; time < 400_000; time += every * 1000) {
            if (time >= from) counter.add(time + 137, [sample(time)], 0, boundary, limits)
            while (boundary + WINDOW <= time - 15_000) {
              const into = new Float64Array(1)
              boundary += WINDOW
              counter.advance(boundary, into)
              amounts.push(into[0]! + lateOf(counter))
              counter.forget(time - limits.history, boundary - limits.maxGap, limits.maxGap)
            }
          }
          return amounts
        }
        expect(windows(100_000).slice(20)).toEqual(windows(0).slice(20))
      }),
    )
  })
})
