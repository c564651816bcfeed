import { SystemClock } from './clock.js'

describe('system clock', () => {
  it('tells the wall time with a fraction, within 2 ms of the machine', () => {
    const clock = new SystemClock()
    const readings = Array.from({ length: 100 }, () => clock.now())
    expect(Math.abs(readings[99]! - Date.now())).toBeLessThanOrEqual(2)
    expect(readings.some(reading => !Number.isInteger(reading))).toBe(true)
  })

  it('follows a step of the wall clock, which the monotonic time does not', () => {
    const clock = new SystemClock()
    const real = Date.now
    const before = clock.monotonic()
    Date.now = () => real() + 3_600_000
    try {
      expect(Math.abs(clock.now() - Date.now())).toBeLessThanOrEqual(2)
      expect(clock.monotonic() - before).toBeLessThan(1_000)
    } finally {
      Date.now = real
    }
    expect(Math.abs(clock.now() - Date.now())).toBeLessThanOrEqual(2)
  })

  it('runs a task once after the time, never one that was cancelled, and does not fire a month-long timer at once', async () => {
    const clock = new SystemClock()
    const ran: string[] = []
    clock.after(5, () => ran.push('task'))
    clock.after(5, () => ran.push('cancelled'))()
    const cancelMonth = clock.after(31 * 86_400_000, () => ran.push('month'))
    await new Promise(resolve => setTimeout(resolve, 30))
    cancelMonth()
    expect(ran).toEqual(['task'])
  })
})
