/** Ports that keep what they were told, for tests to look at. */
import type { Clock, Log, Meter } from '../ports.js'

export class RecordingMeter implements Meter {
  private readonly counts = new Map<string, number>()
  private readonly readers = new Map<string, () => number>()

  counter(name: string, _help: string, labels: Readonly<Record<string, string>> = {}) {
    const id = identity(name, labels)
    return { add: (amount: number) => void this.counts.set(id, (this.counts.get(id) ?? 0) + amount) }
  }

  gauge(name: string, _help: string, labels: Readonly<Record<string, string>>, read: () => number): void {
    this.readers.set(identity(name, labels), read)
  }

  /** Sum over all series of `name` that carry these labels. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    let total = 0
    const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value};`)
    const matches = (id: string) => id.startsWith(`${name};`) && wanted.every(label => id.includes(label))
    for (const [id, count] of this.counts) if (matches(id)) total += count
    for (const [id, read] of this.readers) if (matches(id)) total += read()
    return total
  }
}

const identity = (name: string, labels: Readonly<Record<string, string>>): string =>
  `${name};${Object.entries(labels)
    .map(([key, value]) => `${key}=${value};`)
    .join('')}`

export interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Record<string, unknown> | undefined
}

export class RecordingLog implements Log {
  readonly lines: Line[] = []
  readonly debug = this.at('debug')
  readonly info = this.at('info')
  readonly warn = this.at('warn')
  readonly error = this.at('error')

  private at(level: string) {
    return (message: string, fields?: Record<string, unknown>) => void this.lines.push({ level, message, fields })
  }
}

export class TestPorts {
  readonly meter = new RecordingMeter()
  readonly log = new RecordingLog()
  constructor(readonly clock: Clock) {}
}
