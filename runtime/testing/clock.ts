/** Time by hand. */
import type { Clock } from '../component.js'

export class TestClock implements Clock {
  private elapsed = 0
  private timers: { due: number; task: () => void }[] = []

  /** `start`: wall time at the beginning, milliseconds since the epoch. */
  constructor(private readonly start = 1_800_000_000_000) {}

  now(): number {
    return this.start + this.elapsed
  }

  monotonic(): number {
    return this.elapsed
  }

  after(ms: number, task: () => void): () => void {
    const timer = { due: this.elapsed + Math.max(0, ms), task }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter(other => other !== timer)
    }
  }

  /** Timers not run and not cancelled. */
  get pending(): number {
    return this.timers.length
  }

  /** Moves time on; due tasks run in order, each at its own time, those they set included. Promises they settle are given their turns. */
  async advance(ms: number): Promise<void> {
    const end = this.elapsed + ms
    await turns()
    for (let next = this.nextBy(end); next; next = this.nextBy(end)) {
      this.timers = this.timers.filter(other => other !== next)
      this.elapsed = next.due
      next.task()
      await turns()
    }
    this.elapsed = end
    await turns()
  }

  private nextBy(end: number) {
    let first: { due: number; task: () => void } | undefined
    for (const timer of this.timers) if (timer.due <= end && (!first || timer.due < first.due)) first = timer
    return first
  }
}

/** Lets promises and immediate callbacks run that were ready or become ready from each other. */
export const turns = async (count = 5): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}
