/** A batch as entries for the stream: one workload's part of one request, at most one window of event times each (rules 1, 2, 11). */
import { createHash, hash as sha1Of } from 'node:crypto'
import type { Batch, Group, Signal } from '../../proto/batch.js'
import { splitGroup } from '../../proto/edit.js'
import { GROUP, LOG_RECORD, METRIC, METRIC_DATA, NUMBER_POINT, SCOPE_GROUP, SPAN } from '../../proto/fields.js'
import { KeySet } from '../../proto/views/attributes.js'
import type { ItemCursor } from '../../proto/views/items.js'
import { LogView } from '../../proto/views/logs.js'
import { PointView } from '../../proto/views/points.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SpanView } from '../../proto/views/traces.js'
import { CALLER_ID, GPU_OWNERS, JOIN_ONLY, WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import { Fields } from '../../proto/wire.js'
import type { Entry } from '../../streams/index.js'
import { KIND } from './kinds.js'
import { OwnedEnergy } from './owned-energy.js'

const KEYS = new KeySet([WORKLOAD_ID, CALLER_ID, JOIN_ONLY, GPU_OWNERS])
/** Bytes of a group beyond which it is cut, and of an entry beyond which nothing is added: one record is held and folded at once. */
const ENTRY_BYTES = 4 * 1024 * 1024
/** A longer id is none: it would be carried by every record. */
const MAX_ID = 1024

/** Entries of one workload and kind while they are gathered. */
interface Pending {
  readonly workload: string
  readonly kind: number
  first: number
  last: number
  items: number
  bytes: number
  /** Every item has an id or a time: a copy can be told from a new fact. */
  identified: boolean
  readonly groups: Group[]
}

export class Splitter {
  private readonly resource = new ResourceView()
  private readonly found = new Int32Array(4)
  private readonly scan = new Scan()
  private readonly energy = new OwnedEnergy()

  /** `window`: most milliseconds between the event times of an entry. Throws WireError. */
  split(batch: Batch, window: number): Entry[] {
    const pending: Pending[] = []
    for (const group of batch.groups) {
      const { signal } = batch
      const { workload, kind, owners } = this.keyOf(signal, group)
      const scan = this.scan.group(signal, group)
      if (scan.items === 0) continue
      const gatherAll = (part: Group, summary: Scan['summary']) => {
        gather(pending, { workload, kind, groups: [part], bytes: part.size, ...summary }, window)
        // The other owners of the device get a copy for their figures; the sample itself goes on once.
        for (const owner of owners)
          gather(pending, { workload: owner, kind: KIND.joinOnly, groups: [part], bytes: part.size, ...summary }, window)
        if (kind !== KIND.metrics && kind !== KIND.joinOnly) return
        for (const [host, copy] of this.energy.byHost(part, workload))
          gather(
            pending,
            { workload: host, kind: KIND.owned, groups: [copy], bytes: copy.size, ...this.scan.group(signal, copy).summary },
            window,
          )
      }
      if (scan.last - scan.first <= window && group.size <= ENTRY_BYTES) gatherAll(group, scan.summary)
      else for (const part of cut(signal, group, window)) gatherAll(part, this.scan.group(signal, part).summary)
    }
    return pending.map((part, index) =>
      entryOf(part, index === 0 ? batch.withGroups(part.groups).slices : part.groups.flatMap(group => group.slices)),
    )
  }

  private keyOf(signal: Signal, { resource }: Group): { workload: string; kind: number; owners: readonly string[] } {
    const { attributes } = this.resource.read(resource)
    attributes.findAll(KEYS, this.found)
    const [id = -1, caller = -1, joinOnly = -1, owners = -1] = this.found
    const text = id < 0 ? '' : attributes.value(id).text()
    const workload = text.length <= MAX_ID ? text : ''
    let kind = KIND.of(signal, workload !== '')
    if (kind === KIND.metrics && joinOnly >= 0 && attributes.value(joinOnly).boolean() === true) kind = KIND.joinOnly
    if (signal === 'traces' && workload === '' && caller >= 0) kind = KIND.noTarget
    const others = kind === KIND.metrics && owners >= 0 ? attributes.value(owners).plain() : []
    return { workload, kind, owners: Array.isArray(others) ? others.map(String) : [] }
  }
}

/** By windows of event time, then by bytes; a single item stays whole however large it is, and one larger than an entry stands alone. */
const cut = (signal: Signal, group: Group, window: number): Group[] => {
  const byTime = [...splitGroup(signal, group, item => Math.floor(eventTime(item) / window)).values()]
  return byTime.flatMap(({ group: part }) => {
    if (part.size <= ENTRY_BYTES) return [part]
    let bytes = 0
    let piece = 0
    const pieces = splitGroup(signal, part, ({ item }) => {
      const size = item.end - item.start
      if (bytes > 0 && bytes + size > ENTRY_BYTES) {
        bytes = 0
        piece++
      }
      bytes += size
      return piece
    })
    return [...pieces.values()].map(piece => piece.group)
  })
}

/** Adds a group to the entry it fits into, else makes a new one. Strays stay apart: their key is their fingerprint. */
const gather = (pending: Pending[], part: Pending, window: number): void => {
  if (part.workload !== '')
    for (const other of pending) {
      if (other.workload !== part.workload || other.kind !== part.kind) continue
      const first = Math.min(other.first, part.first)
      const last = Math.max(other.last, part.last)
      if (last - first > window || other.bytes + part.bytes > ENTRY_BYTES) continue
      other.first = first
      other.last = last
      other.items += part.items
      other.bytes += part.bytes
      other.identified &&= part.identified
      other.groups.push(...part.groups)
      return
    }
  pending.push(part)
}

/** Slices together no longer than this are quicker laid together than hashed one by one. */
const SMALL = 16_384

const sha1 = (slices: readonly Uint8Array[]): Buffer => {
  let length = 0
  for (const slice of slices) length += slice.length
  const [only] = slices
  if (only && slices.length === 1) return sha1Of('sha1', only, 'buffer')
  if (length <= SMALL) return sha1Of('sha1', Buffer.concat(slices, length), 'buffer')
  const hash = createHash('sha1')
  for (const slice of slices) hash.update(slice)
  return hash.digest()
}

/** The first entry of a batch also takes the request's own unknown fields. */
const entryOf = ({ workload, kind, first, last, items, identified }: Pending, value: readonly Uint8Array[]): Entry => {
  // The same bytes may be for several owners of a device; all else says in its bytes whose it is.
  const fingerprint = sha1(kind === KIND.joinOnly ? [Buffer.from(`${workload}\0`), ...value] : value).subarray(0, 16)
  fingerprint[0]! ^= kind
  return {
    key: workload === '' ? fingerprint.toString('hex') : workload,
    kind,
    firstTime: Number.isFinite(first) ? first : 0,
    lastTime: Number.isFinite(last) ? last : 0,
    items,
    fingerprint: identified ? fingerprint : undefined,
    value,
  }
}

/** Where an item belongs in time; 0 = unknown. A span that ends before it starts is unknown too (rule 6). */
const eventTime = ({ item }: ItemCursor): number => {
  if (item instanceof SpanView) return item.endTime >= item.startTime ? item.endTime : 0
  if (item instanceof LogView) return item.eventTime
  return item instanceof PointView ? item.time : 0
}

/** Counts a group's items and finds their range of times; reads of each item no more than it must. */
class Scan {
  items = 0
  first = Number.POSITIVE_INFINITY
  last = Number.NEGATIVE_INFINITY
  private identified = true
  private readonly scopes = new Fields()
  private readonly inScope = new Fields()
  private readonly inItem = new Fields()
  private readonly data = new Fields()
  private readonly point = new Fields()

  get summary() {
    const { items, first, last, identified } = this
    return { items, first, last, identified }
  }

  /** Throws WireError. */
  group(signal: Signal, group: Group): this {
    this.items = 0
    this.first = Number.POSITIVE_INFINITY
    this.last = Number.NEGATIVE_INFINITY
    this.identified = true
    const { scopes, inScope } = this
    scopes.reset(group.rest)
    while (scopes.next()) {
      if (scopes.number !== GROUP.scopes) continue
      inScope.enter(scopes)
      while (inScope.next()) {
        if (inScope.number !== SCOPE_GROUP.items) continue
        const item = this.inItem.enter(inScope)
        if (signal === 'traces') this.span(item)
        else if (signal === 'logs') this.log(item)
        else this.metric(item)
      }
    }
    return this
  }

  private note(time: number, hasId: boolean): void {
    this.items++
    if (time === 0) {
      if (!hasId) this.identified = false
      return
    }
    if (time < this.first) this.first = time
    if (time > this.last) this.last = time
  }

  private span(span: Fields): void {
    let start = 0
    let end = 0
    let hasId = false
    while (span.next()) {
      const { number } = span
      if (number === SPAN.endTime) end = span.millis()
      else if (number === SPAN.startTime) start = span.millis()
      else if (number === SPAN.spanId) hasId = span.end > span.start
      // Writers write fields in order: what follows the attributes holds no time.
      else if (number === SPAN.attributes && end > 0) break
    }
    this.note(end >= start ? end : 0, hasId)
  }

  private log(record: Fields): void {
    let time = 0
    let observed = 0
    while (record.next()) {
      if (record.number === LOG_RECORD.time) time = record.millis()
      else if (record.number === LOG_RECORD.observedTime) observed = record.millis()
    }
    this.note(time || observed, false)
  }

  private metric(metric: Fields): void {
    const { data, point } = this
    while (metric.next()) {
      if (!POINTS.has(metric.number)) continue
      data.enter(metric)
      while (data.next()) {
        if (data.number !== METRIC_DATA.dataPoints) continue
        point.enter(data)
        let time = 0
        // `time` has the same number in all five kinds of points.
        while (time === 0 && point.next()) if (point.number === NUMBER_POINT.time) time = point.millis()
        this.note(time, false)
      }
    }
  }
}

const POINTS: ReadonlySet<number> = new Set([METRIC.gauge, METRIC.sum, METRIC.histogram, METRIC.exponentialHistogram, METRIC.summary])
