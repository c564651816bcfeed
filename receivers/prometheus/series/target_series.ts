/**
 * All that is remembered of one target between scrapes, and one scrape's way through it: bytes in, one batch out.
 *
 * The last exposition is the best guess at the next one. So lines are remembered by their bytes, in order; a line that comes again costs one
 * comparison of memory and the reading of its number. Nothing of a scrape counts before all of it was read: values lie beside what was sent
 * last until `finish`, and what a failed scrape brought along is forgotten in `fail`.
 */
import { Batch, type Group } from '../../../proto/batch.js'
import { ByteTable, hashOf } from '../../../proto/byte-table.js'
import { Cursor, END, type Format, HELP, type MetricType, SAMPLE, TYPE } from '../../../proto/exposition/cursor.js'
import { readExemplar } from '../../../proto/exposition/exemplar.js'
import { Lines } from '../../../proto/exposition/lines.js'
import { readSeries } from '../../../proto/exposition/series.js'
import { ScrapeError } from '../failure.js'
import type { Turns } from '../turns.js'
import { encodeExemplar } from './encode.js'
import { encodeGroups, measure } from './groups.js'
import { type Line, Resolver, type SeriesOptions } from './line.js'
import { MetadataTable } from './metadata.js'
import { type Family, isPlausible, type Point, settle, type Unfit } from './point.js'
import { type Report, ReportSeries } from './report.js'
import { ByteSlabs } from './slabs.js'

const METADATA = { transport: 'http' }
/** Families that comments may name where `sample_limit` sets no bound. */
const MOST_FAMILIES = 1_000_000

/** A batch ready to be written. */
export interface Sending {
  readonly items: number
  /** Bytes of the batch, about. */
  readonly bytes: number
  write(): Promise<Batch>
}

export class TargetSeries {
  /** Counts points that were scraped and not sent. */
  readonly unfit = new Map<Unfit, number>()
  /** Exemplars of this scrape that were left out: their time is none that can be. */
  unfitExemplars = 0
  private readonly metadata = new MetadataTable()
  private readonly resolver: Resolver
  private readonly report: ReportSeries
  private readonly table = new ByteTable<Line>()
  private readonly keys = new ByteSlabs()
  /** Lines of the last good scrape, in order; points sent then that must be declared gone when they are no more. */
  private order: Line[] = []
  private live: Point[] = []
  /** Of the scrape under way. */
  private scrape = 0
  private time = 0
  private cursor = new Cursor('text')
  private lines = new Lines(() => {})
  private position = 0
  private fresh: Line[] = []
  private created: Line[] = []
  private families: Family[] = []
  private scraped = 0
  private kept = 0
  private added = 0

  constructor(
    private readonly options: SeriesOptions,
    private readonly turns: Turns,
    seed: number,
  ) {
    this.resolver = new Resolver(options, this.metadata, seed)
    this.report = new ReportSeries(this.resolver)
  }

  /** A new scrape, of `time` (milliseconds since the epoch). */
  begin(time: number): void {
    this.scrape++
    this.time = time
    this.position = this.scraped = this.kept = this.added = this.unfitExemplars = 0
    this.fresh = []
    this.created = []
    this.families = []
  }

  /** The body that follows is written in `format`. */
  read(format: Format): void {
    this.cursor = new Cursor(format)
    this.lines = new Lines((bytes, start, end) => this.take(bytes, start, end))
  }

  /** The next bytes of the body; they must not change afterwards. Throws ExpositionError and ScrapeError: then `fail`. */
  feed(chunk: Buffer): void {
    this.lines.feed(chunk)
  }

  /** The body is over. `framed`: the transport said so; else only a newline at the end tells that it is whole. Throws as `feed` does. */
  end(framed: boolean): void {
    const ended = this.lines.end()
    const whole = this.cursor.format === 'openmetrics' ? this.cursor.complete : ended || framed
    if (!whole) throw new ScrapeError('the exposition breaks off before its end', 'truncated')
  }

  /** The scrape was whole: what it says, and what is no more. */
  async finish(duration: number): Promise<Sending> {
    const { families, scrape, turns } = this
    const live: Point[] = []
    for (const family of families) {
      let kept = 0
      await turns.each(family.present, point => {
        const unfit = settle(point, scrape, this.time)
        if (unfit !== undefined) {
          this.unfit.set(unfit, (this.unfit.get(unfit) ?? 0) + 1)
          return
        }
        family.present[kept++] = point
        if (Number.isNaN(point.timestamp) || this.options.track_timestamps_staleness) live.push(point)
      })
      family.present.length = kept
    }
    await this.leave()
    const report = { up: true, duration, scraped: this.scraped, kept: this.kept, added: this.added }
    await this.declareGone()
    this.live = live
    this.forget()
    return this.send(report)
  }

  /** The scrape failed: every series is gone, nothing of it counts. */
  async fail(duration: number): Promise<Sending> {
    const affected = new Set<Point>()
    await this.turns.each(this.created, line => {
      this.table.delete(line)
      const { point } = line
      if (point?.born === this.scrape) this.drop(point)
      else if (point) affected.add(point)
    })
    for (const point of affected) point.bounds = point.bounds?.filter(({ born }) => born !== this.scrape)
    this.forget()
    this.families = []
    // A family that the broken scrape had begun must not send what it began with.
    this.scrape++
    await this.declareGone()
    return this.send({ up: false, duration, scraped: this.scraped, kept: this.kept, added: 0 })
  }

  /** The target is no more, and with it every series, those on the scrape itself too. Undefined when nothing was ever sent. */
  async vanish(time: number): Promise<Sending | undefined> {
    this.begin(time)
    await this.declareGone()
    for (const point of this.report.fill({ up: false, duration: 0, scraped: 0, kept: 0, added: 0 }, this.scrape))
      if (point.sent > 0) this.enter(point.family).gone.push(point)
    return this.families.length === 0 ? undefined : this.encode()
  }

  /** Lines remembered, for the books on memory. */
  get size(): number {
    return this.table.size
  }

  private take(bytes: Buffer, start: number, end: number): void {
    const { cursor } = this
    cursor.reset(bytes, start, end)
    for (let kind = cursor.next(); kind !== END; kind = cursor.next()) {
      if (kind === SAMPLE) {
        let line = this.order[this.position]
        if (line && cursor.isAt(line.bytes, line.start, line.end) && line.point?.family.retired !== true) this.position++
        else line = this.find(bytes)
        cursor.readSample()
        this.note(line)
        continue
      }
      if (kind === TYPE) this.metadata.declare(cursor.name, cursor.text as MetricType, this.scrape)
      else if (kind === HELP) this.metadata.describe(cursor.name, cursor.text)
      else this.metadata.measure(cursor.name, cursor.text)
      if (this.metadata.size > (this.options.sample_limit || MOST_FAMILIES))
        throw new ScrapeError(
          `the comments name more families than sample_limit, ${this.options.sample_limit || MOST_FAMILIES}`,
          'sample_limit',
        )
    }
  }

  /** The line at the cursor, wherever the last scrape had it, or a new one. */
  private find(bytes: Buffer): Line {
    const { cursor } = this
    cursor.scanSeries()
    const { seriesStart, seriesEnd } = cursor
    const hash = hashOf(bytes, seriesStart, seriesEnd, this.resolver.seed)
    const known = this.table.find(bytes, seriesStart, seriesEnd, hash)
    if (known && known.point?.family.retired !== true) {
      this.position = known.position + 1
      return known
    }
    if (known) this.table.delete(known)
    const text = readSeries(bytes, seriesStart, seriesEnd, cursor.line)
    this.keys.keep(bytes, seriesStart, seriesEnd)
    const line = this.resolver.resolve(text, this.keys, hash, this.scrape)
    this.table.add(line)
    this.created.push(line)
    if (line.kept) this.added++
    return line
  }

  private note(line: Line): void {
    const { scrape, cursor } = this
    if (line.seen === scrape) throw this.duplicate()
    line.seen = scrape
    line.position = this.fresh.length
    this.fresh.push(line)
    this.scraped++
    // Dropped lines are remembered too; twice as many lines as samples are allowed is as far as that goes.
    const { sample_limit: limit } = this.options
    if (limit > 0 && ((this.kept >= limit && line.kept) || this.scraped > 2 * limit))
      throw new ScrapeError(`more than sample_limit, ${limit}, samples`, 'sample_limit')
    if (line.kept) this.kept++
    const { point } = line
    if (point) this.value(line, point)
    else if (line.origin) {
      line.origin.info = line.info
      line.origin.infoSeen = scrape
    }
    if (cursor.exemplarEnd > cursor.exemplarStart && point && point.family.kind !== 'summary') {
      const exemplar = readExemplar(cursor.bytes, cursor.exemplarStart, cursor.exemplarEnd, cursor.line)
      if (isPlausible(exemplar.timestamp ?? this.time, this.time)) {
        point.exemplars ??= []
        point.exemplars.push(encodeExemplar(exemplar, point.family.kind, this.time))
      } else this.unfitExemplars++
    }
  }

  private value(line: Line, point: Point): void {
    const { scrape, cursor } = this
    if (line.role === 'created') {
      if (point.createdSeen === scrape) throw this.duplicate()
      point.createdSeen = scrape
      point.created = cursor.value * 1000
      return
    }
    if (point.seen !== scrape) {
      point.seen = scrape
      point.timestamp = Number.NaN
      if (point.exemplars) point.exemplars = undefined
      this.enter(point.family).present.push(point)
    }
    if (this.options.honor_timestamps && !Number.isNaN(cursor.timestamp)) point.timestamp = cursor.timestamp
    if (line.bound) {
      if (line.bound.seen === scrape) throw this.duplicate()
      line.bound.seen = scrape
      line.bound.value = cursor.value
    } else if (line.role === 'sum') {
      if (point.summed === scrape) throw this.duplicate()
      point.summed = scrape
      point.sum = cursor.value
    } else {
      if (point.valued === scrape) throw this.duplicate()
      point.valued = scrape
      point.value = cursor.value
    }
  }

  /** The family, ready to take points of this scrape. */
  private enter(family: Family): Family {
    if (family.seen !== this.scrape) {
      family.seen = this.scrape
      family.metadata.seen = this.scrape
      family.present.length = 0
      family.gone.length = 0
      this.families.push(family)
    }
    return family
  }

  private duplicate(): ScrapeError {
    const { bytes, seriesStart, seriesEnd, line } = this.cursor
    const text = JSON.stringify(bytes.toString('utf8', seriesStart, Math.min(seriesEnd, seriesStart + 200)))
    return new ScrapeError(`line ${line}: the series ${text} appears twice, perhaps only after relabelling`, 'duplicate_series')
  }

  /** Points sent before and not now. */
  private async declareGone(): Promise<void> {
    const { live } = this
    this.live = []
    await this.turns.each(live, point => {
      if (point.sent === this.scrape || point.family.successor(point)?.sent === this.scrape) return
      this.enter(point.family).gone.push(point)
    })
  }

  /** Lines that came no more are forgotten, with points that no other line names. */
  private async leave(): Promise<void> {
    await this.turns.each(this.order, line => {
      if (line.seen === this.scrape) return
      this.table.delete(line)
      if (line.point && line.point.seen !== this.scrape) this.drop(line.point)
    })
    this.order = this.fresh
  }

  private drop(point: Point): void {
    const { family } = point
    family.points.delete(point)
    if (family.points.size === 0) family.scope.drop(family)
  }

  private forget(): void {
    this.metadata.prune(this.scrape)
    this.resolver.prune()
  }

  private send(report: Report): Promise<Sending> {
    for (const point of this.report.fill(report, this.scrape)) {
      settle(point, this.scrape, this.time)
      this.enter(point.family).present.push(point)
    }
    return this.encode()
  }

  private async encode(): Promise<Sending> {
    const { families, scrape, time, turns } = this
    const measured = await measure(families, scrape, turns)
    return {
      items: measured.items,
      bytes: measured.bytes,
      write: async () => {
        const groups: Group[] = await encodeGroups(measured, scrape, time, turns)
        return Batch.ofGroups('metrics', groups, measured.items, METADATA)
      },
    }
  }
}
