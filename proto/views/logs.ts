/** Log records, read in place. */
import { LOG_RECORD } from '../fields.js'
import { BYTES, FIXED32, FIXED64, type Fields, readUint32 } from '../wire.js'
import { AnyValue } from './any-value.js'
import { GroupCursor, ItemView, idAt } from './item.js'

export class LogView extends ItemView {
  readonly attributesField = LOG_RECORD.attributes
  severityNumber = 0
  flags = 0
  /** Where the ids lie in `bytes`; -1 for an empty one. */
  traceIdAt = -1
  spanIdAt = -1
  private timeAt = -1
  private observedAt = -1
  private severityStart = 0
  private severityEnd = 0
  private eventStart = 0
  private eventEnd = 0
  private bodyStart = 0
  private bodyEnd = 0
  private readonly bodyValue = new AnyValue()

  protected locate(fields: Fields): void {
    this.severityNumber = this.flags = 0
    this.traceIdAt = this.spanIdAt = this.timeAt = this.observedAt = -1
    this.severityStart = this.severityEnd = this.eventStart = this.eventEnd = this.bodyStart = this.bodyEnd = 0
    while (fields.next()) {
      switch (fields.number) {
        case LOG_RECORD.attributes:
          this.attributes.addField(fields)
          break
        case LOG_RECORD.time:
          this.timeAt = fields.expect(FIXED64).start
          break
        case LOG_RECORD.observedTime:
          this.observedAt = fields.expect(FIXED64).start
          break
        case LOG_RECORD.severityNumber:
          this.severityNumber = fields.int()
          break
        case LOG_RECORD.severityText:
          fields.expect(BYTES)
          this.severityStart = fields.start
          this.severityEnd = fields.end
          break
        case LOG_RECORD.body:
          fields.expect(BYTES)
          this.bodyStart = fields.start
          this.bodyEnd = fields.end
          break
        case LOG_RECORD.traceId:
          this.traceIdAt = idAt(fields, 16)
          break
        case LOG_RECORD.spanId:
          this.spanIdAt = idAt(fields, 8)
          break
        case LOG_RECORD.flags:
          this.flags = readUint32(this.bytes, fields.expect(FIXED32).start)
          break
        case LOG_RECORD.eventName:
          fields.expect(BYTES)
          this.eventStart = fields.start
          this.eventEnd = fields.end
          break
      }
    }
  }

  /** When it happened, or where that is unknown, when it was first seen: milliseconds since the epoch; 0 when neither is said. */
  get eventTime(): number {
    return this.time || this.observedTime
  }

  get time(): number {
    return this.millis(this.timeAt)
  }

  get observedTime(): number {
    return this.millis(this.observedAt)
  }

  get timeNanos(): bigint {
    return this.nanos(this.timeAt)
  }

  get observedNanos(): bigint {
    return this.nanos(this.observedAt)
  }

  /** The body; the view is reused by the next call. */
  body(): AnyValue {
    return this.bodyValue.read(this.bytes, this.bodyStart, this.bodyEnd)
  }

  severityText(): string {
    return this.text(this.severityStart, this.severityEnd)
  }

  /** Present on events, '' otherwise. */
  eventName(): string {
    return this.text(this.eventStart, this.eventEnd)
  }

  /** Lower-case hex, '' when empty. */
  traceId(): string {
    return this.hex(this.traceIdAt, 16)
  }

  spanId(): string {
    return this.hex(this.spanIdAt, 8)
  }
}

/** `logs.over(group.rest); while (logs.next()) logs.record …` */
export class LogCursor extends GroupCursor {
  readonly record = new LogView()

  /** Points `record` at the next log record. Throws WireError. */
  next(): boolean {
    if (!this.nextItem()) return false
    this.record.read(this.item.bytes, this.item.start, this.item.end)
    return true
  }
}
