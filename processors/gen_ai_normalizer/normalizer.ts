/** The attributes that a span lacks and that one of its dialects tells. */
import { type AttributeValue, writeAttribute } from '../../proto/attribute.js'
import { KEY_VALUE, SPAN } from '../../proto/fields.js'
import { type Attributes, KeySet } from '../../proto/views/attributes.js'
import { DIALECTS, type DialectName } from '../../proto/vocabulary/gen_ai/dialects.js'
import { type Dialect, type Expansion, NAME, type Row } from '../../proto/vocabulary/gen_ai/table.js'
import { Writer } from '../../proto/wire.js'
import { convert, exclusiveUsage, jsonOf } from './convert.js'

interface Key {
  readonly dialect: DialectName
  readonly rows: readonly Row[]
  readonly expansion: Expansion | undefined
  readonly exclusive: boolean
  /** Index of the key without which this one means something else; -1 = none. */
  readonly marker: number
}

export interface Finding {
  /** Whole attribute fields to add at the end of the span. */
  readonly added: Uint8Array | undefined
  /** Indexes of the attributes they were read from. */
  readonly read: readonly number[]
}

const NOTHING: Finding = { added: undefined, read: [] }

export class Normalizer {
  private readonly keys: readonly Key[]
  private readonly keySet: KeySet
  private readonly found: Int32Array
  private readonly names = new Map<string, Uint8Array>()
  private readonly writer = new Writer(512)
  private readonly written = new Set<string>()

  /** `unfit` is told of each value that could not be read as what it should be. */
  constructor(
    dialects: readonly DialectName[],
    private readonly unfit: (dialect: DialectName) => void,
  ) {
    const names: string[] = []
    const keys: Key[] = []
    for (const name of dialects) {
      const dialect: Dialect = DIALECTS[name]
      const first = names.length
      const add = (from: string, rows: readonly Row[], expansion?: Expansion, exclusive = false) => {
        const marker = dialect.marker === undefined ? -1 : first
        names.push(from)
        keys.push({ dialect: name, rows, expansion, exclusive, marker })
      }
      if (dialect.marker !== undefined)
        add(
          dialect.marker,
          dialect.rows.filter(({ from }) => from === dialect.marker),
        )
      for (const row of dialect.rows) if (row.from !== dialect.marker) add(row.from, [row])
      for (const expansion of dialect.expansions ?? []) add(expansion.from, [], expansion)
      if (dialect.exclusiveUsage !== undefined) add(dialect.exclusiveUsage, [], undefined, true)
    }
    this.keys = keys
    this.keySet = new KeySet(names)
    this.found = new Int32Array(names.length)
  }

  /** Throws WireError. */
  find(attributes: Attributes): Finding {
    const { found, keys, written, writer } = this
    if (!attributes.findAll(this.keySet, found)) return NOTHING
    let read: number[] | undefined
    for (let at = 0; at < keys.length; at++) {
      const index = found[at]!
      if (index < 0) continue
      const { marker } = keys[at]!
      if (marker >= 0 && found[marker]! < 0) continue
      if (!read) {
        read = []
        written.clear()
        writer.clear()
      }
      if (this.take(attributes, index, keys[at]!)) read.push(index)
    }
    if (!read) return NOTHING
    return { added: writer.length > 0 ? writer.finish() : undefined, read }
  }

  /** Whether all that the attribute says was written under its new names; what stood there before stays, and so does the attribute. */
  private take(attributes: Attributes, index: number, { dialect, rows, expansion, exclusive }: Key): boolean {
    if (exclusive) return this.usage(attributes, index, dialect)
    if (expansion) return this.expand(attributes, index, expansion, dialect)
    let all = true
    for (const { to, as = 'same' } of rows) {
      if (this.has(attributes, to)) {
        all = false
        continue
      }
      if (as === 'same') {
        this.copy(to, attributes.valueBytes(index))
        continue
      }
      const value = convert(attributes.value(index).plain(), as)
      if (value !== undefined) this.write(to, value)
      else {
        all = false
        // A word that is not in the list (a kind of span that has no name yet) is no fault.
        if (typeof as === 'string') this.unfit(dialect)
      }
    }
    return all
  }

  private expand(attributes: Attributes, index: number, { members }: Expansion, dialect: DialectName): boolean {
    const json = jsonOf(attributes.value(index).string())
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      this.unfit(dialect)
      return false
    }
    for (const { from, to, as = 'same' } of members) {
      if (!Object.hasOwn(json, from) || as === 'same' || this.has(attributes, to)) continue
      const value = convert((json as Record<string, never>)[from], as)
      if (value !== undefined) this.write(to, value)
    }
    // It may hold more than the members that have a name.
    return false
  }

  private usage(attributes: Attributes, index: number, dialect: DialectName): boolean {
    const usage = exclusiveUsage(jsonOf(attributes.value(index).string()))
    if (!usage) {
      this.unfit(dialect)
      return false
    }
    for (const [to, amount, always] of [
      [NAME.input, usage.input, true],
      [NAME.output, usage.output, true],
      [NAME.cacheRead, usage.cached, false],
      [NAME.reasoning, usage.reasoning, false],
    ] as const)
      if ((always || amount > 0) && !this.has(attributes, to)) this.write(to, amount)
    return false
  }

  private has(attributes: Attributes, name: string): boolean {
    let key = this.names.get(name)
    if (!key) this.names.set(name, (key = Buffer.from(name)))
    return this.written.has(name) || attributes.find(key) >= 0
  }

  private write(name: string, value: AttributeValue): void {
    this.written.add(name)
    writeAttribute(this.writer, SPAN.attributes, name, value)
  }

  private copy(name: string, value: Uint8Array): void {
    this.written.add(name)
    this.writer.begin(SPAN.attributes).string(KEY_VALUE.key, name).bytes(KEY_VALUE.value, value).end()
  }
}
