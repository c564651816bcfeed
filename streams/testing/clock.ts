/** Time by hand. */
import type { Clock } from '../ports.js'

export class ManualClock implements Clock {
  private timers: { at: number; task: () => void }[] = []

  constructor(private time = 1_700_000_000_000) {}

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  after(ms: number, task: () => void): () => void {
    const timer = { at: this.time + ms, task }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter(other => other !== timer)
    }
  }

  /** Moves time on and runs what is due, soonest first. */
  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.timers = this.timers.filter(timer => timer !== next)
      this.time = Math.max(this.time, next.at)
      next.task()
    }
    this.time = end
  }
}
