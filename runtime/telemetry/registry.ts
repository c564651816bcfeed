/** The instruments of the gateway's own metrics. Moving one is an addition; text is made only when somebody scrapes. */
import type { Counter, Histogram, Labels, Meter } from '../component.js'

export type Type = 'counter' | 'gauge' | 'histogram'

export interface Distribution {
  /** Upper bounds, ascending, without +Inf. */
  readonly bounds: readonly number[]
  /** Observations at or below each bound but above the one before; the last is for those above all bounds. */
  readonly counts: readonly number[]
  readonly sum: number
}

export interface Series {
  readonly labels: Labels
  /** Undefined when a gauge's reader failed. */
  readonly value: number | Distribution | undefined
}

export interface Family {
  readonly name: string
  readonly help: string
  readonly type: Type
  readonly series: Series[]
}

class Sum implements Counter {
  value = 0
  readonly type = 'counter'
  constructor(readonly labels: Labels) {}

  /** Counters only grow: anything else (NaN too) is left out. */
  add(amount: number): void {
    if (amount > 0) this.value += amount
  }
}

class Reading {
  constructor(
    readonly type: 'counter' | 'gauge',
    readonly labels: Labels,
    public read: () => number,
  ) {}

  get value(): number | undefined {
    try {
      return this.read()
    } catch {
      return undefined
    }
  }
}

class Buckets implements Histogram, Distribution {
  readonly type = 'histogram'
  readonly counts: number[]
  sum = 0

  constructor(
    readonly labels: Labels,
    readonly bounds: readonly number[],
  ) {
    this.counts = new Array<number>(bounds.length + 1).fill(0)
  }

  get value(): Distribution {
    return this
  }

  record(value: number): void {
    if (Number.isNaN(value)) return
    let bucket = 0
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket += 1
    this.counts[bucket]! += 1
    this.sum += value
  }
}

type Instrument = Sum | Reading | Buckets

interface Entry {
  readonly help: string
  readonly type: Type
  readonly instruments: Map<string, Instrument>
}

const NO_LABELS: Labels = Object.freeze({})
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/
/** As in the OpenTelemetry SDK: label values come from configuration and fixed lists, but one slip must not fill the memory. */
const MOST_SERIES = 2_000
const OVERFLOW: Labels = { otel_metric_overflow: 'true' }

const byName = ([a]: [string, unknown], [b]: [string, unknown]) => (a < b ? -1 : a > b ? 1 : 0)
/** One text for equal labels, however they are ordered; sorts as the labels do. */
const keyOf = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort(byName))
const OVERFLOW_KEY = keyOf(OVERFLOW)

export class Registry implements Meter {
  private readonly families = new Map<string, Entry>()

  counter(name: string, help: string, labels: Labels = NO_LABELS): Counter {
    return this.instrument(name, help, 'counter', labels, bound => new Sum(bound), Sum)
  }

  gauge(name: string, help: string, labels: Labels, read: () => number): void {
    this.instrument(name, help, 'gauge', labels, bound => new Reading('gauge', bound, read), Reading).read = read
  }

  /** A counter that somebody else keeps, read at each scrape. */
  observedCounter(name: string, help: string, labels: Labels, read: () => number): void {
    this.instrument(name, help, 'counter', labels, bound => new Reading('counter', bound, read), Reading).read = read
  }

  histogram(name: string, help: string, bounds: readonly number[], labels: Labels = NO_LABELS): Histogram {
    return this.instrument(name, help, 'histogram', labels, bound => new Buckets(bound, bounds), Buckets)
  }

  /** Everything there is, by name, then by labels. Gauges are read now. */
  collect(): Family[] {
    return [...this.families].sort(byName).map(([name, { help, type, instruments }]) => ({
      name,
      help,
      type,
      series: [...instruments].sort(byName).map(([, { labels, value }]) => ({ labels, value })),
    }))
  }

  private instrument<T extends Instrument>(
    name: string,
    help: string,
    type: Type,
    labels: Labels,
    make: (labels: Labels) => T,
    shape: new (...args: never[]) => T,
  ): T {
    const { instruments } = this.family(name, help, type)
    let key = keyOf(labels)
    const full = instruments.size >= MOST_SERIES && !instruments.has(key)
    if (full) key = OVERFLOW_KEY
    const known = instruments.get(key)
    if (known instanceof shape) return known
    if (known) throw new Error(`metric ${name} is kept in two ways at once`)
    for (const label of Object.keys(labels)) if (!LABEL_NAME.test(label)) throw new Error(`"${label}" is no label name (metric ${name})`)
    const made = make(full ? OVERFLOW : labels)
    instruments.set(key, made)
    return made
  }

  private family(name: string, help: string, type: Type): Entry {
    const known = this.families.get(name)
    if (known) {
      if (known.type !== type) throw new Error(`metric ${name} is a ${known.type} and cannot also be a ${type}`)
      return known
    }
    if (!NAME.test(name)) throw new Error(`"${name}" is no metric name`)
    const entry: Entry = { help, type, instruments: new Map() }
    this.families.set(name, entry)
    return entry
  }
}
