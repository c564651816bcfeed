/**
 * Changes of what lies inside a group: items rewritten, items sorted into several groups. Every byte that is not changed is copied as it came,
 * unknown fields included; where nothing changes, the very same array is returned.
 */
import type { Group, Signal } from './batch.js'
import { GROUP } from './fields.js'
import { ItemCursor } from './views/items.js'
import { Fields, WireError, Writer } from './wire.js'

const NOTHING = new Uint8Array(0)

/** Rewrites items of one signal. Keeps its buffers from one group to the next; the arrays it returns are new and share nothing with it. */
export class ItemEditor {
  private readonly items: ItemCursor
  private readonly body = new Writer(1024)
  /** Serial of the message that is open in the output, by level; 0 = none. */
  private readonly open: Int32Array
  private readonly ends: Int32Array
  /** Length of what came out to what went in, of the last group that was changed. */
  private growth = 1.25

  constructor(signal: Signal) {
    this.items = new ItemCursor(signal)
    this.open = new Int32Array(this.items.path.length)
    this.ends = new Int32Array(this.items.path.length)
  }

  /**
   * `change` is shown each item in turn and returns true after it has written the item's new body into `body`, false to leave it as it is.
   * Returns the new rest, or `rest` itself. Throws WireError, and what `change` throws.
   */
  edit(rest: Uint8Array, change: (items: ItemCursor, body: Writer) => boolean): Uint8Array {
    const { items, body } = this
    return this.rewrite(
      rest,
      () => {
        return change(items, body.clear()) ? body.length : -1
      },
      out => out.rawFrom(body),
    )
  }

  /** `extra` is shown each item in turn and returns whole fields (`writeAttribute`) to add at its end, or undefined. As `edit` otherwise. */
  append(rest: Uint8Array, extra: (items: ItemCursor) => Uint8Array | undefined): Uint8Array {
    const { items } = this
    let added: Uint8Array | undefined
    return this.rewrite(
      rest,
      () => {
        added = extra(items)
        return added ? items.item.end - items.item.start + added.length : -1
      },
      out => {
        out.raw(rest, items.item.start, items.item.end)
        if (added) out.raw(added)
      },
    )
  }

  /** `newLength` of the current item's body, -1 = unchanged; `write` writes that body. */
  private rewrite(rest: Uint8Array, newLength: () => number, write: (out: Writer) => void): Uint8Array {
    const { items, open, ends } = this
    const { path, serials } = items.over(rest)
    const last = path.length - 1
    open.fill(0)
    let out: Writer | undefined
    /** `rest[0, copied)` is in the output. */
    let copied = 0
    const copyTo = (writer: Writer, end: number) => {
      writer.raw(rest, copied, end)
      copied = end
    }
    const closeFrom = (writer: Writer, level: number) => {
      for (let inner = last - 1; inner >= level; inner--) {
        if (open[inner] === 0) continue
        copyTo(writer, ends[inner]!)
        writer.end()
        open[inner] = 0
      }
    }
    while (items.next()) {
      const length = newLength()
      if (length < 0) continue
      out ??= new Writer(Math.ceil(rest.length * this.growth) + 64)
      for (let level = 0; level < last; level++) {
        if (open[level] === serials[level]) continue
        closeFrom(out, level)
        const holder = path[level]!
        copyTo(out, holder.tagStart)
        out.begin(holder.number, holder.end - holder.start)
        copied = holder.start
        open[level] = serials[level]!
        ends[level] = holder.end
      }
      const item = path[last]!
      copyTo(out, item.tagStart)
      out.header(item.number, length)
      write(out)
      copied = item.end
    }
    if (!out) return rest
    closeFrom(out, 0)
    copyTo(out, rest.length)
    this.growth = (out.length / rest.length) * 1.05
    return out.finish()
  }
}

/** One part of a group that was split. */
export interface Share {
  readonly group: Group
  readonly items: number
}

/** Bytes around items that a split may repeat, all parts together: a hostile envelope must not be multiplied without end. */
const MAX_REPEATED = 64 * 2 ** 20

/**
 * Sorts the items of a group by `keyOf` into one group a key, in order of first appearance. Each gets the resource and the fields around its
 * items (scope, metric, schema_url, unknown ones); messages left without items are not repeated. When all items have one key, its group is
 * the one given. Throws WireError, also when the parts would repeat more than MAX_REPEATED, and what `keyOf` throws.
 */
export const splitGroup = <K>(signal: Signal, group: Group, keyOf: (items: ItemCursor) => K): Map<K, Share> => {
  const items = new ItemCursor(signal).over(group.rest)
  const keys: K[] = []
  const counts = new Map<K, number>()
  while (items.next()) {
    const key = keyOf(items)
    keys.push(key)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  if (counts.size <= 1) return new Map(keys.slice(0, 1).map(key => [key, { group, items: keys.length }]))

  const envelopes = new Envelopes(group.rest, items.path)
  const parts = new Map<K, Part>()
  for (const [key, count] of counts)
    parts.set(key, new Part(items.path, envelopes, Math.ceil((group.rest.length * count) / keys.length) + 256))
  items.over(group.rest)
  for (const key of keys) {
    items.skip()
    parts.get(key)!.add(items.serials)
  }
  const shares = new Map<K, Share>()
  for (const [key, part] of parts) shares.set(key, { group: group.withRest(part.finish()), items: counts.get(key)! })
  return shares
}

/** What stands beside the items in the messages that hold them, gathered once a message. */
class Envelopes {
  private readonly of: { serial: number; bytes: Uint8Array }[]
  private readonly group: Uint8Array
  private readonly fields = new Fields()
  private repeated = 0

  constructor(
    rest: Uint8Array,
    private readonly path: readonly Fields[],
  ) {
    this.of = path.map(() => ({ serial: 0, bytes: NOTHING }))
    this.group = this.gather(this.fields.reset(rest), GROUP.scopes)
  }

  /** Of the message now open at `level`. */
  at(level: number, serial: number): Uint8Array {
    const known = this.of[level]!
    if (known.serial !== serial) {
      known.serial = serial
      known.bytes = this.gather(this.fields.enter(this.path[level]!), this.path[level + 1]!.number)
    }
    return this.counted(known.bytes)
  }

  /** Of the group itself. */
  around(): Uint8Array {
    return this.counted(this.group)
  }

  /** All fields but those with the number `items`. */
  private gather(fields: Fields, items: number): Uint8Array {
    const out = new Writer(0)
    while (fields.next()) if (fields.number !== items) out.raw(fields.bytes, fields.tagStart, fields.end)
    return out.finish()
  }

  private counted(bytes: Uint8Array): Uint8Array {
    this.repeated += bytes.length
    if (this.repeated > MAX_REPEATED) throw new WireError(`a split would repeat more than ${MAX_REPEATED} bytes around the items`, 0)
    return bytes
  }
}

/** One part of a split while it is written. */
class Part {
  private readonly out: Writer
  /** As in ItemEditor. */
  private readonly open: Int32Array

  constructor(
    private readonly path: readonly Fields[],
    private readonly envelopes: Envelopes,
    capacity: number,
  ) {
    this.out = new Writer(capacity)
    this.open = new Int32Array(path.length - 1)
  }

  /** Adds the current item. */
  add(serials: Int32Array): void {
    const { out, open, path } = this
    for (let level = 0; level < open.length; level++) {
      if (open[level] === serials[level]) continue
      this.closeFrom(level)
      const holder = path[level]!
      out.begin(holder.number, holder.end - holder.start).raw(this.envelopes.at(level, serials[level]!))
      open[level] = serials[level]!
    }
    const item = path[path.length - 1]!
    out.raw(item.bytes, item.tagStart, item.end)
  }

  finish(): Uint8Array {
    this.closeFrom(0)
    return this.out.raw(this.envelopes.around()).finish()
  }

  private closeFrom(level: number): void {
    for (let inner = this.open.length - 1; inner >= level; inner--) {
      if (this.open[inner] === 0) continue
      this.out.end()
      this.open[inner] = 0
    }
  }
}
