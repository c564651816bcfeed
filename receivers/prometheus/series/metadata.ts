/** What an exposition's comments say of its families, and to which family a sample belongs. */
import type { MetricType } from '../../../proto/exposition/cursor.js'

/** What a sample says of its point. `bucket` and `quantile` carry their bound in a label. */
export type Role = 'value' | 'bucket' | 'quantile' | 'sum' | 'count' | 'created'

/** What is made from metadata and ends with it. */
export interface Retirable {
  retired: boolean
}

export class Metadata {
  type: MetricType = 'unknown'
  help = ''
  unit = ''
  /** Numbers of the scrape that last declared the type, and of the one that last saw a sample. */
  declared = 0
  seen = 0
  /** Grows when help or unit change. */
  version = 0
  /** Families made from it; a new type retires them. */
  families: Retirable[] = []
  constructor(readonly name: string) {}
}

/** Suffix → role, by type. A counter without `_total` is the text format's, with `_total` in its own name. */
const ROLES: Readonly<Record<MetricType, readonly (readonly [suffix: string, role: Role])[]>> = {
  counter: [
    ['', 'value'],
    ['_total', 'value'],
    ['_created', 'created'],
  ],
  gauge: [['', 'value']],
  unknown: [['', 'value']],
  stateset: [['', 'value']],
  info: [
    ['_info', 'value'],
    ['', 'value'],
  ],
  histogram: [
    ['_bucket', 'bucket'],
    ['_sum', 'sum'],
    ['_count', 'count'],
    ['_created', 'created'],
  ],
  summary: [
    ['', 'quantile'],
    ['_sum', 'sum'],
    ['_count', 'count'],
    ['_created', 'created'],
  ],
  // OTLP has no gauge histograms: each of their series stays a gauge of its own.
  gaugehistogram: [],
}
const SUFFIXES = ['', '_total', '_bucket', '_sum', '_count', '_created', '_info', '_gsum', '_gcount']

export interface Membership {
  readonly metadata: Metadata
  readonly role: Role
  /** What the sample's name has beyond its family's. */
  readonly suffix: string
}

export class MetadataTable {
  private readonly byName = new Map<string, Metadata>()
  private readonly renamed = new Map<string, Metadata>()

  /** A TYPE line. One that comes after the family's samples says nothing, as it must come before them. */
  declare(name: string, type: MetricType, scrape: number): void {
    const metadata = this.of(name)
    if (metadata.seen === scrape || metadata.declared === scrape) return
    metadata.declared = scrape
    if (metadata.type === type && metadata.families.length > 0) return
    metadata.type = type
    // Samples read before anybody declared their family were families of their own.
    for (const suffix of SUFFIXES) {
      const own = this.byName.get(name + suffix)
      if (!own || (suffix !== '' && (own.declared > 0 || own.seen === scrape))) continue
      for (const family of own.families) family.retired = true
      own.families = []
    }
  }

  describe(name: string, help: string): void {
    const metadata = this.of(name)
    if (metadata.help === help) return
    metadata.help = help
    metadata.version++
  }

  measure(name: string, unit: string): void {
    const metadata = this.of(name)
    if (metadata.unit === unit) return
    metadata.unit = unit
    metadata.version++
  }

  /** The family declared in this scrape that has a place for the sample; else one of its own, of unknown type. */
  membership(name: string, scrape: number): Membership {
    for (const suffix of SUFFIXES) {
      if (!name.endsWith(suffix)) continue
      const metadata = this.byName.get(name.slice(0, name.length - suffix.length))
      if (metadata?.declared !== scrape) continue
      const role = ROLES[metadata.type].find(([known]) => known === suffix)?.[1]
      if (role) return { metadata, role, suffix }
    }
    return { metadata: this.of(name), role: 'value', suffix: '' }
  }

  /** A family of its own, of unknown type, whatever is declared. */
  alone(name: string): Metadata {
    let metadata = this.renamed.get(name)
    if (!metadata) this.renamed.set(name, (metadata = new Metadata(name)))
    return metadata
  }

  /** Forgets families without points, so that names that come and go take no memory. */
  prune(scrape: number): void {
    for (const table of [this.byName, this.renamed])
      for (const [name, metadata] of table) if (metadata.declared !== scrape && metadata.families.length === 0) table.delete(name)
  }

  get size(): number {
    return this.byName.size + this.renamed.size
  }

  private of(name: string): Metadata {
    let metadata = this.byName.get(name)
    if (!metadata) this.byName.set(name, (metadata = new Metadata(name)))
    return metadata
  }
}
