/**
 * Changes of what lies inside a group: items rewritten, items sorted into several groups. Every byte that is not changed is copied as it came,
 * unknown fields included; where nothing changes, the very same array is returned.
 */
import type { Group, Signal } from './batch.js'
import { GROUP } from './fields.js'
import { ItemCursor } from './views/items.js'
import { Fields, Writer } from './wire.js'

/** Rewrites items of one signal. Keeps its buffers from one group to the next; the arrays it returns are new and share nothing with it. */
export class ItemEditor {
  private readonly items: ItemCursor
  private readonly body = new Writer(1024)
  /** Serial of the message that is open in the output, by level; 0 = none. */
  private readonly open: Int32Array
  private readonly ends: Int32Array

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
      out ??= new Writer(rest.length + (rest.length >> 2) + 64)
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
    return out.finish()
  }
}

/** One part of a group that was split. */
export interface Share {
  readonly group: Group
  readonly items: number
}

/** An output of a split while it is written. */
class Part {
  items = 0
  readonly out = new Writer(1024)
  /** As in ItemEditor. */
  readonly open: Int32Array
  constructor(levels: number) {
    this.open = new Int32Array(levels)
  }
}

/**
 * Sorts the items of a group by `keyOf` into one group a key, in order of first appearance. Each gets the resource and the fields around its
 * items (scope, metric, schema_url, unknown ones); messages left without items are not repeated. When all items have one key, its group is
 * the one given. Throws WireError, and what `keyOf` throws.
 */
export const splitGroup = <K>(signal: Signal, group: Group, keyOf: (items: ItemCursor) => K): Map<K, Share> => {
  const items = new ItemCursor(signal).over(group.rest)
  const keys: K[] = []
  let several = false
  while (items.next()) {
    keys.push(keyOf(items))
    several ||= keys[keys.length - 1] !== keys[0]
  }
  const shares = new Map<K, Share>()
  if (keys.length === 0) return shares
  if (!several) return shares.set(keys[0] as K, { group, items: keys.length })

  const parts = new Map<K, Part>()
  const { path, serials } = items.over(group.rest)
  const last = path.length - 1
  for (const key of keys) {
    items.next()
    let part = parts.get(key)
    if (!part) parts.set(key, (part = new Part(path.length)))
    const { out, open } = part
    for (let level = 0; level < last; level++) {
      if (open[level] === serials[level]) continue
      closeFrom(part, level, last)
      const holder = path[level]!
      out.begin(holder.number, holder.end - holder.start)
      copyEnvelope(out, holder, path[level + 1]!.number)
      open[level] = serials[level]!
    }
    const item = path[last]!
    out.raw(item.bytes, item.tagStart, item.end)
    part.items++
  }
  const around = new Writer()
  const scan = path[0]!.reset(group.rest)
  while (scan.next()) if (scan.number !== GROUP.scopes) around.raw(scan.bytes, scan.tagStart, scan.end)
  const envelope = around.finish()
  for (const [key, part] of parts) {
    closeFrom(part, 0, last)
    shares.set(key, { group: group.withRest(part.out.raw(envelope).finish()), items: part.items })
  }
  return shares
}

/** Copies the fields of `holder` that hold no items: all but those with the number `items`. */
const copyEnvelope = (out: Writer, holder: Fields, items: number): void => {
  const fields = new Fields().enter(holder)
  while (fields.next()) if (fields.number !== items) out.raw(fields.bytes, fields.tagStart, fields.end)
}

const closeFrom = ({ out, open }: Part, level: number, last: number): void => {
  for (let inner = last - 1; inner >= level; inner--) {
    if (open[inner] === 0) continue
    out.end()
    open[inner] = 0
  }
}
