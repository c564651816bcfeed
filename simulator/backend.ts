/**
 * An OTLP/HTTP backend that keeps books of what the gateway sends: enriched spans by outcome, and the sums over correlated events per
 * workload. A copy (same span id, same event id) is counted as a copy and compared, never summed twice.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { Batch, type Group, type Signal } from '../proto/batch.js'
import type { Attributes } from '../proto/views/attributes.js'
import { HistogramPointView } from '../proto/views/histograms.js'
import { LogCursor } from '../proto/views/logs.js'
import { MetricCursor } from '../proto/views/metrics.js'
import { NumberPointView } from '../proto/views/points.js'
import { ResourceView } from '../proto/views/resource.js'
import { SpanCursor } from '../proto/views/traces.js'
import * as names from '../proto/vocabulary/attributes.js'

const key = (name: string) => Buffer.from(name)
const WORKLOAD = key(names.WORKLOAD_ID)
const OUTCOME = key(names.JOIN_OUTCOME)
const COVERAGE = key(names.JOIN_COVERAGE)

/** What one window said, by metric: `ai_factory.tokens{gen_ai.token.type=input}` → value. */
export interface WindowFigures {
  start: number
  end: number
  values: Map<string, number>
}

export interface WorkloadBook {
  /** Sums of all sums over all windows, late amounts included. */
  totals: Map<string, number>
  windows: Map<number, WindowFigures>
  latest: WindowFigures | undefined
  outcomes: Map<string, number>
  coverage: number
  spans: number
}

export class Backend {
  readonly workloads = new Map<string, WorkloadBook>()
  readonly events = new Map<string, string>()
  /** Span id → outcome and digest of its bytes. */
  private readonly seen = new Map<string, string>()
  copies = { spans: 0, events: 0, differing: 0 }
  readonly metrics = { points: 0 }
  private readonly server = createServer((request, response) => {
    this.take(request).then(
      () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(),
      error => response.writeHead(400).end(String(error)),
    )
  })

  /** Resolves to the URL it listens on. */
  async start(): Promise<string> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise(resolve => this.server.close(resolve))
  }

  private async take(request: IncomingMessage): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const bytes = request.headers['content-encoding'] === 'gzip' ? await promisify(gunzip)(body) : body
    const signal = request.url?.split('/').at(-1) as Signal
    for (const group of Batch.of(signal, [bytes], 0).groups) {
      if (signal === 'traces') this.takeSpans(group)
      else if (signal === 'metrics') this.takeMetrics(group)
      else this.takeEvents(group)
    }
  }

  private book(group: Group): WorkloadBook {
    const id = new ResourceView().read(group.resource).attributes.string(WORKLOAD) ?? '(none)'
    let book = this.workloads.get(id)
    if (!book) {
      book = { totals: new Map(), windows: new Map(), latest: undefined, outcomes: new Map(), coverage: 0, spans: 0 }
      this.workloads.set(id, book)
    }
    return book
  }

  /** True for the first of its copies. */
  private first(id: string, content: Uint8Array | string, kind: 'spans' | 'events'): boolean {
    const digest = createHash('sha1').update(content).digest('base64')
    const before = this.seen.get(id)
    if (before === undefined) this.seen.set(id, digest)
    else {
      this.copies[kind]++
      if (before !== digest) this.copies.differing++
    }
    return before === undefined
  }

  private takeSpans(group: Group): void {
    const book = this.book(group)
    const spans = new SpanCursor().over(group.rest)
    while (spans.next()) {
      const { span } = spans
      if (!this.first(span.spanId(), span.bytes.subarray(span.start, span.end), 'spans')) continue
      const outcome = span.attributes.string(OUTCOME) ?? '(none)'
      book.outcomes.set(outcome, (book.outcomes.get(outcome) ?? 0) + 1)
      book.coverage += span.attributes.number(COVERAGE) ?? 0
      book.spans++
    }
  }

  private takeMetrics(group: Group): void {
    const metrics = new MetricCursor().over(group.rest)
    let book: WorkloadBook | undefined
    while (metrics.next()) {
      const name = metrics.metric.name()
      const ours = name.startsWith(names.PREFIX)
      while (metrics.nextPoint()) {
        this.metrics.points++
        const { point } = metrics
        if (!ours || !(point instanceof NumberPointView || point instanceof HistogramPointView)) continue
        book ??= this.book(group)
        const { startTime: start, time: end } = point
        let window = book.windows.get(start)
        if (!window) {
          window = { start, end, values: new Map() }
          book.windows.set(start, window)
        }
        const series = `${name}${labels(point.attributes)}`
        if (window.values.has(series)) continue
        // Of a histogram, its mean; one that counted nothing has none.
        if (point instanceof NumberPointView) window.values.set(series, point.value)
        else if (point.count > 0) window.values.set(series, point.sum / point.count)
        if (point instanceof NumberPointView && metrics.metric.isMonotonic) {
          const total = name + kindOf(point.attributes)
          book.totals.set(total, (book.totals.get(total) ?? 0) + point.value)
        }
        if (!book.latest || start >= book.latest.start) book.latest = window
      }
    }
  }

  private takeEvents(group: Group): void {
    const logs = new LogCursor().over(group.rest)
    while (logs.next()) {
      const { record } = logs
      if (record.eventName() !== names.EVENT_NAME) continue
      const id = record.attributes.string(key(names.EVENT_ID)) ?? ''
      if (this.first(`event ${id}`, record.bytes.subarray(record.start, record.end), 'events'))
        this.events.set(id, String(record.body().text()))
    }
  }
}

const labels = (attributes: Attributes): string =>
  Array.from({ length: attributes.length }, (_, index) => [attributes.key(index), attributes.value(index).text()])
    .filter(([name]) => name !== names.WORKLOAD_ID)
    .map(([name, value]) => `{${name}=${value}}`)
    .sort()
    .join('')

const TOLD_APART: ReadonlySet<string> = new Set([
  names.TOKEN_TYPE,
  names.FINISH_REASON,
  names.TENANT_ID,
  names.SLO_GOOD,
  names.FIGURE_SOURCE,
])
/** Labels that tell totals apart: `late` amounts add to the others. */
const kindOf = (attributes: Attributes): string =>
  Array.from({ length: attributes.length }, (_, index) => [attributes.key(index), attributes.value(index).text()])
    .filter(([name = '']) => TOLD_APART.has(name))
    .map(([name, value]) => `{${name}=${value}}`)
    .sort()
    .join('')
