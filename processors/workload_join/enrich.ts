/**
 * Writes what is known about a span's targets on each span of a group (rules 13, 16). The spans are read once, to see which interval they
 * cover, so that samples are added up once for all of them; then each is copied with its attributes behind it.
 */
import type { Group } from '../../proto/batch.js'
import { GROUP, SCOPE_GROUP, SPAN } from '../../proto/fields.js'
import { SPAN_KIND } from '../../proto/views/traces.js'
import { PREFIX } from '../../proto/vocabulary/attributes.js'
import { Fields } from '../../proto/wire.js'
import { FIGURE } from './figure.js'
import { Lens } from './figures.js'
import { spanTime } from './fold-spans.js'
import { Insertion } from './insertion.js'
import type { Outputs } from './outputs.js'
import type { ResourceState, Targets, Workload } from './state.js'
import { without } from './strip.js'
import { present } from './targets.js'
import { type Enrich, type SpanOutcome, Templates, WRITTEN } from './template.js'

/** A span takes at least so long, milliseconds: one that ends as it starts is read at its end. */
const LEAST = 0.001
/** Bytes of an attribute before its key: tag and length of the key, for keys shorter than 128. */
const KEY_AT = 2
const NAME_AT = PREFIX.length
/** By the letter with which names go on: 1 = one of those that are written here. */
const OURS = new Uint8Array(256)
for (const name of WRITTEN) OURS[name.charCodeAt(NAME_AT)] = 1

export interface SpanTime {
  readonly appendTime: number
  readonly latest: number
}

/** One set of targets, as seen by the spans of one group. */
interface View {
  readonly lens: Lens
  targets: Targets
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
  private readonly insertion: Insertion
  private readonly figures = new Float64Array(FIGURE.count)
  /** Of each span of the group. */
  private starts = new Float64Array(256)
  private ends = new Float64Array(256)
  private calls = new Uint8Array(256)
  private count = 0
  private enrichedBefore = false

  constructor(
    private readonly enrich: Enrich,
    outputs: Outputs,
  ) {
    this.insertion = new Insertion(outputs)
  }

  /**
   * The group with every span enriched, as a field of a request: the sender's targets for its own spans, everything of the workload for calls.
   * Throws WireError.
   */
  group(workload: Workload, sender: ResourceState, group: Group, at: SpanTime, maxGap: number, late: boolean): Uint8Array {
    this.look(group.rest, at)
    if (this.enrichedBefore) {
      group = group.withRest(without(group.rest, WRITTEN))
      this.look(group.rest, at)
    }
    this.survey(this.narrow, sender.targets ?? workload, 0)
    this.survey(this.whole, workload, 1)
    for (const view of [this.narrow, this.whole]) this.prepare(view, workload, sender, maxGap)
    const { insertion } = this
    insertion.begin(group)
    for (let i = 0; i < this.count; i++) this.describe(i, late)
    return insertion.finish()
  }

  /** Reads what the join needs of every span; attributes are only looked at to see whether one is ours. */
  private look(rest: Uint8Array, at: SpanTime): void {
    this.count = 0
    this.enrichedBefore = false
    const scopes = this.scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      const spans = this.spans.enter(scopes)
      while (spans.next()) if (spans.number === SCOPE_GROUP.items) this.read(this.span.enter(spans), at)
    }
  }

  private read(span: Fields, at: SpanTime): void {
    const { bytes } = span
    let start = 0
    let end = 0
    let call = 0
    while (span.next()) {
      switch (span.number) {
        case SPAN.attributes: {
          const key = span.start + KEY_AT
          // 'ai_', and as the names go on that are written here.
          if (bytes[key] === 0x61 && bytes[key + 1] === 0x69 && bytes[key + 2] === 0x5f && OURS[bytes[key + NAME_AT]!] === 1)
            this.enrichedBefore = true
          break
        }
        case SPAN.startTime:
          start = span.millis()
          break
        case SPAN.endTime:
          end = span.millis()
          break
        case SPAN.kind:
          call = span.int() === SPAN_KIND.client ? 1 : 0
          break
      }
    }
    const i = this.count++
    if (i === this.starts.length) this.grow()
    const ended = spanTime(start, end, at)
    this.ends[i] = ended
    this.starts[i] = Math.min(start === 0 ? ended : start, ended - LEAST)
    this.calls[i] = call
  }

  /** Which interval the spans cover that see these targets. */
  private survey(view: View, targets: Targets, call: number): void {
    view.targets = targets
    view.low = Number.POSITIVE_INFINITY
    view.high = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.count; i++) {
      if (this.calls[i] !== call) continue
      if (this.starts[i]! < view.low) view.low = this.starts[i]!
      if (this.ends[i]! > view.high) view.high = this.ends[i]!
    }
  }

  private prepare(view: View, workload: Workload, { source, confidence }: ResourceState, maxGap: number): void {
    const { low, high } = view
    if (low > high) return
    const gpus = present(view.targets.devices, low, high, maxGap)
    view.lens.point(gpus, present(view.targets.engines, low, high, maxGap), low, high, maxGap)
    view.templates = workload.templates(gpus, source, confidence, () => {
      const said = { id: workload.id, source, confidence, gpus: gpus.map(({ identity }) => identity.id) }
      return new Templates(said, this.enrich)
    })
  }

  /** Adds the attributes of the i-th span. */
  private describe(i: number, late: boolean): void {
    const { figures } = this
    const view = this.calls[i] === 1 ? this.whole : this.narrow
    const known = view.lens.write(this.starts[i]!, this.ends[i]!, figures, 0)
    let mask = 0
    for (let figure = 0; figure < FIGURE.count; figure++) if (!Number.isNaN(figures[figure]!)) mask |= 1 << figure
    const outcome: SpanOutcome = late ? 'late' : known ? 'matched' : 'unmatched'
    this.counts[outcome]++
    this.insertion.add(view.templates.get(outcome, mask), figures)
  }

  private grow(): void {
    const capacity = this.starts.length * 2
    const [starts, ends, calls] = [this.starts, this.ends, this.calls]
    this.starts = new Float64Array(capacity)
    this.ends = new Float64Array(capacity)
    this.calls = new Uint8Array(capacity)
    this.starts.set(starts)
    this.ends.set(ends)
    this.calls.set(calls)
  }
}

const emptyView = (): View => ({
  lens: new Lens(),
  targets: { devices: [], engines: [] },
  templates: new Templates({ id: '', source: '', confidence: '', gpus: [] }, 'compact'),
  low: Number.POSITIVE_INFINITY,
  high: Number.NEGATIVE_INFINITY,
})
