/** The series that were sent lately: known again by the bytes of their points, so that a known one costs neither text nor sorting. */
import { ByteTable, type Entry, hashOf } from '../../proto/byte-table.js'
import type { Label } from '../../proto/exposition/series.js'
import type { Labels } from '../../proto/prometheus/labels.js'
import type { Attributes } from '../../proto/views/attributes.js'

export type Shape = 'value' | 'histogram' | 'native' | 'summary'
/** MetricMetadata.MetricType; the same numbers in both versions of the protocol. */
export const TYPE = { unknown: 0, counter: 1, gauge: 2, histogram: 3, gaugehistogram: 4, summary: 5, info: 6, stateset: 7 } as const

/** All series of one metric name. */
export class Family {
  readonly series = new Map<string, Series>()
  /** By identity: what points say of themselves, as bytes. Only a shortcut to `series`: forgotten when it grows. */
  known = new ByteTable<Known>()

  constructor(
    readonly name: string,
    readonly shape: Shape,
    readonly type: number,
    readonly help: string,
    readonly unit: string,
  ) {}
}

/** What one point of a metric becomes: a line, or several (`_bucket`, `_sum`, `_count`). */
export class Series {
  readonly lines: Line[] = []
  /** Position in `lines` by suffix and bound. */
  private readonly places = new Map<string, Line>()
  /** Of the points in the request that is being made, milliseconds. */
  readonly times: number[] = []
  /** Time of the newest point that the backend has taken. */
  taken = Number.NEGATIVE_INFINITY
  /** And of the newest exemplar. */
  exemplarsTaken = Number.NEGATIVE_INFINITY
  /** When it was told last, by the monotonic clock. */
  told = 0

  constructor(
    readonly family: Family,
    /** Sorted, without `__name__`. */
    readonly labels: readonly Label[],
  ) {}

  /** The line with this suffix and, of a bucket or quantile, this value of the label `extra`. */
  line(suffix: string, extra = '', value = ''): Line {
    const place = `${suffix}\0${value}`
    let line = this.places.get(place)
    if (!line) {
      line = new Line(textsOf(this, suffix, extra, value))
      this.places.set(place, line)
      this.lines.push(line)
    }
    return line
  }
}

export interface Exemplar {
  readonly labels: readonly Label[]
  readonly value: number
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** One series as Prometheus has it, and what the request that is being made says of it. */
export class Line {
  readonly times: number[] = []
  /** Same length; NaN with `stale` for one that ends the series. */
  readonly values: number[] = []
  readonly starts: number[] = []
  readonly stale: boolean[] = []
  /** Bodies of Histogram without their times, instead of `values`. */
  readonly histograms: Uint8Array[] = []
  readonly exemplars: Exemplar[] = []

  /** `texts`: name, value, name, value, …, sorted by name. */
  constructor(readonly texts: readonly string[]) {}

  add(time: number, value: number, start: number, stale: boolean): void {
    this.times.push(time)
    this.values.push(value)
    this.starts.push(start)
    this.stale.push(stale)
  }

  clear(): void {
    this.times.length = this.values.length = this.starts.length = this.stale.length = 0
    this.histograms.length = this.exemplars.length = 0
  }
}

const textsOf = ({ family, labels }: Series, suffix: string, extra: string, value: string): string[] => {
  const all = labels.filter(label => label.name !== extra)
  all.push({ name: '__name__', value: family.name + suffix })
  if (extra !== '') all.push({ name: extra, value })
  return all.sort((a, b) => (a.name < b.name ? -1 : 1)).flatMap(label => [label.name, label.value])
}

class Known implements Entry {
  readonly start = 0
  chain: Entry | undefined
  constructor(
    readonly bytes: Buffer,
    readonly hash: number,
    readonly series: Series,
  ) {}
  get end(): number {
    return this.bytes.length
  }
}

export type Refused = 'cardinality_limit' | 'max_series' | 'type_conflict'
export interface Limits {
  readonly perMetric: number
  readonly inAll: number
  /** Milliseconds. */
  readonly expiration: number
}

/** Bytes of what a point says of itself, at first. */
const IDENTITY = 4096

export class Catalog {
  readonly families = new Map<string, Family>()
  size = 0
  private identity = Buffer.alloc(IDENTITY)
  private swept = 0

  constructor(
    private readonly limits: Limits,
    private readonly labels: Labels,
    /** Of hashes, so that nobody can prepare attributes that collide. */
    private readonly seed: number,
  ) {}

  /** The series of a point; `origin`: number of its resource and scope, `base`: their labels. Throws WireError. */
  find(family: Family, origin: number, base: ReadonlyMap<string, string>, attributes: Attributes, now: number): Series | Refused {
    const end = this.identify(origin, attributes)
    const hash = hashOf(this.identity, 0, end, this.seed)
    const known = family.known.find(this.identity, 0, end, hash)?.series
    if (known) {
      known.told = now
      return known
    }
    const series = this.named(family, this.labels.ofPoint(base, attributes), now)
    if (typeof series === 'string') return series
    if (family.known.size >= this.limits.perMetric * 2) family.known = new ByteTable()
    family.known.add(new Known(Buffer.from(this.identity.subarray(0, end)), hash, series))
    return series
  }

  /** The series with these labels, sorted. */
  named(family: Family, labels: readonly Label[], now: number): Series | Refused {
    const key = labels.map(({ name, value }) => `${name}\0${value}`).join('\0')
    let series = family.series.get(key)
    if (!series) {
      if (family.series.size >= this.limits.perMetric) return 'cardinality_limit'
      if (this.size >= this.limits.inAll) return 'max_series'
      series = new Series(family, labels)
      // Kept with its first series only, so that nothing is remembered of what was refused.
      this.families.set(family.name, family)
      family.series.set(key, series)
      this.size++
    }
    series.told = now
    return series
  }

  /** Forgets what was not told for `expiration`; looks a few times in that time. */
  expire(now: number): void {
    if (now < this.swept + this.limits.expiration / 4) return
    this.swept = now
    for (const family of this.families.values()) {
      let forgotten = 0
      for (const [key, { told }] of family.series)
        if (told < now - this.limits.expiration) {
          family.series.delete(key)
          forgotten++
        }
      if (forgotten === 0) continue
      this.size -= forgotten
      family.known = new ByteTable()
      if (family.series.size === 0) this.families.delete(family.name)
    }
  }

  private identify(origin: number, attributes: Attributes): number {
    for (;;) {
      this.identity.writeDoubleLE(origin, 0)
      const end = attributes.copyAll(this.identity, 8)
      if (end >= 0) return end
      this.identity = Buffer.alloc(this.identity.length * 2)
    }
  }
}
