/**
 * Writes what is known about a span's targets on each span of a group (rules 13, 16). The group is walked twice: to see which interval it
 * spans, so that samples are added up once for all of its spans, then to copy each span with its attributes behind it.
 */
import type { Group } from '../../proto/batch.js'
import { GROUP, KEY_VALUE, SCOPE_GROUP, SPAN } from '../../proto/fields.js'
import { SPAN_KIND } from '../../proto/views/traces.js'
import { PREFIX } from '../../proto/vocabulary/attributes.js'
import { Fields, Writer } from '../../proto/wire.js'
import { FIGURE } from './figure.js'
import { Lens } from './figures.js'
import { spanTime } from './fold-spans.js'
import type { ResourceState, Target, Targets, Workload } from './state.js'
import { present } from './targets.js'
import { type Enrich, type SpanOutcome, type Template, Templates, WRITTEN } from './template.js'

/** A span takes at least so long, milliseconds: one that ends as it starts is read at its end. */
const LEAST = 0.001
/** Bytes before an attribute's key: tag and length of the key, for keys shorter than 128. */
const KEY_AT = 2

export interface SpanTime {
  readonly appendTime: number
  readonly latest: number
}

/** Templates and presence of one set of targets for one group. */
interface View {
  readonly lens: Lens
  targets: Targets
  devices: readonly Target[]
  templates: Templates
  low: number
  high: number
}

export class Enricher {
  readonly counts = { matched: 0, unmatched: 0, late: 0 }
  private readonly scopes = new Fields()
  private readonly spans = new Fields()
  private readonly span = new Fields()
  private readonly narrow: View = emptyView()
  private readonly whole: View = emptyView()
  private readonly figures = new Float64Array(FIGURE.count)
  /** Of the span just read. */
  private start = 0
  private end = 0
  private isCall = false
  private wasEnriched = false

  private maxGap = 0

  constructor(private readonly enrich: Enrich) {}

  /** The group with every span enriched: the sender's targets for its own spans, everything of the workload for calls. Throws WireError. */
  group(workload: Workload, sender: ResourceState, group: Group, at: SpanTime, maxGap: number, late: boolean): Group {
    this.maxGap = maxGap
    const { narrow, whole } = this
    begin(narrow, sender.targets ?? workload)
    begin(whole, workload)
    const { rest } = group
    const scopes = this.scopes.reset(rest)
    let count = 0
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      const spans = this.spans.enter(scopes)
      while (spans.next()) {
        if (spans.number !== SCOPE_GROUP.items) continue
        this.read(spans, at)
        const view = this.isCall ? whole : narrow
        if (this.start < view.low) view.low = this.start
        if (this.end > view.high) view.high = this.end
        count++
      }
    }
    this.prepare(narrow, workload, sender)
    this.prepare(whole, workload, sender)
    return group.withRest(this.write(rest, count, at, late))
  }

  private prepare(view: View, workload: Workload, { source, confidence }: ResourceState): void {
    if (view.low > view.high) return
    const { devices, engines } = view.targets
    view.devices = present(devices, view.low, view.high, this.maxGap)
    view.lens.point(view.devices, present(engines, view.low, view.high, this.maxGap), view.low, view.high, this.maxGap)
    const gpus = view.devices
    view.templates = workload.templates(gpus, source, confidence, () => {
      const said = { id: workload.id, source, confidence, gpus: gpus.map(({ identity }) => identity.id) }
      return new Templates(said, this.enrich)
    })
  }

  private write(rest: Uint8Array, count: number, at: SpanTime, late: boolean): Uint8Array {
    const out = new Writer(rest.length + count * TYPICAL + 64)
    const scopes = this.scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) {
        out.raw(rest, scopes.tagStart, scopes.end)
        continue
      }
      out.begin(GROUP.scopes, scopes.end - scopes.start + count * TYPICAL)
      const spans = this.spans.enter(scopes)
      while (spans.next()) {
        if (spans.number !== SCOPE_GROUP.items) {
          out.raw(rest, spans.tagStart, spans.end)
          continue
        }
        this.read(spans, at)
        const template = this.templateOf(this.isCall ? this.whole : this.narrow, late)
        if (this.wasEnriched) {
          out.begin(SCOPE_GROUP.items, spans.end - spans.start + template.bytes.length)
          this.copyWithout(spans, out)
          out.raw(template.bytes).end()
        } else {
          out.header(SCOPE_GROUP.items, spans.end - spans.start + template.bytes.length)
          out.raw(rest, spans.start, spans.end).raw(template.bytes)
        }
      }
      out.end()
    }
    return out.finish()
  }

  /** The template for the span just read, its numbers patched. */
  private templateOf(view: View, late: boolean): Template {
    const { figures } = this
    const known = view.lens.write(this.start, this.end, figures, 0)
    let mask = 0
    for (let figure = 0; figure < FIGURE.count; figure++) if (!Number.isNaN(figures[figure]!)) mask |= 1 << figure
    const outcome: SpanOutcome = late ? 'late' : known ? 'matched' : 'unmatched'
    this.counts[outcome]++
    const template = view.templates.get(outcome, mask)
    template.patch(figures)
    return template
  }

  /** Reads what the join needs of a span; attributes are only looked at to see whether one is ours. */
  private read(spans: Fields, at: SpanTime): void {
    const span = this.span.enter(spans)
    const { bytes } = span
    let start = 0
    let end = 0
    this.isCall = false
    this.wasEnriched = false
    while (span.next()) {
      switch (span.number) {
        case SPAN.attributes: {
          const key = span.start + KEY_AT
          // 'ai_': the beginning of PREFIX.
          if (bytes[key] === 0x61 && bytes[key + 1] === 0x69 && bytes[key + 2] === 0x5f) this.wasEnriched = true
          break
        }
        case SPAN.startTime:
          start = span.millis()
          break
        case SPAN.endTime:
          end = span.millis()
          break
        case SPAN.kind:
          this.isCall = span.int() === SPAN_KIND.client
          break
      }
    }
    this.end = spanTime(start, end, at)
    this.start = Math.min(start === 0 ? this.end : start, this.end - LEAST)
  }

  /** Copies a span without the attributes that are about to be written. */
  private copyWithout(spans: Fields, out: Writer): void {
    const span = this.span.enter(spans)
    const pair = new Fields()
    while (span.next()) {
      if (span.number === SPAN.attributes) {
        let key = ''
        pair.enter(span)
        while (pair.next()) if (pair.number === KEY_VALUE.key) key = pair.string()
        if (key.startsWith(PREFIX) && WRITTEN.has(key)) continue
      }
      out.raw(span.bytes, span.tagStart, span.end)
    }
  }
}

/** Bytes that enrichment adds to a span, about. */
const TYPICAL = 700

const NOBODY: Targets = { devices: [], engines: [] }
const emptyView = (): View => ({
  lens: new Lens(),
  targets: NOBODY,
  devices: [],
  templates: new Templates({ id: '', source: '', confidence: '', gpus: [] }, 'compact'),
  low: Number.POSITIVE_INFINITY,
  high: Number.NEGATIVE_INFINITY,
})

const begin = (view: View, targets: Targets): void => {
  view.targets = targets
  view.low = Number.POSITIVE_INFINITY
  view.high = Number.NEGATIVE_INFINITY
}
