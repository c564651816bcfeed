/** What walks a pipeline: one signal, immutable OTLP bytes, an item count, a little metadata. */
import { GROUP, REQUEST } from './fields.js'
import { BYTES, Fields, sizeOfHeader, Writer } from './wire.js'

/** `events` are correlated events, our own signal; the others are OTLP's. */
export type Signal = 'traces' | 'metrics' | 'logs' | 'events'
export const SIGNALS: readonly Signal[] = ['traces', 'metrics', 'logs', 'events']

/** Facts about a batch that are no telemetry: `transport` it came by, `epoch` of the task that made it, `transaction` that it is part of. */
export type Metadata = Readonly<Record<string, string>>
const NO_METADATA: Metadata = Object.freeze({})

const NOTHING = new Uint8Array(0)

/**
 * One ResourceSpans, ResourceMetrics or ResourceLogs, in two parts: what it says about its sender, and everything else.
 * An edit of the resource replaces the first part and shares the second.
 */
export class Group {
  private constructor(
    /** Body of the Resource message; empty when the group has none. */
    readonly resource: Uint8Array,
    /** Every other field (scopes with their items, schema_url, unknown ones), tags included, in order. */
    readonly rest: Uint8Array,
    /** The group as it came, tag and length included; undefined for a group made here. */
    private readonly wire: Uint8Array | undefined,
  ) {}

  static of(resource: Uint8Array, rest: Uint8Array): Group {
    return new Group(resource, rest, undefined)
  }

  /** Reads the group that is `field`'s value. A Resource that appears twice is merged, as protobuf demands. Throws WireError. */
  static read(field: Fields): Group {
    const { bytes, start, end } = field.expect(BYTES)
    const wire = bytes.subarray(field.tagStart, end)
    const inner = new Fields(bytes, start, end)
    if (inner.next() && inner.number === GROUP.resource) {
      const resource = inner.view()
      const restStart = inner.end
      while (inner.next()) if (inner.number === GROUP.resource) return Group.gather(bytes, start, end, wire)
      return new Group(resource, bytes.subarray(restStart, end), wire)
    }
    return Group.gather(bytes, start, end, wire)
  }

  /** The rare shapes: no resource, a resource that is not first, or several of them. */
  private static gather(bytes: Uint8Array, start: number, end: number, wire: Uint8Array): Group {
    const resource = new Writer()
    const rest = new Writer(end - start)
    const inner = new Fields(bytes, start, end)
    while (inner.next()) {
      if (inner.number === GROUP.resource) resource.raw(inner.view())
      else rest.raw(bytes, inner.tagStart, inner.end)
    }
    return new Group(resource.finish(), rest.finish(), wire)
  }

  withResource(resource: Uint8Array): Group {
    return new Group(resource, this.rest, undefined)
  }

  withRest(rest: Uint8Array): Group {
    return new Group(this.resource, rest, undefined)
  }

  /** Bytes of the group inside a request, tag and length included. */
  get size(): number {
    if (this.wire) return this.wire.length
    const body = this.bodySize()
    return sizeOfHeader(REQUEST.groups, body) + body
  }

  /** The group as slices of a request: one if untouched; else a new head (tag, length, resource) and the shared rest. */
  get slices(): readonly Uint8Array[] {
    if (this.wire) return [this.wire]
    const head = new Writer(this.resource.length + 24)
    head.header(REQUEST.groups, this.bodySize())
    if (this.resource.length > 0) head.bytes(GROUP.resource, this.resource)
    return this.rest.length > 0 ? [head.finish(), this.rest] : [head.finish()]
  }

  /** The same in one piece. */
  get whole(): Uint8Array {
    const { slices } = this
    return slices.length === 1 ? slices[0]! : Buffer.concat(slices as Uint8Array[])
  }

  private bodySize(): number {
    const { length } = this.resource
    return (length > 0 ? sizeOfHeader(GROUP.resource, length) + length : 0) + this.rest.length
  }
}

/** What a batch is made of when it is not bytes yet: they are asked for when somebody reads them, and are the same each time. */
export interface Content {
  /** Each one a whole number of request fields. */
  readonly slices: readonly Uint8Array[]
}

/** A request taken apart. */
interface Parts {
  readonly groups: readonly Group[]
  /** Fields of the request that are no groups, as they came: unknown ones, which a later OTLP may define. Usually empty. */
  readonly unknown: Uint8Array
}

/**
 * Immutable. Made from wire bytes it stays wire bytes until somebody asks for its groups; made from groups or events it becomes bytes only when asked.
 * `slices`, laid end to end, are an Export…ServiceRequest (for `events`: a CorrelatedEvents message).
 */
export class Batch {
  private lazyBytes: number | undefined

  private constructor(
    readonly signal: Signal,
    /** Spans, data points, log records or events. */
    readonly items: number,
    readonly metadata: Metadata,
    /** What it was made of: one of the three. */
    private readonly source: Content | { readonly parts: Parts } | { readonly members: readonly Batch[] },
    private lazySlices?: readonly Uint8Array[],
    private lazyParts?: Parts,
  ) {}

  /** `slices`: each one a whole number of request fields. */
  static of(signal: Signal, slices: readonly Uint8Array[], items: number, metadata: Metadata = NO_METADATA): Batch {
    return new Batch(signal, items, metadata, { slices })
  }

  static ofContent(signal: Signal, content: Content, items: number, metadata: Metadata = NO_METADATA): Batch {
    return new Batch(signal, items, metadata, content)
  }

  static ofGroups(signal: Signal, groups: readonly Group[], items: number, metadata: Metadata = NO_METADATA): Batch {
    return new Batch(signal, items, metadata, { parts: { groups, unknown: NOTHING } })
  }

  /**
   * One batch of several of the same signal; bytes are shared and nothing is read, metadata is the first one's.
   * Throws RangeError when `batches` is empty.
   */
  static concat(batches: readonly Batch[]): Batch {
    const [first, ...others] = batches
    if (!first) throw new RangeError('concat needs at least one batch')
    if (others.length === 0) return first
    const items = batches.reduce((sum, batch) => sum + batch.items, 0)
    return new Batch(first.signal, items, first.metadata, { members: batches })
  }

  /** The request as it is sent. After an edit a slice need not be a whole number of fields: see `wholeSlices`. */
  get slices(): readonly Uint8Array[] {
    this.lazySlices ??= this.layOut(group => group.slices)
    return this.lazySlices
  }

  /** The same bytes in slices of whole request fields; what an edit left in two pieces is copied together. For who reads the request on. */
  get wholeSlices(): readonly Uint8Array[] {
    return this.layOut(group => [group.whole])
  }

  /** What it was made of, in order: for who knows a kind of content and need not read its bytes. */
  get contents(): readonly Content[] {
    const { source } = this
    if ('members' in source) return source.members.flatMap(member => member.contents)
    return 'slices' in source ? [source] : [{ slices: this.slices }]
  }

  /** The resource groups. Not for `events`, which have none. Throws WireError. */
  get groups(): readonly Group[] {
    return this.parts.groups
  }

  /** Fields of the request that are no groups, tags included. Not for `events`. Throws WireError. */
  get unknown(): Uint8Array {
    return this.parts.unknown
  }

  /** Length of the slices, laid end to end. */
  get bytes(): number {
    this.lazyBytes ??= this.measure()
    return this.lazyBytes
  }

  /** The same request with other groups; its unknown fields stay. Give `items` whenever the number changes. */
  withGroups(groups: readonly Group[], items = this.items): Batch {
    return new Batch(this.signal, items, this.metadata, { parts: { groups, unknown: this.parts.unknown } })
  }

  withMetadata(metadata: Metadata): Batch {
    return new Batch(this.signal, this.items, { ...this.metadata, ...metadata }, this.source, this.lazySlices, this.lazyParts)
  }

  private get parts(): Parts {
    this.lazyParts ??= this.takeApart()
    return this.lazyParts
  }

  private takeApart(): Parts {
    const { source } = this
    if ('parts' in source) return source.parts
    if ('slices' in source) return takeApart(source.slices)
    const unknown = source.members.map(member => member.parts.unknown).filter(bytes => bytes.length > 0)
    return { groups: source.members.flatMap(member => member.groups), unknown: unknown.length > 0 ? Buffer.concat(unknown) : NOTHING }
  }

  private layOut(slicesOf: (group: Group) => readonly Uint8Array[]): readonly Uint8Array[] {
    const { source } = this
    if ('slices' in source) return source.slices
    if ('members' in source) return source.members.flatMap(member => member.layOut(slicesOf))
    const { groups, unknown } = source.parts
    const slices = groups.flatMap(slicesOf)
    if (unknown.length > 0) slices.push(unknown)
    return slices
  }

  private measure(): number {
    const { source } = this
    let bytes = 0
    if ('slices' in source) for (const slice of source.slices) bytes += slice.length
    else if ('members' in source) for (const member of source.members) bytes += member.bytes
    else {
      for (const group of source.parts.groups) bytes += group.size
      bytes += source.parts.unknown.length
    }
    return bytes
  }
}

const takeApart = (slices: readonly Uint8Array[]): Parts => {
  const groups: Group[] = []
  let unknown: Writer | undefined
  const fields = new Fields()
  for (const slice of slices) {
    fields.reset(slice)
    while (fields.next()) {
      if (fields.number === REQUEST.groups) groups.push(Group.read(fields))
      else unknown = (unknown ?? new Writer()).raw(slice, fields.tagStart, fields.end)
    }
  }
  return { groups, unknown: unknown?.finish() ?? NOTHING }
}
