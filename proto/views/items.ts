/** One walk for all signals: item by item, with the messages that hold it. For what treats spans, points and log records alike. */
import type { Signal } from '../batch.js'
import { GROUP, METRIC_DATA, SCOPE_GROUP } from '../fields.js'
import { BYTES, Fields } from '../wire.js'
import { ExponentialPointView, HistogramPointView } from './histograms.js'
import type { ItemView } from './item.js'
import { LogView } from './logs.js'
import { EXPONENTIAL_HISTOGRAM, HISTOGRAM, MetricView, SUMMARY } from './metrics.js'
import { NumberPointView, SummaryPointView } from './points.js'
import { SpanView } from './traces.js'

/** A level of messages between a group and its items: the field of the level above in which they lie. */
type Level = (fields: Fields, cursor: ItemCursor) => boolean

const scopes: Level = fields => fields.number === GROUP.scopes
const inScope: Level = fields => fields.number === SCOPE_GROUP.items
const data: Level = (fields, cursor) => fields.number === cursor.metric?.kind
const points: Level = fields => fields.number === METRIC_DATA.dataPoints

/**
 *     const items = new ItemCursor(batch.signal)
 *     for (const group of batch.groups) {
 *       items.over(group.rest)
 *       while (items.next()) items.item.attributes …
 *     }
 */
export class ItemCursor {
  /** The metric of the current point; undefined for other signals. */
  readonly metric: MetricView | undefined
  /** The current item: a SpanView, a LogView or the PointView of the metric's kind. */
  item: ItemView
  /** The fields that hold the item, outermost first; the last one is the item itself. */
  readonly path: readonly Fields[]
  /** For each field of `path`, how many of its level have been passed: changes exactly when the field is another. */
  readonly serials: Int32Array
  private readonly levels: readonly Level[]
  private readonly viewOf: (kind: number) => ItemView

  /** Throws RangeError for `events`, which have no items. */
  constructor(signal: Signal) {
    if (signal === 'events') throw new RangeError('events are no OTLP signal')
    const metrics = signal === 'metrics'
    this.levels = metrics ? [scopes, inScope, data, points] : [scopes, inScope]
    this.path = this.levels.map(() => new Fields())
    this.serials = new Int32Array(this.levels.length)
    this.metric = metrics ? new MetricView() : undefined
    this.viewOf = metrics ? pointViews() : always(signal === 'traces' ? new SpanView() : new LogView())
    this.item = this.viewOf(0)
  }

  /** Starts over with a group's `rest`. */
  over(rest: Uint8Array): this {
    for (const fields of this.path) fields.reset(rest, 0, 0)
    this.path[0]!.reset(rest)
    this.serials.fill(0)
    return this
  }

  /** Points `item` at the next item. Throws WireError. */
  next(): boolean {
    if (!this.skip()) return false
    const { bytes, start, end } = this.path[this.path.length - 1]!
    this.item.read(bytes, start, end)
    return true
  }

  /** Moves on as `next` does, but looks only at where the item lies: `path` moves, `item` does not. Throws WireError. */
  skip(): boolean {
    const { path, levels } = this
    const last = path.length - 1
    let level = last
    for (;;) {
      const fields = path[level]!
      if (!fields.next()) {
        if (level === 0) return false
        level--
        continue
      }
      if (!levels[level]!(fields, this)) continue
      fields.expect(BYTES)
      this.serials[level]!++
      if (level === last) return true
      if (this.metric && level === 1) {
        this.metric.read(fields.bytes, fields.start, fields.end)
        this.item = this.viewOf(this.metric.kind)
      }
      path[++level]!.enter(fields)
    }
  }
}

const always = (view: ItemView) => () => view

const OTHER_POINTS: Readonly<Record<number, new () => ItemView>> = {
  [HISTOGRAM]: HistogramPointView,
  [EXPONENTIAL_HISTOGRAM]: ExponentialPointView,
  [SUMMARY]: SummaryPointView,
}

/** A cursor is made for every group that is split: the views of the rarer kinds, which are large, only where such a point occurs. */
const pointViews = (): ((kind: number) => ItemView) => {
  const number = new NumberPointView()
  const others = new Map<number, ItemView>()
  return kind => {
    const View = OTHER_POINTS[kind]
    if (!View) return number
    let view = others.get(kind)
    if (!view) others.set(kind, (view = new View()))
    return view
  }
}
