/**
 * A group written anew, with attributes behind every span, in one place of the right size. The old bytes are laid at its end and moved to the
 * front piece by piece, growing as they go: what is written never overtakes what is still to be read, and nothing is allocated per span.
 *
 *     [ head, resource, spans written so far …    | free | … still to be moved ]
 */
import { Group } from '../../proto/batch.js'
import { GROUP, REQUEST, SCOPE_GROUP } from '../../proto/fields.js'
import { BYTES, Fields, sizeOfHeader, sizeOfVarint } from '../../proto/wire.js'
import { FIGURE } from './figure.js'
import type { Outputs } from './outputs.js'
import type { Template } from './template.js'

const GROUP_TAG = REQUEST.groups * 8 + BYTES
const RESOURCE_TAG = GROUP.resource * 8 + BYTES
const SPAN_TAG = SCOPE_GROUP.items * 8 + BYTES
const SCOPE_TAG = GROUP.scopes * 8 + BYTES

const NOTHING = new Uint8Array(0)
const NO_GROUP = Group.of(NOTHING, NOTHING)

export class Insertion {
  private group: Group = NO_GROUP
  private rest: Uint8Array = NOTHING
  private readonly scopes = new Fields()
  private readonly spans = new Fields()
  /** What is added to each span, in their order. */
  private readonly templates: Template[] = []
  private figures = new Float64Array(256 * FIGURE.count)
  private count = 0
  /** New length of each scope that has spans. */
  private readonly scopeLengths: number[] = []
  private out: Uint8Array = NOTHING
  private view: DataView = new DataView(new ArrayBuffer(0))
  private length = 0
  /** Where the old bytes lie in `out`. */
  private base = 0

  constructor(private readonly outputs: Outputs) {}

  begin(group: Group): void {
    this.group = group
    this.rest = group.rest
    this.count = 0
  }

  /** Adds to the next span; the figures are copied. */
  add(template: Template, figures: Float64Array): void {
    const at = this.count * FIGURE.count
    if (at === this.figures.length) {
      const grown = new Float64Array(at * 2)
      grown.set(this.figures)
      this.figures = grown
    }
    for (let i = 0; i < FIGURE.count; i++) this.figures[at + i] = figures[i]!
    this.templates[this.count++] = template
  }

  /** The new group, tag and length included; it shares nothing with the old one. Throws WireError. */
  finish(): Uint8Array {
    const { rest } = this
    const { resource } = this.group
    const named = resource.length > 0 ? sizeOfHeader(GROUP.resource, resource.length) + resource.length : 0
    const body = named + this.measure()
    const total = sizeOfHeader(REQUEST.groups, body) + body
    const { bytes, view, start } = this.outputs.place(total)
    this.out = bytes
    this.view = view
    this.base = start + total - rest.length
    bytes.set(rest, this.base)
    this.length = start
    this.header(GROUP_TAG, body)
    if (named > 0) {
      this.header(RESOURCE_TAG, resource.length)
      bytes.set(resource, this.length)
      this.length += resource.length
    }
    this.write()
    this.out = NOTHING
    this.rest = NOTHING
    this.group = NO_GROUP
    return bytes.subarray(start, start + total)
  }

  /** Length of the new rest, and of each scope. */
  private measure(): number {
    const { rest, scopes, spans, scopeLengths } = this
    scopeLengths.length = 0
    let total = 0
    let next = 0
    scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) {
        total += scopes.end - scopes.tagStart
        continue
      }
      const first = next
      let length = 0
      spans.enter(scopes)
      while (spans.next()) {
        if (spans.number === SCOPE_GROUP.items) {
          const body = spans.end - spans.start + this.templates[next++]!.bytes.length
          length += sizeOfHeader(SCOPE_GROUP.items, body) + body
        } else length += spans.end - spans.tagStart
      }
      if (next === first) total += scopes.end - scopes.tagStart
      else {
        scopeLengths.push(length)
        total += sizeOfHeader(GROUP.scopes, length) + length
      }
    }
    return total
  }

  private write(): void {
    const { rest, scopes, spans } = this
    let next = 0
    let scope = 0
    scopes.reset(rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes || !this.hasSpans(scopes)) {
        this.move(scopes.tagStart, scopes.end)
        continue
      }
      this.header(SCOPE_TAG, this.scopeLengths[scope++]!)
      spans.enter(scopes)
      while (spans.next()) {
        if (spans.number === SCOPE_GROUP.items) this.writeSpan(next++, spans.start, spans.end)
        else this.move(spans.tagStart, spans.end)
      }
    }
  }

  private hasSpans(scopes: Fields): boolean {
    const { spans } = this
    spans.enter(scopes)
    while (spans.next()) if (spans.number === SCOPE_GROUP.items) return true
    return false
  }

  private writeSpan(index: number, start: number, end: number): void {
    const { out, view } = this
    const { bytes, places, figures } = this.templates[index]!
    this.header(SPAN_TAG, end - start + bytes.length)
    this.move(start, end)
    const at = this.length
    out.set(bytes, at)
    const from = index * FIGURE.count
    for (let i = 0; i < places.length; i++) view.setFloat64(at + places[i]!, this.figures[from + figures[i]!]!, true)
    this.length = at + bytes.length
  }

  private move(start: number, end: number): void {
    this.out.copyWithin(this.length, this.base + start, this.base + end)
    this.length += end - start
  }

  private header(tag: number, length: number): void {
    const { out } = this
    let at = this.length
    out[at++] = tag
    let value = length
    for (let size = sizeOfVarint(length); size > 1; size--) {
      out[at++] = (value & 0x7f) | 0x80
      value >>>= 7
    }
    out[at++] = value
    this.length = at
  }
}
