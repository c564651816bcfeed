/** A view of a list of attributes (repeated KeyValue), read in place. A key that appears twice has its last value. */
import { KEY_VALUE } from '../fields.js'
import { BYTES, equalsAt, Fields, readString } from '../wire.js'
import { AnyValue } from './any-value.js'

/** Places per attribute in `places`: the whole KeyValue body, the key, the AnyValue body. */
const STRIDE = 6

const KEY_TAG = KEY_VALUE.key * 8 + BYTES
const VALUE_TAG = KEY_VALUE.value * 8 + BYTES

/**
 * Filled by the view that owns it, emptied by `clear`. Keys and values are located when first asked for, so a list nobody looks into costs
 * its tags only. Attributes are named by index, 0 to `length` - 1, in wire order.
 */
export class Attributes {
  length = 0
  private bytes: Uint8Array = new Uint8Array(0)
  private places = new Int32Array(32 * STRIDE)
  private located = 0
  private readonly fields = new Fields()
  private readonly anyValue = new AnyValue()

  clear(bytes: Uint8Array): void {
    this.bytes = bytes
    this.length = 0
    this.located = 0
  }

  /** Adds the KeyValue whose body is `bytes[start, end)`. */
  add(start: number, end: number): void {
    const at = this.length++ * STRIDE
    if (at === this.places.length) {
      const grown = new Int32Array(at * 2)
      grown.set(this.places)
      this.places = grown
    }
    this.places[at] = start
    this.places[at + 1] = end
  }

  /** Adds the KeyValue that is the current field. */
  addField(field: Fields): void {
    field.expect(BYTES)
    this.add(field.start, field.end)
  }

  /** Index of the attribute with this key (as UTF-8 bytes), -1 when there is none. Throws WireError. */
  find(key: Uint8Array): number {
    this.locate()
    const { bytes, places } = this
    for (let index = this.length - 1; index >= 0; index--) {
      const at = index * STRIDE
      if (equalsAt(bytes, places[at + 2]!, places[at + 3]!, key)) return index
    }
    return -1
  }

  /** For every key of the set, the index of its attribute or -1, into `found`; whether there was any. One pass, however many keys. Throws WireError. */
  findAll(keys: KeySet, found: Int32Array): boolean {
    this.locate()
    found.fill(-1)
    const { bytes, places } = this
    let any = false
    for (let index = 0; index < this.length; index++) {
      const at = index * STRIDE
      const key = keys.indexOf(bytes, places[at + 2]!, places[at + 3]!)
      if (key < 0) continue
      found[key] = index
      any = true
    }
    return any
  }

  key(index: number): string {
    this.locate()
    const at = this.at(index)
    return readString(this.bytes, this.places[at + 2]!, this.places[at + 3]!)
  }

  keyEquals(index: number, key: Uint8Array): boolean {
    this.locate()
    const at = this.at(index)
    return equalsAt(this.bytes, this.places[at + 2]!, this.places[at + 3]!, key)
  }

  /** The attribute's value. The view is reused by the next call. Throws WireError. */
  value(index: number): AnyValue {
    this.locate()
    const at = this.at(index)
    return this.anyValue.read(this.bytes, this.places[at + 4]!, this.places[at + 5]!)
  }

  /** Text of the attribute with this key; undefined when it is absent or no string. */
  string(key: Uint8Array): string | undefined {
    const index = this.find(key)
    return index < 0 ? undefined : this.value(index).string()
  }

  /** Text (see AnyValue) of the first of these keys that is there, whatever its value. Throws WireError. */
  firstText(keys: readonly Uint8Array[]): string | undefined {
    for (const key of keys) {
      const index = this.find(key)
      if (index >= 0) return this.value(index).text()
    }
    return undefined
  }

  /** Number of the attribute with this key; undefined when it is absent or no number. */
  number(key: Uint8Array): number | undefined {
    const index = this.find(key)
    return index < 0 ? undefined : this.value(index).number()
  }

  /** The body of the KeyValue, sharing memory. */
  keyValue(index: number): Uint8Array {
    const at = this.at(index)
    return this.bytes.subarray(this.places[at]!, this.places[at + 1]!)
  }

  /** The key's bytes, sharing memory. */
  keyBytes(index: number): Uint8Array {
    this.locate()
    const at = this.at(index)
    return this.bytes.subarray(this.places[at + 2]!, this.places[at + 3]!)
  }

  /** The body of the AnyValue, sharing memory. */
  valueBytes(index: number): Uint8Array {
    this.locate()
    const at = this.at(index)
    return this.bytes.subarray(this.places[at + 4]!, this.places[at + 5]!)
  }

  /** Copies the body of the AnyValue into `target` from `to` on and returns where it ends there, or -1 where it does not fit. */
  copyValue(index: number, target: Uint8Array, to: number): number {
    this.locate()
    const at = this.at(index)
    const start = this.places[at + 4]!
    const length = this.places[at + 5]! - start
    if (to + length > target.length) return -1
    for (let i = 0; i < length; i++) target[to + i] = this.bytes[start + i]!
    return to + length
  }

  /** Copies all KeyValue bodies, each behind its length in four bytes, into `target` from `to` on; returns where they end, or -1 where they do not fit. */
  copyAll(target: Uint8Array, to: number): number {
    let at = to
    for (let index = 0; index < this.length; index++) {
      const start = this.places[index * STRIDE]!
      const length = this.places[index * STRIDE + 1]! - start
      if (at + 4 + length > target.length) return -1
      for (let shift = 0; shift < 32; shift += 8) target[at++] = length >>> shift
      for (let i = 0; i < length; i++) target[at++] = this.bytes[start + i]!
    }
    return at
  }

  private at(index: number): number {
    if (index < 0 || index >= this.length) throw new RangeError(`attribute ${index} of ${this.length}`)
    return index * STRIDE
  }

  private locate(): void {
    for (; this.located < this.length; this.located++) {
      const at = this.located * STRIDE
      if (!this.locatePlain(at)) this.locateAny(at)
    }
  }

  /** The form every writer uses: a key and a value, in this order, each shorter than 128 bytes. False for anything else. */
  private locatePlain(at: number): boolean {
    const { bytes, places } = this
    const start = places[at]!
    const end = places[at + 1]!
    if (end - start < 4 || bytes[start] !== KEY_TAG) return false
    const keyLength = bytes[start + 1]!
    const keyEnd = start + 2 + keyLength
    if (keyLength > 0x7f || keyEnd + 2 > end || bytes[keyEnd] !== VALUE_TAG) return false
    const valueLength = bytes[keyEnd + 1]!
    if (valueLength > 0x7f || keyEnd + 2 + valueLength !== end) return false
    places[at + 2] = start + 2
    places[at + 3] = keyEnd
    places[at + 4] = keyEnd + 2
    places[at + 5] = end
    return true
  }

  private locateAny(at: number): void {
    const { places } = this
    const start = places[at]!
    places[at + 2] = places[at + 3] = places[at + 4] = places[at + 5] = start
    const fields = this.fields.reset(this.bytes, start, places[at + 1]!)
    while (fields.next()) {
      if (fields.number === KEY_VALUE.key) {
        fields.expect(BYTES)
        places[at + 2] = fields.start
        places[at + 3] = fields.end
      } else if (fields.number === KEY_VALUE.value) {
        fields.expect(BYTES)
        places[at + 4] = fields.start
        places[at + 5] = fields.end
      }
    }
  }
}

/** A fixed set of keys that are looked for together. Their order is their index. */
export class KeySet {
  /** By length of the key in bytes. */
  private readonly byLength: { key: Uint8Array; index: number }[][] = []

  constructor(keys: readonly string[]) {
    keys.forEach((text, index) => {
      const key = Buffer.from(text)
      while (this.byLength.length <= key.length) this.byLength.push([])
      this.byLength[key.length]!.push({ key, index })
    })
  }

  /** Index of the key that equals `bytes[start, end)`, or -1. */
  indexOf(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    if (length >= this.byLength.length) return -1
    const candidates = this.byLength[length]!
    for (let i = 0; i < candidates.length; i++) {
      const { key, index } = candidates[i]!
      // From the end: keys of one vocabulary share their beginnings.
      let at = length - 1
      while (at >= 0 && bytes[start + at] === key[at]) at--
      if (at < 0) return index
    }
    return -1
  }
}
