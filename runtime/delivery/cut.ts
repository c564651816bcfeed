/** Cuts a request into smaller ones between its items (spans, data points, log records, events), without decoding them. */
import { Batch, type Signal } from '../../proto/batch.js'
import { BYTES, Fields, sizeOfHeader, WireError, Writer } from '../../proto/wire.js'

/**
 * Field numbers from the request down to one item.
 * Request.1 groups, group.2 scopes, scope.2 spans or log records; a metric holds its points in one of five kinds of data, each in its field 1.
 */
const ITEM: readonly (readonly number[])[] = [[1], [2], [2]]
const PATHS: Readonly<Record<Signal, readonly (readonly number[])[]>> = {
  traces: ITEM,
  logs: ITEM,
  metrics: [...ITEM, [5, 7, 9, 10, 11], [1]],
  events: [[1]],
}

/** A message that is open while its items are dealt out: what every part of it repeats, and the children of the part being made. */
interface Frame {
  readonly number: number
  readonly rest: Uint8Array
  children: Uint8Array[]
}

/**
 * Requests of at most `max` items (or bytes) each, with the same items in the same order; a single item larger than `max` stands alone.
 * Resource, scope and metric are repeated where a cut goes through them. Bytes that are not a request come back as they are, uncut.
 */
export const cut = (batch: Batch, max: number, sizer: 'items' | 'bytes'): Batch[] => {
  if ((sizer === 'items' ? batch.items : batch.bytes) <= max) return [batch]
  try {
    const cutter = new Cutter(batch, max, sizer)
    for (const slice of batch.wholeSlices) cutter.take(slice)
    return cutter.finish()
  } catch (error) {
    if (error instanceof WireError) return [batch]
    throw error
  }
}

class Cutter {
  private readonly path: readonly (readonly number[])[]
  private readonly frames: Frame[] = []
  private top: Uint8Array[] = []
  private items = 0
  private size = 0
  private readonly parts: Batch[] = []

  constructor(
    private readonly batch: Batch,
    private readonly max: number,
    private readonly sizer: 'items' | 'bytes',
  ) {
    this.path = PATHS[batch.signal]
  }

  take(request: Uint8Array): void {
    this.walk(request, 0, request.length, 0)
  }

  finish(): Batch[] {
    this.emit()
    return this.parts
  }

  /** Deals out one message's children on the path; `level` indexes the path. Says whether there were any. */
  private walk(bytes: Uint8Array, start: number, end: number, level: number): boolean {
    const numbers = this.path[level]!
    const last = level === this.path.length - 1
    const field = new Fields(bytes, start, end)
    let found = false
    while (field.next()) {
      if (!numbers.includes(field.number) || field.type !== BYTES) {
        if (level === 0) this.children().push(bytes.subarray(field.tagStart, field.end))
        continue
      }
      found = true
      const whole = bytes.subarray(field.tagStart, field.end)
      if (last) this.add(whole, 1)
      else this.open(field, whole, level + 1)
    }
    return found
  }

  private open(field: Fields, whole: Uint8Array, level: number): void {
    const rest = this.restOf(field, level)
    this.frames.push({ number: field.number, rest, children: [] })
    this.size += rest.length + HEADERS
    const found = this.walk(field.bytes, field.start, field.end, level)
    const frame = this.frames.pop()!
    if (!found) this.add(whole, 0)
    else if (frame.children.length > 0) this.children().push(wrap(frame))
  }

  /** The message's other fields, which each part of it repeats. */
  private restOf(parent: Fields, level: number): Uint8Array {
    const numbers = this.path[level]!
    const rest = new Writer()
    const field = new Fields(parent.bytes, parent.start, parent.end)
    while (field.next()) if (!numbers.includes(field.number) || field.type !== BYTES) rest.raw(field.bytes, field.tagStart, field.end)
    return rest.finish()
  }

  private add(child: Uint8Array, items: number): void {
    const added = this.sizer === 'items' ? items : child.length
    const filled = this.sizer === 'items' ? this.items : this.size
    if (this.items > 0 && filled + added > this.max) this.emit()
    this.children().push(child)
    this.items += items
    this.size += child.length
  }

  private children(): Uint8Array[] {
    return this.frames.at(-1)?.children ?? this.top
  }

  /** Closes the part being made; the open messages go on, empty, in the next one. */
  private emit(): void {
    for (let level = this.frames.length - 1; level >= 0; level--) {
      const frame = this.frames[level]!
      if (frame.children.length === 0) continue
      const parent = this.frames[level - 1]?.children ?? this.top
      parent.push(wrap(frame))
      frame.children = []
    }
    if (this.top.length > 0) this.parts.push(Batch.of(this.batch.signal, this.top, this.items, this.batch.metadata))
    this.top = []
    this.items = 0
    this.size = this.frames.reduce((sum, frame) => sum + frame.rest.length + HEADERS, 0)
  }
}

/** Most bytes that a tag and a length take. */
const HEADERS = 6

const wrap = ({ number, rest, children }: Frame): Uint8Array => {
  const length = children.reduce((sum, child) => sum + child.length, rest.length)
  const message = new Writer(length + sizeOfHeader(number, length)).header(number, length).raw(rest)
  for (const child of children) message.raw(child)
  return message.finish()
}
