import type { Clock } from '../ports.js'
import { AppendClock } from './append_clock.js'

/** Wall and monotonic time apart. */
class TwoClocks implements Clock {
  wall = 1_700_000_000_000
  mono = 0
  now = () => this.wall
  monotonic = () => this.mono
  after = () => () => {}
  pass(ms: number, wallMs = ms): void {
    this.mono += ms
    this.wall += wallMs
  }
}

const make = () => {
  const clock = new TwoClocks()
  const steps: number[] = []
  const append = new AppendClock(clock, ms => steps.push(Math.round(ms)))
  return { clock, append, steps }
}

describe('rule 3: append clock', () => {
  test('follows the wall clock while that runs true', () => {
    const { clock, append, steps } = make()
    for (let second = 0; second < 100; second++) {
      clock.pass(1000)
      expect(append.stamp()).toBe(clock.wall)
    }
    expect(steps).toEqual([])
  })

  test('a step back never makes time go back: it slows down until the wall has caught up; one step is counted', () => {
    const { clock, append, steps } = make()
    clock.pass(1000, 1000 - 60_000)
    let last = 0
    for (let second = 0; second < 700; second++) {
      const stamp = append.stamp()
      expect(stamp).toBeGreaterThanOrEqual(last)
      if (last > 0) expect(stamp - last).toBeGreaterThanOrEqual(899)
      last = stamp
      clock.pass(1000)
    }
    expect(Math.abs(append.stamp() - clock.wall)).toBeLessThan(2)
    expect(steps).toEqual([-60_000])
  })

  test('a step forward, as after a suspend, is taken at once and counted', () => {
    const { clock, append, steps } = make()
    clock.pass(10, 3_600_000)
    expect(append.stamp()).toBe(clock.wall)
    expect(steps).toEqual([3_599_990])
  })

  test('a small drift is slewed', () => {
    const { clock, append, steps } = make()
    clock.pass(1000, 1500)
    const first = append.stamp()
    expect(clock.wall - first).toBe(400)
    for (let second = 0; second < 6; second++) {
      clock.pass(1000)
      append.stamp()
    }
    clock.pass(1)
    expect(append.stamp()).toBe(clock.wall)
    expect(steps).toEqual([])
  })
})
