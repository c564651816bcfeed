/** Insert, update, upsert and delete on a list of attributes, wherever it stands: in a resource, a span, a data point, a log record. */
import { type AttributeValue, encodeValue } from './attribute.js'
import type { Group } from './batch.js'
import { KEY_VALUE, RESOURCE } from './fields.js'
import type { Attributes } from './views/attributes.js'
import type { ItemCursor } from './views/items.js'
import { ResourceView } from './views/resource.js'
import { Fields, Writer } from './wire.js'

/** `insert` only where the key is absent, `update` only where it is present, `upsert` both; `delete` removes every attribute with the key. */
export type AttributeAction =
  | { readonly action: 'insert' | 'update' | 'upsert'; readonly key: string; readonly value: AttributeValue }
  /** The value another attribute of the same list has; nothing happens where there is none. */
  | { readonly action: 'insert' | 'update' | 'upsert'; readonly key: string; readonly from: string }
  | { readonly action: 'delete'; readonly key: string }

interface Step {
  readonly action: AttributeAction['action']
  readonly key: Uint8Array
  readonly value: Uint8Array | undefined
  readonly from: Uint8Array | undefined
}

/** A change of one attribute there is: a new AnyValue body, or DELETED. */
const DELETED = Symbol('deleted')
type Change = Uint8Array | typeof DELETED

interface Added {
  readonly key: Uint8Array
  value: Uint8Array
}

/** Applies actions one after the other; each sees what those before it did. Where none has an effect, nothing is written. */
export class AttributeEditor {
  private readonly steps: readonly Step[]
  private readonly resource = new ResourceView()
  private readonly fields = new Fields()
  private readonly changes = new Map<number, Change>()
  private added: Added[] = []

  constructor(actions: readonly AttributeAction[]) {
    this.steps = actions.map(action => ({
      action: action.action,
      key: Buffer.from(action.key),
      value: 'value' in action ? encodeValue(action.value) : undefined,
      from: 'from' in action ? Buffer.from(action.from) : undefined,
    }))
  }

  /** The group with its resource's attributes changed; `rest` is shared. The same group when nothing changes. Throws WireError. */
  editResource(group: Group): Group {
    const { resource } = group
    if (!this.decide(this.resource.read(resource).attributes)) return group
    const out = new Writer(resource.length + 128)
    this.write(out, resource, 0, resource.length, RESOURCE.attributes)
    return group.withResource(out.finish())
  }

  /** For `ItemEditor.edit`: `editor.edit(rest, (items, body) => attributes.editItem(items, body))`. Throws WireError. */
  editItem({ item }: ItemCursor, body: Writer): boolean {
    if (!this.decide(item.attributes)) return false
    this.write(body, item.bytes, item.start, item.end, item.attributesField)
    return true
  }

  /** Works out `changes` and `added`; false when there are none. */
  private decide(attributes: Attributes): boolean {
    this.changes.clear()
    this.added.length = 0
    for (const step of this.steps) {
      const index = this.find(attributes, step.key)
      const added = index < 0 ? this.added.findIndex(({ key }) => equal(key, step.key)) : -1
      if (step.action === 'delete') {
        if (index >= 0) this.deleteAll(attributes, step.key)
        if (added >= 0) this.added.splice(added, 1)
        continue
      }
      const present = index >= 0 || added >= 0
      if (step.action === (present ? 'insert' : 'update')) continue
      const value = step.value ?? this.current(attributes, step.from)
      if (!value) continue
      if (added >= 0) this.added[added]!.value = value
      else if (index < 0) this.added.push({ key: step.key, value })
      else if (equal(value, attributes.valueBytes(index))) this.changes.delete(index)
      else this.changes.set(index, value)
    }
    return this.changes.size > 0 || this.added.length > 0
  }

  /** Index of the last attribute with this key that is not deleted, or -1. */
  private find(attributes: Attributes, key: Uint8Array): number {
    const index = attributes.find(key)
    return index >= 0 && this.changes.get(index) === DELETED ? -1 : index
  }

  private current(attributes: Attributes, key: Uint8Array | undefined): Uint8Array | undefined {
    if (!key) return undefined
    const index = this.find(attributes, key)
    if (index < 0) return this.added.find(added => equal(added.key, key))?.value
    const change = this.changes.get(index)
    return change === undefined || change === DELETED ? attributes.valueBytes(index) : change
  }

  private deleteAll(attributes: Attributes, key: Uint8Array): void {
    for (let index = 0; index < attributes.length; index++) if (attributes.keyEquals(index, key)) this.changes.set(index, DELETED)
  }

  /** Writes the message `bytes[start, end)` with the changes; `field` is the number of its attributes. */
  private write(out: Writer, bytes: Uint8Array, start: number, end: number, field: number): void {
    let copied = start
    if (this.changes.size > 0) {
      const fields = this.fields.reset(bytes, start, end)
      for (let index = -1; fields.next(); ) {
        if (fields.number !== field) continue
        const change = this.changes.get(++index)
        if (change === undefined) continue
        out.raw(bytes, copied, fields.tagStart)
        copied = fields.end
        if (change !== DELETED) writeChanged(out, fields, change)
      }
    }
    out.raw(bytes, copied, end)
    for (const { key, value } of this.added)
      out
        .begin(field, key.length + value.length)
        .bytes(KEY_VALUE.key, key)
        .bytes(KEY_VALUE.value, value)
        .end()
  }
}

/** The KeyValue that is the current field, with another value; its other fields stay. */
const writeChanged = (out: Writer, keyValue: Fields, value: Uint8Array): void => {
  out.begin(keyValue.number, keyValue.end - keyValue.start)
  const inner = new Fields().enter(keyValue)
  while (inner.next()) if (inner.number !== KEY_VALUE.value) out.raw(inner.bytes, inner.tagStart, inner.end)
  out.bytes(KEY_VALUE.value, value).end()
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
