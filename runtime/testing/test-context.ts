/** A component's context for tests: log lines and metrics are kept to be looked at. */
import type { Clock, Context, Counter, Histogram, Labels, Log, Meter } from '../component.js'
import { ManualClock } from './manual-clock.js'

export class RecordingLog implements Log {
  readonly lines: { level: 'debug' | 'info' | 'warn' | 'error'; message: string; fields: Record<string, unknown> }[] = []
  debug = this.at('debug')
  info = this.at('info')
  warn = this.at('warn')
  error = this.at('error')

  private at(level: 'debug' | 'info' | 'warn' | 'error') {
    return (message: string, fields: Record<string, unknown> = {}): void => {
      this.lines.push({ level, message, fields })
    }
  }
}

export class RecordingMeter implements Meter {
  private readonly counts = new Map<string, number>()
  private readonly readers = new Map<string, () => number>()
  private readonly records = new Map<string, number[]>()

  counter(name: string, _help: string, labels: Labels = {}): Counter {
    const key = keyOf(name, labels)
    return {
      add: amount => {
        this.counts.set(key, (this.counts.get(key) ?? 0) + amount)
      },
    }
  }

  gauge(name: string, _help: string, labels: Labels, read: () => number): void {
    this.readers.set(keyOf(name, labels), read)
  }

  histogram(name: string, _help: string, _bounds: readonly number[], labels: Labels = {}): Histogram {
    const key = keyOf(name, labels)
    return {
      record: value => {
        this.records.set(key, [...(this.records.get(key) ?? []), value])
      },
    }
  }

  /** Sum of the counters of this name whose labels include `labels`; or the gauge's reading. */
  value(name: string, labels: Labels = {}): number {
    const fits = (key: string): boolean => {
      const [keyName, ...pairs] = key.split('\n')
      return keyName === name && Object.entries(labels).every(([label, value]) => pairs.includes(`${label}=${value}`))
    }
    let sum = 0
    for (const [key, count] of this.counts) if (fits(key)) sum += count
    for (const [key, read] of this.readers) if (fits(key)) sum += read()
    return sum
  }

  recorded(name: string, labels: Labels = {}): readonly number[] {
    return this.records.get(keyOf(name, labels)) ?? []
  }
}

const keyOf = (name: string, labels: Labels): string =>
  [name, ...Object.entries(labels).map(([label, value]) => `${label}=${value}`)].join('\n')

export interface TestContext extends Context {
  readonly log: RecordingLog
  readonly meter: RecordingMeter
}

/** Time stands still unless another clock is given. */
export const testContext = <C extends Clock = ManualClock>(
  id: string,
  clock: C = new ManualClock() as unknown as C,
): TestContext & { readonly clock: C } => ({
  id,
  clock,
  log: new RecordingLog(),
  meter: new RecordingMeter(),
  host: {
    get: token => {
      throw new Error(`nothing here provides "${token.name}"`)
    },
  },
})
