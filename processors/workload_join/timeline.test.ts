import fc from 'fast-check'
import { Timeline } from './timeline.js'
import { PRESENCE, STALE, Track } from './track.js'

const MAX_GAP = 90
const GAUGE = 1

/** [time, value]; undefined = a staleness marker. */
type Sample = readonly [number, number | undefined]

const trackOf = (samples: readonly Sample[]): Track => {
  const track = new Track(2)
  for (const [time, value] of samples) {
    if (value === undefined) track.stale(time, GAUGE)
    else track.set(time, GAUGE, value)
  }
  return track
}

/** Rule 8 by its letter, instant by instant: what the gauge says in (t - 1, t], and whether that was observed or carried. */
const said = (samples: readonly Sample[], t: number): { value: number; observed: boolean } | undefined => {
  const sorted = [...new Map(samples).entries()].sort(([a], [b]) => a - b)
  const at = sorted.findIndex(([time]) => time >= t)
  if (at < 0) {
    const last = sorted.at(-1)
    return last?.[1] !== undefined && t <= last[0] + MAX_GAP ? { value: last[1], observed: false } : undefined
  }
  const [time, value] = sorted[at]!
  const before = sorted[at - 1]
  if (value === undefined || before?.[1] === undefined) return undefined
  return t > Math.max(before[0], time - MAX_GAP) ? { value, observed: true } : undefined
}

const samples = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 0, max: 300 }), fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined, freq: 8 })),
  { maxLength: 25, selector: ([time]) => time },
)

describe('a timeline', () => {
  test('rule 8: says of any interval what the samples say instant by instant, for one target and for several', () => {
    fc.assert(
      fc.property(
        fc.array(samples, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.nat(380),
        fc.nat(60),
        (lists, alike, start, length) => {
          // All targets of one exporter are sampled together; a marker for one of them is a value for another.
          const all = alike
            ? lists.map((_, i) => lists[0]!.map(([time, value]) => [time, value === undefined ? value : value + i] as Sample))
            : lists
          const low = Math.max(0, start - 10)
          const end = start + length + 1
          const timeline = new Timeline(2, [GAUGE], [GAUGE]).build(all.map(trackOf), low, end + 7, MAX_GAP)
          timeline.over(start, end)
          let [sum, covered, observed, greatest] = [0, 0, 0, Number.NEGATIVE_INFINITY]
          for (const list of all)
            for (let t = start + 1; t <= end; t++) {
              const now = said(list, t)
              if (!now) continue
              sum += now.value
              covered++
              if (now.observed) observed++
              greatest = Math.max(greatest, now.value)
            }
          expect(timeline.values[GAUGE]).toBeCloseTo(sum, 6)
          expect(timeline.covered[GAUGE]).toBeCloseTo(covered, 6)
          expect(timeline.observed).toBeCloseTo(observed, 6)
          expect(timeline.carried).toBeCloseTo(covered - observed, 6)
          if (covered > 0) expect(timeline.greatest[GAUGE]).toBe(greatest)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('totals are sums of means over targets, so a target that was seen for half of the time counts in full', () => {
    const timeline = new Timeline(2, [GAUGE]).build(
      [
        trackOf([
          [0, 100],
          [10, 100],
        ]),
        trackOf([
          [5, 300],
          [10, 300],
        ]),
      ],
      0,
      10,
      MAX_GAP,
    )
    timeline.over(0, 10)
    expect(timeline.totals[GAUGE]).toBe(400)
    expect(timeline.targets).toBe(2)
  })
})

describe('a track', () => {
  test('takes samples in any order, forgets old ones, and keeps gauges of one time together', () => {
    fc.assert(
      fc.property(samples, fc.nat(300), (list, oldest) => {
        const track = trackOf(list)
        track.forget(oldest)
        const kept = [...new Map(list).entries()].filter(([time]) => time >= oldest).sort(([a], [b]) => a - b)
        const frames = Array.from({ length: track.length - track.first }, (_, i) => track.first + i)
        expect(frames.map(at => [track.time(at), track.value(at, GAUGE)])).toEqual(kept.map(([time, value]) => [time, value ?? STALE]))
        expect(frames.map(at => track.value(at, PRESENCE)).every(presence => presence === 1 || presence === STALE)).toBe(true)
      }),
    )
  })
})
