/** Spans, read in place. */
import { SPAN, STATUS } from '../fields.js'
import { BYTES, FIXED32, FIXED64, Fields, readUint32 } from '../wire.js'
import { GroupCursor, ItemView, idAt } from './item.js'

/** Values of `kind` and of `statusCode`. */
export const SPAN_KIND = { unspecified: 0, internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const
export const STATUS_CODE = { unset: 0, ok: 1, error: 2 } as const

export class SpanView extends ItemView {
  readonly attributesField = SPAN.attributes
  kind = 0
  statusCode = 0
  flags = 0
  /** Where the ids lie in `bytes`; -1 for an empty one. */
  traceIdAt = -1
  spanIdAt = -1
  parentSpanIdAt = -1
  nameStart = 0
  nameEnd = 0
  private startAt = -1
  private endAt = -1
  private messageStart = 0
  private messageEnd = 0
  private readonly status = new Fields()

  protected locate(fields: Fields): void {
    this.kind = this.statusCode = this.flags = 0
    this.traceIdAt = this.spanIdAt = this.parentSpanIdAt = this.startAt = this.endAt = -1
    this.nameStart = this.nameEnd = this.messageStart = this.messageEnd = 0
    while (fields.next()) {
      switch (fields.number) {
        case SPAN.attributes:
          this.attributes.addField(fields)
          break
        case SPAN.traceId:
          this.traceIdAt = idAt(fields, 16)
          break
        case SPAN.spanId:
          this.spanIdAt = idAt(fields, 8)
          break
        case SPAN.parentSpanId:
          this.parentSpanIdAt = idAt(fields, 8)
          break
        case SPAN.name:
          fields.expect(BYTES)
          this.nameStart = fields.start
          this.nameEnd = fields.end
          break
        case SPAN.kind:
          this.kind = fields.int()
          break
        case SPAN.startTime:
          this.startAt = fields.expect(FIXED64).start
          break
        case SPAN.endTime:
          this.endAt = fields.expect(FIXED64).start
          break
        case SPAN.status:
          this.locateStatus(this.status.enter(fields))
          break
        case SPAN.flags:
          this.flags = readUint32(this.bytes, fields.expect(FIXED32).start)
          break
      }
    }
  }

  /** Called for each Status there is: one that appears twice is merged. */
  private locateStatus(fields: Fields): void {
    while (fields.next()) {
      if (fields.number === STATUS.code) this.statusCode = fields.int()
      else if (fields.number === STATUS.message) {
        fields.expect(BYTES)
        this.messageStart = fields.start
        this.messageEnd = fields.end
      }
    }
  }

  /** Lower-case hex, '' when empty. */
  traceId(): string {
    return this.hex(this.traceIdAt, 16)
  }

  spanId(): string {
    return this.hex(this.spanIdAt, 8)
  }

  parentSpanId(): string {
    return this.hex(this.parentSpanIdAt, 8)
  }

  name(): string {
    return this.text(this.nameStart, this.nameEnd)
  }

  statusMessage(): string {
    return this.text(this.messageStart, this.messageEnd)
  }

  /** Milliseconds since the epoch, fractional; 0 when absent. */
  get startTime(): number {
    return this.millis(this.startAt)
  }

  get endTime(): number {
    return this.millis(this.endAt)
  }

  get startNanos(): bigint {
    return this.nanos(this.startAt)
  }

  get endNanos(): bigint {
    return this.nanos(this.endAt)
  }
}

/**
 *     const spans = new SpanCursor()
 *     for (const group of batch.groups) {
 *       spans.over(group.rest)
 *       while (spans.next()) spans.span.endTime …
 *     }
 */
export class SpanCursor extends GroupCursor {
  readonly span = new SpanView()

  /** Points `span` at the next span. Throws WireError. */
  next(): boolean {
    if (!this.nextItem()) return false
    this.span.read(this.item.bytes, this.item.start, this.item.end)
    return true
  }
}
