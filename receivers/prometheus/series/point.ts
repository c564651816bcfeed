/** One OTLP data point of one target, remembered from scrape to scrape, and the metric it belongs to. */
import { ByteTable, type Entry } from '../../../proto/byte-table.js'
import type { Metadata } from './metadata.js'
import type { NumberSlabs } from './slabs.js'

/** How a family is written: the member of Metric's `data`. */
export type Kind = 'gauge' | 'sum' | 'histogram' | 'summary'

/** Where a family stands: an instrumentation scope of a resource. */
export interface Place {
  /** Bodies of the InstrumentationScope and Resource messages. */
  readonly body: Uint8Array
  readonly schemaUrl: string
  readonly origin: { resource(scrape: number): Uint8Array }
  /** By the names they are written as; families that were retired are replaced. */
  readonly families: ReadonlyMap<string, Family>
  /** The family has no points any more. */
  drop(family: Family): void
}

export class Family {
  readonly kind: Kind
  readonly monotonic: boolean
  /** Its type changed: points of it are seen no more. */
  retired = false
  readonly points = new ByteTable<Point>()
  /** Number of the last scrape that has points of it, and those: seen with a value, or gone. */
  seen = 0
  readonly present: Point[] = []
  readonly gone: Point[] = []
  /** Name, description and unit as written, and the metadata version they were written from. */
  head: Uint8Array = new Uint8Array(0)
  headVersion = -1

  constructor(
    /** As written in OTLP. */
    readonly name: string,
    readonly metadata: Metadata,
    readonly scope: Place,
  ) {
    const { type } = metadata
    this.kind =
      type === 'histogram' || type === 'summary' ? type : type === 'counter' || type === 'info' || type === 'stateset' ? 'sum' : 'gauge'
    this.monotonic = type === 'counter'
  }

  /** The point with the same attributes in the family that took this one's place when its type changed. */
  successor(point: Point): Point | undefined {
    const family = this.retired ? this.scope.families.get(this.name) : undefined
    if (family?.attributesField !== this.attributesField) return undefined
    return family.points.find(point.bytes, 0, point.bytes.length, point.hash)
  }

  /** Field number of `attributes` in its points. */
  get attributesField(): number {
    return this.kind === 'histogram' ? 9 : 7
  }
}

/** One `le` or `quantile` of a point. */
export interface Bound {
  readonly bound: number
  /** Cumulative count, or the quantile's value. */
  value: number
  /** Of the scrape before. */
  last: number
  seen: number
  readonly born: number
}

/** A point's numbers, in one record: fields of an object would be an object each. */
const VALUE = 0
const TIMESTAMP = 1
const SUM = 2
const CREATED = 3
const START = 4
const LAST_VALUE = 5
const LAST_TIME = 6
export const NUMBERS_OF_A_POINT = 7

export class Point implements Entry {
  readonly start = 0
  chain: Entry | undefined
  /** Numbers of the scrape that last named it, last gave it a value, a sum, a time of creation, and last sent it. */
  seen = 0
  valued = 0
  summed = 0
  createdSeen = 0
  sent = 0
  /** Histograms: buckets, summaries: quantiles; rising. */
  bounds: Bound[] | undefined
  exemplars: Uint8Array[] | undefined
  private readonly numbers: Float64Array
  private readonly at: number

  constructor(
    readonly family: Family,
    /** Its attributes, encoded with the field number its kind has for them. Its identity within the family. */
    readonly bytes: Buffer,
    readonly hash: number,
    /** Number of the scrape that made it. */
    readonly born: number,
    { slab, start }: NumberSlabs,
  ) {
    this.numbers = slab
    this.at = start
  }

  get end(): number {
    return this.bytes.length
  }

  /** The number; of histograms and summaries the count. */
  get value(): number {
    return this.numbers[this.at + VALUE]!
  }
  set value(value: number) {
    this.numbers[this.at + VALUE] = value
  }
  /** Milliseconds; NaN = the scrape's. */
  get timestamp(): number {
    return this.numbers[this.at + TIMESTAMP]!
  }
  set timestamp(milliseconds: number) {
    this.numbers[this.at + TIMESTAMP] = milliseconds
  }
  get sum(): number {
    return this.numbers[this.at + SUM]!
  }
  set sum(sum: number) {
    this.numbers[this.at + SUM] = sum
  }
  /** Milliseconds the source says it counts from. */
  get created(): number {
    return this.numbers[this.at + CREATED]!
  }
  set created(milliseconds: number) {
    this.numbers[this.at + CREATED] = milliseconds
  }
  /** Milliseconds it counts from; NaN for gauges. */
  get since(): number {
    return this.numbers[this.at + START]!
  }
  set since(milliseconds: number) {
    this.numbers[this.at + START] = milliseconds
  }
  /** What was sent last, when there was a value. */
  get lastValue(): number {
    return this.numbers[this.at + LAST_VALUE]!
  }
  set lastValue(value: number) {
    this.numbers[this.at + LAST_VALUE] = value
  }
  get lastTime(): number {
    return this.numbers[this.at + LAST_TIME]!
  }
  set lastTime(milliseconds: number) {
    this.numbers[this.at + LAST_TIME] = milliseconds
  }

  /** The `le` or `quantile`, kept in order. */
  boundAt(bound: number, scrape: number): Bound {
    this.bounds ??= []
    let index = this.bounds.length
    while (index > 0 && this.bounds[index - 1]!.bound > bound) index--
    const before = this.bounds[index - 1]
    if (before && before.bound === bound) return before
    const added: Bound = { bound, value: 0, last: Number.NaN, seen: 0, born: scrape }
    this.bounds.splice(index, 0, added)
    return added
  }
}

/** Why a point that was scraped is not sent; a label of a counter. */
export type Unfit = 'nan' | 'no_count' | 'inconsistent_histogram' | 'out_of_bounds'

/** Prometheus refuses samples further ahead. */
const FURTHEST_AHEAD = 600_000

/** Whether a time that a target wrote may be passed on. Milliseconds since the epoch. */
export const isPlausible = (time: number, scrapeTime: number): boolean => time > 0 && time <= scrapeTime + FURTHEST_AHEAD

/**
 * Decides, once a scrape is known to be whole, what the point says: its start time by the source's word, by what was seen before, or unknown
 * (then the time of the first observation, as OTLP has it). Counts that fell were reset at some time after the last observation.
 */
export const settle = (point: Point, scrape: number, scrapeTime: number): Unfit | undefined => {
  const { family } = point
  if (point.valued !== scrape) return 'no_count'
  if (Number.isNaN(point.value)) return 'nan'
  const time = Number.isNaN(point.timestamp) ? scrapeTime : point.timestamp
  if (!isPlausible(time, scrapeTime)) return 'out_of_bounds'
  if (point.bounds?.some(({ seen }) => seen !== scrape)) point.bounds = point.bounds.filter(({ seen }) => seen === scrape)
  if (family.kind === 'histogram' && !consistent(point)) return 'inconsistent_histogram'
  if (family.kind === 'summary' && !isCount(point.value)) return 'inconsistent_histogram'
  if (family.monotonic || family.kind === 'histogram' || family.kind === 'summary') {
    const fell = point.value < point.lastValue || (family.kind === 'histogram' && anyFell(point))
    if (point.createdSeen === scrape && point.created > 0 && point.created <= time) point.since = point.created
    else if (Number.isNaN(point.lastValue)) point.since = time
    else if (fell) point.since = point.lastTime
    if (point.bounds && family.kind === 'histogram') for (const each of point.bounds) each.last = each.value
  }
  point.lastValue = point.value
  point.lastTime = time
  point.sent = scrape
  return undefined
}

const isCount = (value: number): boolean => value >= 0 && value <= Number.MAX_SAFE_INTEGER

const consistent = (point: Point): boolean => {
  let before = 0
  for (const { value } of point.bounds ?? []) {
    if (!(value >= before)) return false
    before = value
  }
  return isCount(point.value) && point.value >= before
}

const anyFell = (point: Point): boolean => point.bounds?.some(({ value, last }) => value < last) ?? false
