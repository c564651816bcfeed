/** Spans into the state: counts, tokens and exemplars, booked whole to the window of their end (rules 6, 10, 12). */
import type { Group } from '../../proto/batch.js'
import { GROUP, KEY_VALUE, SCOPE_GROUP, SPAN, STATUS } from '../../proto/fields.js'
import { AnyValue, type Plain, STRING } from '../../proto/views/any-value.js'
import { KeySet } from '../../proto/views/attributes.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SPAN_KIND, STATUS_CODE } from '../../proto/views/traces.js'
import { SLO_GOOD, SLO_MISSED, SLO_TARGET } from '../../proto/vocabulary/attributes.js'
import { AGGREGATES, OPERATION_KEY, TOKEN_KEYS } from '../../proto/vocabulary/usage.js'
import { BYTES, Fields } from '../../proto/wire.js'
import type { FoldTime } from './fold-metrics.js'
import {
  type Judged,
  noFigures,
  OVERFLOW,
  SLO_OBJECTIVES,
  SloSums,
  type SourceFigures,
  type SpanSource,
  SpanSums,
  type Workload,
} from './state.js'

const KEYS = [...TOKEN_KEYS.input, ...TOKEN_KEYS.output, ...TOKEN_KEYS.cached, OPERATION_KEY, SLO_GOOD, SLO_MISSED, SLO_TARGET]
const AGGREGATE_SET = new KeySet(AGGREGATES)
const OUTPUTS = TOKEN_KEYS.input.length
const CACHED = OUTPUTS + TOKEN_KEYS.output.length
const OPERATION = CACHED + TOKEN_KEYS.cached.length
const GOOD = OPERATION + 1
const MISSED = GOOD + 1
const TARGET = MISSED + 1
const TENANT = TARGET + 1
/** Tenants of a workload and window that are told apart; what further ones take counts for OVERFLOW. */
const MOST_TENANTS = 1000
/** A longer name is cut. */
const LONGEST_TENANT = 256
const KEY_TAG = KEY_VALUE.key * 8 + BYTES
/** Of each reason, in each window. */
const EXEMPLARS = 3

/** Event time of a span: its end; unknown, reversed or too far ahead is the append time (rule 6). */
export const spanTime = (start: number, end: number, at: { readonly appendTime: number; readonly latest: number }): number =>
  end === 0 || end < start || end > at.latest ? at.appendTime : end

export class SpanFold {
  private readonly scopes = new Fields()
  private readonly spans = new Fields()
  private readonly span = new Fields()
  private readonly inner = new Fields()
  private readonly value = new AnyValue()
  private readonly numbers = new Float64Array(OPERATION)
  private aggregate = false
  private readonly keys: KeySet
  private readonly tenantKeys: readonly Uint8Array[]
  private readonly resource = new ResourceView()
  /** Who the resource of the group says it is, and the span; '' = not said. */
  private groupTenant = ''
  private tenant = ''
  private tenantRank = Number.POSITIVE_INFINITY
  /** What `slo` wrote: undefined = nothing; the names of what was missed, what should be reached. */
  private good: boolean | undefined
  private missed: Plain
  private target = 0

  /** `tenantKeys`: attributes of spans or their resources that name the tenant, the first that is there counts. */
  constructor(tenantKeys: readonly string[]) {
    this.tenantKeys = tenantKeys.map(key => Buffer.from(key))
    this.keys = new KeySet([...KEYS, ...tenantKeys])
  }

  /** Takes the spans of one group; `window` is the length of windows, milliseconds. Throws WireError. */
  fold(workload: Workload, group: Group, at: FoldTime, window: number): void {
    const { tenantKeys } = this
    this.groupTenant =
      tenantKeys.length > 0 ? (this.resource.read(group.resource).attributes.firstText(tenantKeys) ?? '').slice(0, LONGEST_TENANT) : ''
    const scopes = this.scopes.reset(group.rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      const spans = this.spans.enter(scopes)
      while (spans.next()) if (spans.number === SCOPE_GROUP.items) this.foldSpan(workload, this.span.enter(spans), at, window)
    }
  }

  private foldSpan(workload: Workload, span: Fields, at: FoldTime, window: number): void {
    let start = 0
    let end = 0
    let kind = 0
    let status = 0
    let usage = false
    let traceAt = -1
    let spanAt = -1
    this.aggregate = false
    this.tenant = ''
    this.tenantRank = Number.POSITIVE_INFINITY
    this.good = undefined
    while (span.next()) {
      switch (span.number) {
        case SPAN.attributes:
          // Only calls and engines say what a request took; kind comes before attributes wherever fields are written in order.
          if (kind === 0 || kind === SPAN_KIND.server || kind === SPAN_KIND.client) usage = this.foldAttribute(span, usage)
          break
        case SPAN.startTime:
          start = span.millis()
          break
        case SPAN.endTime:
          end = span.millis()
          break
        case SPAN.kind:
          kind = span.int()
          break
        case SPAN.status:
          status = this.statusOf(span)
          break
        case SPAN.traceId:
          traceAt = span.end - span.start === 16 ? span.start : -1
          break
        case SPAN.spanId:
          spanAt = span.end - span.start === 8 ? span.start : -1
          break
      }
    }
    const time = spanTime(start, end, at)
    if (time > workload.lastFact) workload.lastFact = time
    const late = time < at.boundary
    if (late) workload.late ??= new SpanSums()
    const sums = late ? workload.late! : workload.window(Math.floor(time / window))
    sums.count++
    const failed = status === STATUS_CODE.error
    if (failed) sums.errors++
    const source = kind === SPAN_KIND.server ? 'engine_spans' : kind === SPAN_KIND.client ? 'client_spans' : undefined
    if (source) {
      this.tenant ||= this.groupTenant
      if (usage && !this.aggregate) this.book(workload, sums, source, time)
      if (this.good !== undefined) this.bookVerdict(sums, source, usage)
    }
    if (!late && traceAt >= 0 && spanAt >= 0) this.remember(sums, span.bytes, traceAt, spanAt, Math.max(0, end - start), failed)
  }

  private foldAttribute(attribute: Fields, usage: boolean): boolean {
    const { bytes, start } = attribute
    // Key first, with a length of one byte, as every writer has it: most attributes are told apart without being read.
    const keyStart = start + 2
    if (bytes[start] !== KEY_TAG || bytes[start + 1]! > 0x7f || keyStart + bytes[start + 1]! > attribute.end) return usage
    const keyEnd = keyStart + bytes[start + 1]!
    const key = this.keys.indexOf(bytes, keyStart, keyEnd)
    if (key < 0) return usage
    const inner = this.inner.reset(bytes, keyEnd, attribute.end)
    if (!inner.next() || inner.number !== KEY_VALUE.value) return usage
    const value = this.value.read(inner.bytes, inner.start, inner.end)
    if (key === OPERATION) {
      this.aggregate = value.kind === STRING && AGGREGATE_SET.indexOf(value.bytes, value.start, value.end) >= 0
      return usage
    }
    if (key > OPERATION && key < TENANT) {
      if (key === GOOD) {
        this.good = value.plain() === true
        this.missed = undefined
      } else if (key === MISSED) this.missed = value.plain()
      else this.target = value.number() ?? 0
      return usage
    }
    if (key >= TENANT) {
      if (key < this.tenantRank) {
        this.tenantRank = key
        this.tenant = value.text().slice(0, LONGEST_TENANT)
      }
      return usage
    }
    const amount = value.number() ?? Number(value.string() ?? Number.NaN)
    if (!Number.isFinite(amount) || amount < 0) return usage
    if (!usage) this.numbers.fill(-1)
    this.numbers[key] = amount
    return true
  }

  private book(workload: Workload, sums: SpanSums, source: SpanSource, time: number): void {
    const { figures, tenants } = sums.of(source)
    this.add(figures)
    const { tenant } = this
    if (tenant !== '') this.add(named(tenants, tenant, noFigures))
    if (time > workload.seen[source]) workload.seen[source] = time
  }

  private bookVerdict(sums: SpanSums, source: SpanSource, usage: boolean): void {
    const of = sums.of(source)
    of.slo ??= new SloSums()
    const { slo } = of
    slo.target = this.target
    this.judge(slo)
    const { tenant } = this
    if (tenant !== '') this.judge(named(slo.tenants, tenant, nothingJudged))
    if (this.good) slo.goodOutput += usage ? this.first(OUTPUTS, CACHED) : 0
    else if (Array.isArray(this.missed))
      for (const name of this.missed) {
        const at = (SLO_OBJECTIVES as readonly Plain[]).indexOf(name)
        if (at >= 0) slo.missed[at]!++
      }
  }

  private judge(judged: Judged): void {
    judged.eligible++
    if (this.good) judged.good++
  }

  private add(figures: SourceFigures): void {
    figures.requests++
    figures.input += this.first(0, OUTPUTS)
    figures.output += this.first(OUTPUTS, CACHED)
    figures.cached += this.first(CACHED, OPERATION)
  }

  private first(from: number, until: number): number {
    for (let key = from; key < until; key++) if (this.numbers[key]! >= 0) return this.numbers[key]!
    return 0
  }

  private statusOf(span: Fields): number {
    const status = this.inner.enter(span)
    let code = 0
    while (status.next()) if (status.number === STATUS.code) code = status.int()
    return code
  }

  /** Keeps the slowest few and the first few errors. */
  private remember(sums: SpanSums, bytes: Uint8Array, traceAt: number, spanAt: number, duration: number, failed: boolean): void {
    const durationSeconds = duration / 1000
    if (failed && sums.failed.length < EXEMPLARS) sums.failed.push(exemplar(bytes, traceAt, spanAt, 'error', durationSeconds))
    const { slowest } = sums
    if (slowest.length === EXEMPLARS && durationSeconds <= slowest[EXEMPLARS - 1]!.durationSeconds) return
    let at = slowest.length
    while (at > 0 && slowest[at - 1]!.durationSeconds < durationSeconds) at--
    slowest.splice(at, 0, exemplar(bytes, traceAt, spanAt, 'slowest', durationSeconds))
    if (slowest.length > EXEMPLARS) slowest.pop()
  }
}

/** What belongs to one of many names; beyond MOST_TENANTS further ones are one. */
const named = <T>(all: Map<string, T>, name: string, make: () => T): T => {
  const key = all.size < MOST_TENANTS || all.has(name) ? name : OVERFLOW
  let one = all.get(key)
  if (!one) all.set(key, (one = make()))
  return one
}

const nothingJudged = (): Judged => ({ eligible: 0, good: 0 })

const exemplar = (bytes: Uint8Array, traceAt: number, spanAt: number, reason: 'slowest' | 'error', durationSeconds: number) => ({
  traceId: Uint8Array.prototype.slice.call(bytes, traceAt, traceAt + 16),
  spanId: Uint8Array.prototype.slice.call(bytes, spanAt, spanAt + 8),
  reason,
  durationSeconds,
})
