/** The join on one partition with time by hand: append batches, turn time, read what came out. */
import { type Batch, SIGNALS } from '../../../proto/batch.js'
import { decodeEvents } from '../../../proto/events/codec.js'
import type { CorrelatedEvent } from '../../../proto/events/event.js'
import type { Plain } from '../../../proto/testing/oracle.js'
import { SpanCursor } from '../../../proto/views/traces.js'
import { Buffers } from '../../../runtime/buffers.js'
import type { Windowing } from '../../../streams/index.js'
import { Timetable } from '../../../streams/testing/timetable.js'
import { type HandlerOptions, JoinHandler, type Outcome } from '../handler.js'
import { type Output, Outputs } from '../outputs.js'
import { Splitter } from '../split.js'

export const WINDOWING: Windowing = { window: 10_000, grace: 15_000, maxGap: 90_000, history: 300_000 }
const OPTIONS: HandlerOptions = {
  stream: 'workloads',
  enrich: 'full',
  holdSpans: true,
  wanted: new Set(SIGNALS),
  tenants: ['tenant.id'],
  room: () => true,
  maxWorkloads: 10_000,
  outputs: new Outputs(new Buffers()),
}

export class Table {
  readonly outcomes: Partial<Record<Outcome, number>> = {}
  readonly ignored: Record<string, number> = {}
  readonly timetable: Timetable<Output>
  private readonly splitter = new Splitter()
  private outs: Batch[] = []

  constructor(
    options: Partial<HandlerOptions> = {},
    readonly windowing: Windowing = WINDOWING,
    maxHeld = Infinity,
  ) {
    const counts = {
      outcome: (_signal: string, outcome: Outcome, items: number) => (this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + items),
      failed: (error: unknown) => {
        throw error
      },
      ignored: (reason: string, items: number) => (this.ignored[reason] = (this.ignored[reason] ?? 0) + items),
    }
    this.timetable = new Timetable<Output>((_, first) => new JoinHandler({ ...OPTIONS, ...options }, first, counts), windowing, maxHeld)
  }

  /** Appends a batch at an append time. */
  append(at: number, batch: Batch): void {
    for (const entry of this.splitter.split(batch, this.windowing.window)) this.timetable.append(at, entry)
  }

  tick(at: number): void {
    this.timetable.tick(at)
  }

  /** Lets all windows up to `until` close, as the ticks of a quiet stream do. */
  closeUntil(from: number, until: number): void {
    for (let at = from; at <= until + this.windowing.grace + this.windowing.window; at += 1000) this.tick(at)
  }

  take(): Batch[] {
    this.outs = this.timetable.take().map(({ batch }) => batch)
    return this.outs
  }
}

export const eventsOf = (outs: readonly Batch[]): CorrelatedEvent[] =>
  outs.filter(({ signal }) => signal === 'events').flatMap(decodeEvents)

export interface ReadSpan {
  readonly id: string
  readonly attributes: Record<string, Plain>
}

export const spansOf = (outs: readonly Batch[]): ReadSpan[] => {
  const spans: ReadSpan[] = []
  const cursor = new SpanCursor()
  for (const out of outs.filter(({ signal }) => signal === 'traces'))
    for (const group of out.groups) {
      cursor.over(group.rest)
      while (cursor.next()) {
        const { attributes } = cursor.span
        const read: Record<string, Plain> = {}
        for (let index = 0; index < attributes.length; index++) {
          expect(Object.hasOwn(read, attributes.key(index))).toBe(false)
          read[attributes.key(index)] = attributes.value(index).plain()
        }
        spans.push({ id: cursor.span.spanId(), attributes: read })
      }
    }
  return spans
}
