/** The series of one exposition line, remembered by its bytes, and what they mean after relabelling. */

import { type Entry, hashOf } from '../../../proto/byte-table.js'
import { parseNumber } from '../../../proto/exposition/number.js'
import type { SeriesText } from '../../../proto/exposition/series.js'
import { Writer } from '../../../proto/wire.js'
import { ScrapeError } from '../failure.js'
import type { RelabelRule } from '../relabel/options.js'
import { type Labels, relabel } from '../relabel/relabel.js'
import { enforceLimits, type LabelLimits, mergeLabels } from './labels.js'
import type { MetadataTable, Role } from './metadata.js'
import { Origin, SCOPE_LABELS, type Server, writeAttribute } from './origin.js'
import { type Bound, type Family, NUMBERS_OF_A_POINT, Point } from './point.js'
import { type ByteSlabs, NumberSlabs } from './slabs.js'

export class Line implements Entry {
  chain: Entry | undefined
  /** Number of the last scrape that had it, and its place among that scrape's lines. */
  seen = 0
  position = 0
  bound: Bound | undefined
  /** Of `target_info`: what it describes, and with what. */
  origin: Origin | undefined
  info: Labels | undefined

  constructor(
    readonly bytes: Buffer,
    readonly start: number,
    readonly end: number,
    readonly hash: number,
    /** Undefined: dropped by relabelling, or `target_info`. */
    readonly point: Point | undefined,
    readonly role: Role,
  ) {}

  /** False for what relabelling dropped. */
  get kept(): boolean {
    return this.point !== undefined || this.info !== undefined
  }
}

export interface SeriesOptions extends LabelLimits {
  /** Labels that every series of the target gets; `job` and `instance` among them. */
  readonly labels: Labels
  readonly server: Server
  readonly honor_labels: boolean
  readonly metric_relabel_configs: readonly RelabelRule[]
  readonly external_labels: Labels
  /** Most samples of one scrape after relabelling; 0 = no limit. */
  readonly sample_limit: number
  readonly honor_timestamps: boolean
  readonly track_timestamps_staleness: boolean
}

const MOST_BOUNDS = 10_000
const JOB = 'job'
const INSTANCE = 'instance'

/** Labels → lines, points, families and resources of one target. */
export class Resolver {
  readonly origins = new Map<string, Origin>()
  readonly home: Origin
  private readonly writer = new Writer(1024)
  private readonly numbers = new NumberSlabs(NUMBERS_OF_A_POINT)

  constructor(
    private readonly options: SeriesOptions,
    private readonly metadata: MetadataTable,
    /** Seed of every hash. */
    readonly seed: number,
  ) {
    const { labels } = options
    this.home = this.originOf(labels.get(JOB) ?? '', labels.get(INSTANCE) ?? '')
  }

  /** The line's own bytes were kept last. Throws ScrapeError when the labels break a limit or make no series. */
  resolve(text: SeriesText, { slab, start, end }: ByteSlabs, hash: number, scrape: number): Line {
    const { options } = this
    const labels = mergeLabels(text, options.labels, options.honor_labels)
    if (!relabel(labels, options.metric_relabel_configs)) return new Line(slab, start, end, hash, undefined, 'value')
    enforceLimits(labels, options)
    for (const [name, value] of options.external_labels) if (!labels.has(name)) labels.set(name, value)
    const name = labels.get('__name__')
    if (name === undefined) throw new ScrapeError(`relabelling left ${JSON.stringify(text.name)} without a name`, 'malformed')
    const origin = this.originOf(labels.get(JOB) ?? this.home.job, labels.get(INSTANCE) ?? this.home.instance)
    if (name === 'target_info') return describe(new Line(slab, start, end, hash, undefined, 'value'), labels, origin)

    let { metadata, role, suffix } = this.metadata.membership(text.name, scrape)
    let familyName = name
    if (role !== 'value' && name.endsWith(suffix)) familyName = name.slice(0, name.length - suffix.length)
    else if (role !== 'value') {
      // Renamed to what is no part of a histogram or summary any more.
      metadata = this.metadata.alone(name)
      role = 'value'
    }
    // A counter is named with its `_total` where the source wrote it; its `_created` belongs to the same point.
    if (role === 'created' && metadata.type === 'counter') familyName += '_total'
    const family = origin.scope(labels).family(familyName, metadata)
    let bound: number | undefined
    if (role === 'bucket' || role === 'quantile') {
      const label = role === 'bucket' ? 'le' : 'quantile'
      bound = parseNumber(labels.get(label) ?? '')
      if (bound === undefined || Number.isNaN(bound)) throw new ScrapeError(`${name} has no number in its label ${label}`, 'malformed')
      labels.delete(label)
    }
    const point = this.pointOf(family, labels, scrape)
    const line = new Line(slab, start, end, hash, point, role)
    if (bound !== undefined) {
      if ((point.bounds?.length ?? 0) >= MOST_BOUNDS) throw new ScrapeError(`${name} has more than ${MOST_BOUNDS} buckets`, 'bucket_limit')
      line.bound = point.boundAt(bound, scrape)
    }
    return line
  }

  /** A point with the target's labels: what is said of the scrape itself. */
  own(family: Family): Point {
    const labels = new Map(this.options.labels)
    for (const [name, value] of this.options.external_labels) if (!labels.has(name)) labels.set(name, value)
    return this.pointOf(family, labels, 0)
  }

  /** Forgets resources without series. */
  prune(): void {
    for (const [key, origin] of this.origins) if (origin !== this.home && origin.scopes.size === 0) this.origins.delete(key)
  }

  private pointOf(family: Family, labels: Labels, scrape: number): Point {
    const { writer } = this
    const names: string[] = []
    for (const name of labels.keys()) if (isAttribute(name)) names.push(name)
    for (const name of names.sort()) writeAttribute(writer, family.attributesField, name, labels.get(name)!)
    const key = writer.copy()
    const hash = hashOf(key, 0, key.length, this.seed)
    let point = family.points.find(key, 0, key.length, hash)
    if (!point) {
      this.numbers.take()
      family.points.add((point = new Point(family, key, hash, scrape, this.numbers)))
    }
    return point
  }

  private originOf(job: string, instance: string): Origin {
    const key = `${job}\0${instance}`
    let origin = this.origins.get(key)
    if (!origin) {
      const home = instance === this.options.labels.get(INSTANCE)
      this.origins.set(key, (origin = new Origin(job, instance, home ? this.options.server : serverOf(instance, this.options.server))))
    }
    return origin
  }
}

/** Resource attributes say job and instance; names with two underscores are the rules' own. */
const isAttribute = (name: string): boolean => name !== JOB && name !== INSTANCE && !name.startsWith('__') && !name.startsWith(SCOPE_LABELS)

/** Makes the line one that describes its resource. */
const describe = (line: Line, labels: Labels, origin: Origin): Line => {
  line.origin = origin
  line.info = new Map(Array.from(labels).filter(([name]) => name !== JOB && name !== INSTANCE && !name.startsWith('__')))
  return line
}

/** Of a series that says it comes from elsewhere (federation, a push gateway). */
const serverOf = (instance: string, { scheme }: Server): Server => {
  const [, address = instance, port = ''] = /^(.*?)(?::(\d+))?$/s.exec(instance) ?? []
  return { address: address.replace(/^\[|\]$/g, ''), port, scheme }
}
