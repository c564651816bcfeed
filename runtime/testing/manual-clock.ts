/** Time by hand: nothing passes until a test says so. */
import type { Clock } from '../component.js'

interface Alarm {
  readonly at: number
  readonly task: () => void
}

export class ManualClock implements Clock {
  private passed = 0
  private readonly alarms = new Set<Alarm>()

  constructor(private readonly epoch = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.epoch + this.passed
  }

  monotonic(): number {
    return this.passed
  }

  after(ms: number, task: () => void): () => void {
    const alarm = { at: this.passed + ms, task }
    this.alarms.add(alarm)
    return () => this.alarms.delete(alarm)
  }

  /** Timers set and not yet due. */
  get pending(): number {
    return this.alarms.size
  }

  /** Lets `ms` pass: due tasks run in order of their time, and what they set off settles before the next one. */
  async advance(ms: number): Promise<void> {
    const end = this.passed + ms
    await settle()
    for (let alarm = this.first(end); alarm; alarm = this.first(end)) {
      this.alarms.delete(alarm)
      this.passed = Math.max(this.passed, alarm.at)
      alarm.task()
      await settle()
    }
    this.passed = end
    await settle()
  }

  private first(end: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.alarms) if (alarm.at <= end && (!first || alarm.at < first.at)) first = alarm
    return first
  }
}

/** Lets every promise that can settle without I/O do so. */
export const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
