/** What all items have in common: where they lie, and how one walks from a group to them. */
import { GROUP, SCOPE_GROUP } from '../fields.js'
import { BYTES, Fields, readBigUint64, readMillis, readString } from '../wire.js'
import { Attributes } from './attributes.js'
import { ScopeView } from './resource.js'

/** Base of the views of a span, a data point and a log record. `read` points the view at another item; nothing is allocated. */
export abstract class ItemView {
  bytes: Uint8Array = new Uint8Array(0)
  /** The item's body is `bytes[start, end)`. */
  start = 0
  end = 0
  readonly attributes = new Attributes()
  /** Number of the item's field `attributes`. */
  abstract readonly attributesField: number
  protected readonly fields = new Fields()

  /** Throws WireError. */
  read(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes
    this.start = start
    this.end = end
    this.attributes.clear(bytes)
    this.locate(this.fields.reset(bytes, start, end))
    return this
  }

  /** Remembers where each field lies. */
  protected abstract locate(fields: Fields): void

  protected text(start: number, end: number): string {
    return readString(this.bytes, start, end)
  }

  /** Nanoseconds at `at` as milliseconds; 0 when there are none. */
  protected millis(at: number): number {
    return at < 0 ? 0 : readMillis(this.bytes, at)
  }

  protected nanos(at: number): bigint {
    return at < 0 ? 0n : readBigUint64(this.bytes, at)
  }

  protected hex(at: number, length: number): string {
    return at < 0 ? '' : Buffer.from(this.bytes.buffer, this.bytes.byteOffset + at, length).toString('hex')
  }
}

/** Where an id of `length` bytes starts; -1 for an empty one, and for any other length, which the door refuses. */
export const idAt = (field: Fields, length: number): number => {
  field.expect(BYTES)
  return field.end - field.start === length ? field.start : -1
}

/** Walks the direct items of a group (spans, log records, metrics), scope by scope. `next` moves; nothing is allocated. */
export abstract class GroupCursor {
  protected readonly item = new Fields()
  private readonly group = new Fields()
  private readonly scopes = new Fields()
  private readonly scopeView = new ScopeView()
  private scopeBytes: Uint8Array = new Uint8Array(0)
  private scopeStart = 0
  private scopeEnd = 0
  private scopeRead = false
  /** Counts the scopes passed: it changes exactly when the scope does. */
  scopeIndex = -1

  /** Starts over with a group's `rest` (or a whole ResourceSpans, ResourceMetrics or ResourceLogs body). */
  over(rest: Uint8Array): this {
    this.group.reset(rest)
    this.item.reset(rest, 0, 0)
    this.scopeIndex = -1
    return this
  }

  /** The scope of the current item; the view is reused by the next scope. */
  get scope(): ScopeView {
    if (!this.scopeRead) {
      this.scopeRead = true
      this.scopeView.clear(this.scopeBytes)
      this.scopes.reset(this.scopeBytes, this.scopeStart, this.scopeEnd)
      while (this.scopes.next())
        if (this.scopes.number === SCOPE_GROUP.scope) {
          this.scopes.expect(BYTES)
          this.scopeView.add(this.scopes.start, this.scopes.end)
        }
    }
    return this.scopeView
  }

  /** Moves `item` to the next item's field. */
  protected nextItem(): boolean {
    for (;;) {
      while (this.item.next())
        if (this.item.number === SCOPE_GROUP.items) {
          this.item.expect(BYTES)
          return true
        }
      do if (!this.group.next()) return false
      while (this.group.number !== GROUP.scopes)
      this.item.enter(this.group)
      this.scopeBytes = this.group.bytes
      this.scopeStart = this.group.start
      this.scopeEnd = this.group.end
      this.scopeRead = false
      this.scopeIndex++
    }
  }
}
