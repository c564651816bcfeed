/** Batch → the same batch with each resource group belonging to one workload, which its resource names. */
import type { AttributeValue } from '../../proto/attribute.js'
import { AttributeEditor } from '../../proto/attribute-edit.js'
import type { Batch, Group } from '../../proto/batch.js'
import { type Share, splitGroup } from '../../proto/edit.js'
import { Echo } from '../../proto/views/echo.js'
import type { ItemView } from '../../proto/views/item.js'
import { ItemCursor } from '../../proto/views/items.js'
import { NumberPointView, PointView } from '../../proto/views/points.js'
import { SPAN_KIND, SpanView } from '../../proto/views/traces.js'
import * as attribute from '../../proto/vocabulary/attributes.js'
import type { Role } from '../../proto/vocabulary/roles.js'
import { Fields } from '../../proto/wire.js'
import { CallFinder } from './call_finder.js'
import { deviceOf, isSlice, Owners, type Sharing } from './devices.js'
import { CALL_NAMES, DEVICE, ItemFacts, Memory, MODEL_CALL, POINT_NAMES, resourceTexts } from './facts.js'
import type { Resolver, Subject } from './resolver.js'
import { factsOf, SPELLINGS } from './spellings.js'
import type { Identity, Tables } from './tables.js'

/** What is written on a resource. One object a distinct content, so that it can be the key of a split. */
interface Assignment {
  readonly identities: readonly Identity[]
  /** The client's own workload, where another one is called or the call goes nowhere. */
  readonly caller?: string | undefined
  readonly sharing?: Sharing | undefined
  readonly unresolved?: Unresolved | undefined
}
export type Unresolved = 'no_workload' | 'no_target'

/** What is known of a data point: whose it is, and of which device. */
interface PointDecision {
  readonly assignment: Assignment
  readonly device: string | undefined
  readonly slice: boolean
  readonly texts: ReadonlyMap<string, string>
}
/** What points with the same attributes are, by what their metrics are about; found out when first asked for. */
type PointDecisions = Partial<Record<Subject, PointDecision>>

type Texts = ReadonlyMap<string, string>
const NO_TEXTS: Texts = new Map()

/** Caller of a model that is nowhere to be found, when the caller is nobody either: the mark itself tells the join that there is no target. */
export const UNKNOWN_CALLER = 'unknown'
/** Distinct resources and items remembered; beyond it the memory starts over. */
const REMEMBERED = 50_000
/** First byte of a signature: what was asked about the item. */
const ASKED = { own: 0, call: 1, point: 2 } as const

/** One distinct resource: its texts, and what follows from them. */
interface Known {
  readonly texts: Texts
  readonly explicit: boolean
  readonly records: Memory<Assignment>
  readonly points: Memory<PointDecisions>
  readonly distinct: Map<string, Assignment>
  /** The resource with what the assignment says; undefined where it says so already. */
  readonly written: Map<Assignment, Uint8Array | undefined>
}

export class Assigner {
  private readonly known = new Map<string, Known>()
  private readonly own: ItemFacts
  private readonly callFacts: ItemFacts
  private readonly calls = new CallFinder()
  private readonly points: ItemFacts
  /** A record can decide for itself by these; where none occurs in a group, no record is looked into. */
  private readonly marks: readonly Buffer[]
  /** How all of them begin: mostly it does not occur, and one search tells. */
  private readonly markBegin: Buffer
  private remembered = 0

  constructor(
    private readonly resolver: Resolver,
    { attributes }: Tables,
    private readonly count: (reason: Unresolved, items: number) => void,
  ) {
    const own = [...SPELLINGS.explicit, ...attributes]
    this.own = new ItemFacts(own)
    this.callFacts = new ItemFacts([...CALL_NAMES, ...attributes])
    this.points = new ItemFacts([...POINT_NAMES, ...attributes])
    this.marks = own.map(name => Buffer.from(name))
    this.markBegin = Buffer.from(commonBeginning(own))
  }

  /** The same object when nothing in it belongs to anybody. Throws WireError. */
  assign(batch: Batch): Batch {
    const groups: Group[] = []
    let changed = false
    for (const group of batch.groups) {
      const known = this.knownOf(group)
      for (const [assignment, part] of this.split(batch, group, known)) {
        if (assignment.unresolved) this.count(assignment.unresolved, part.items)
        const resource = resourceOf(known, group, assignment)
        changed ||= resource !== group.resource || part.group !== group
        groups.push(resource === group.resource ? part.group : part.group.withResource(resource))
      }
    }
    return changed ? batch.withGroups(groups) : batch
  }

  private split({ signal }: Batch, group: Group, known: Known): Map<Assignment, Share> {
    if (signal === 'metrics') return this.splitPoints(known, group)
    const { buffer, byteOffset, length } = group.rest
    const rest = Buffer.from(buffer, byteOffset, length)
    const marked = rest.includes(this.markBegin) && this.marks.some(mark => rest.includes(mark))
    const own = marked ? undefined : this.ofResource(known)
    if (own && signal === 'traces' && !this.calls.among(group.rest)) return new Map([[own, { group, items: this.calls.spans }]])
    return splitGroup(signal, group, items => {
      const { item } = items
      const client = item instanceof SpanView && item.kind === SPAN_KIND.client
      return own && !client ? own : this.ofRecord(known, items, client)
    })
  }

  private ofResource(known: Known): Assignment {
    return same(known, assigned(this.resolve(known, NO_TEXTS, 'other'), 'no_workload'))
  }

  private ofRecord(known: Known, { item }: ItemCursor, client: boolean): Assignment {
    const facts = (client ? this.callFacts : this.own).read(item, client ? ASKED.call : ASKED.own)
    const before = known.records.get(facts)
    if (before) return before
    const texts = facts.texts(item)
    const decided = same(known, client && MODEL_CALL.some(name => texts.has(name)) ? this.ofCall(known, texts) : this.ofOwn(known, texts))
    known.records.set(facts, decided)
    this.remember()
    return decided
  }

  private ofOwn(known: Known, texts: Texts): Assignment {
    return assigned(this.resolve(known, known.explicit ? NO_TEXTS : texts, 'other'), 'no_workload')
  }

  private ofCall(known: Known, texts: Texts): Assignment {
    if (!known.explicit && SPELLINGS.explicit.some(name => texts.has(name))) return this.ofOwn(known, texts)
    const called = this.resolver.called(layered(texts, known.texts))
    const own = this.resolve(known, NO_TEXTS, 'other')
    if (!called) return known.explicit ? assigned(own) : { ...assigned([], 'no_target'), caller: own[0]?.id ?? UNKNOWN_CALLER }
    return { ...assigned([called]), caller: own[0]?.id === called.id ? undefined : own[0]?.id }
  }

  /** Mostly all points of a group are one owner's alone: then none is looked at twice, and nothing is copied. */
  private splitPoints(known: Known, group: Group): Map<Assignment, Share> {
    const items = this.metrics.over(group.rest)
    const decisions: PointDecision[] = []
    let alone = true
    this.echo.beginGroup()
    this.metricSerial = 0
    while (items.skip()) {
      const decision = this.ofPoint(known, items)
      alone &&= !decision.slice && (decisions.length === 0 || decision.assignment === decisions[0]!.assignment)
      decisions.push(decision)
    }
    const [first] = decisions
    if (first && alone) return new Map([[first.assignment, { group, items: decisions.length }]])
    return this.splitAmong(known, group, decisions)
  }

  private splitAmong(known: Known, group: Group, decisions: readonly PointDecision[]): Map<Assignment, Share> {
    const ownerOf = new Map<string, Assignment>()
    let shared = false
    let next = 0
    const parts = splitGroup('metrics', group, items => {
      const { device, assignment, slice } = decisions[next++]!
      if (device !== undefined && !isMarker(items)) {
        const owner = ownerOf.get(device)
        if (!owner) ownerOf.set(device, assignment)
        shared ||= (owner !== undefined && owner !== assignment) || slice
      }
      return assignment
    })
    return shared ? this.splitShared(known, group, decisions) : parts
  }

  /** Once more, with the part of its device that each owner has. */
  private splitShared(known: Known, group: Group, decisions: readonly PointDecision[]): Map<Assignment, Share> {
    const owners = new Owners()
    let next = 0
    const items = new ItemCursor('metrics').over(group.rest)
    while (items.next()) {
      const { metric, item } = items
      const { assignment, device, texts } = decisions[next++]!
      const owner = assignment.identities[0]
      if (device === undefined || !owner || isMarker(items)) continue
      const perProcess = texts.has(DEVICE.virtual) && item instanceof NumberPointView && metric?.role?.role === 'gpu.utilization'
      owners.add(device, owner.id, perProcess ? Math.max(0, (item as NumberPointView).value || 0) : 0)
    }
    next = 0
    return splitGroup('metrics', group, () => {
      const { assignment, device, texts } = decisions[next++]!
      const owner = assignment.identities[0]
      const sharing = device !== undefined && owner ? owners.sharing(device, owner.id, texts) : undefined
      return sharing ? same(known, { ...assignment, sharing }) : assignment
    })
  }

  /** Of the point at which the cursor stands; its view is read only where nothing like it was seen in the group. */
  private ofPoint(known: Known, { metric, item, path, serials }: ItemCursor): PointDecision {
    const { echo, point } = this
    if (serials[1] !== this.metricSerial) {
      this.metricSerial = serials[1]!
      this.subject = subjectOf(metric?.role)
      echo.beginMetric()
    }
    echo.beginPoint()
    const field = path[path.length - 1]!
    point.enter(field)
    while (point.next()) if (point.number === item.attributesField) echo.attribute(point)
    const { subject } = this
    const decisions = echo.heard ?? echo.keep(this.decisionsOf(known, item.read(field.bytes, field.start, field.end)))
    decisions[subject] ??= this.decide(known, item.read(field.bytes, field.start, field.end), subject)
    return decisions[subject]
  }
  private readonly metrics = new ItemCursor('metrics')
  private readonly point = new Fields()
  private readonly echo = new Echo<PointDecisions>()
  private metricSerial = 0
  private subject: Subject = 'other'

  private decisionsOf(known: Known, item: ItemView): PointDecisions {
    const facts = this.points.read(item, ASKED.point)
    let decisions = known.points.get(facts)
    if (!decisions) {
      decisions = {}
      known.points.set(facts, decisions)
      this.remember()
    }
    return decisions
  }

  private decide(known: Known, item: ItemView, subject: Subject): PointDecision {
    const texts = this.points.read(item, ASKED.point).texts(item)
    const assignment = same(known, this.ofLabels(known, texts, subject))
    const device = subject === 'device' ? deviceOf(texts) : undefined
    return { assignment, texts, device, slice: device !== undefined && isSlice(texts) }
  }

  private ofLabels(known: Known, texts: Texts, subject: Subject): Assignment {
    const found = this.resolve(known, known.explicit ? NO_TEXTS : texts, subject)
    if (found.length > 1) return { ...assigned(found), sharing: { share: 1 / found.length, basis: 'equal' } }
    if (subject === 'other' || found.length > 0) return assigned(found, 'no_workload')
    return assigned([unallocated(texts, known.texts)])
  }

  private resolve(known: Known, texts: Texts, subject: Subject): Identity[] {
    return this.resolver.resolve(layered(texts, known.texts), subject)
  }

  private knownOf({ resource }: Group): Known {
    const key = Buffer.from(resource.buffer, resource.byteOffset, resource.length).toString('latin1')
    let known = this.known.get(key)
    if (!known) {
      const texts = resourceTexts(resource)
      const explicit = SPELLINGS.explicit.some(name => texts.has(name))
      known = { texts, explicit, records: new Memory(), points: new Memory(), distinct: new Map(), written: new Map() }
      this.remember()
      this.known.set(key, known)
    }
    return known
  }

  private remember(): void {
    if (++this.remembered < REMEMBERED) return
    this.known.clear()
    this.remembered = 0
  }
}

const commonBeginning = (texts: readonly string[]): string =>
  texts.reduce((common, text) => {
    let length = 0
    while (length < common.length && common[length] === text[length]) length++
    return common.slice(0, length)
  })

/** Whether a sample is of a device, whose exporter does not own it. */
export const subjectOf = (role: Role | undefined): Subject => (role?.level === 'device' ? 'device' : 'other')

/** The item's word before the resource's. */
export const layered = (item: Texts, resource: Texts) =>
  factsOf(
    name => item.get(name),
    name => resource.get(name),
  )

/** Whose a device is that nobody owns. */
export const unallocated = (item: Texts, resource: Texts): Identity => {
  const host = DEVICE.host.map(name => item.get(name) ?? resource.get(name)).find(Boolean) ?? 'unknown'
  return { id: `${attribute.UNALLOCATED}/${host}`, source: attribute.UNALLOCATED, confidence: 'exact' }
}

const assigned = (identities: readonly Identity[], otherwise?: Unresolved): Assignment => ({
  identities,
  unresolved: identities.length === 0 ? otherwise : undefined,
})

/** A staleness marker says that a series has ended: whose it was owns the device no more. */
const isMarker = ({ item }: ItemCursor): boolean => item instanceof PointView && item.noRecordedValue

/** The one object of this content. */
const same = ({ distinct }: Known, assignment: Assignment): Assignment => {
  const content = JSON.stringify(assignment)
  const before = distinct.get(content)
  if (!before) distinct.set(content, assignment)
  return before ?? assignment
}

const resourceOf = ({ written }: Known, group: Group, assignment: Assignment): Uint8Array => {
  const { identities, caller, sharing } = assignment
  const [identity, ...others] = identities
  if (!identity && caller === undefined) return group.resource
  if (!written.has(assignment)) {
    const values: Record<string, AttributeValue> = {
      ...(identity && {
        [attribute.WORKLOAD_ID]: identity.id,
        [attribute.WORKLOAD_SOURCE]: identity.source,
        [attribute.WORKLOAD_CONFIDENCE]: sharing ? 'shared' : identity.confidence,
      }),
      ...(caller === undefined ? {} : { [attribute.CALLER_ID]: caller }),
      ...(sharing ? { [attribute.GPU_SHARE]: sharing.share, [attribute.GPU_SHARE_BASIS]: sharing.basis } : {}),
      ...(others.length > 0 ? { [attribute.GPU_OWNERS]: others.map(({ id }) => id) } : {}),
    }
    const actions = Object.entries(values).map(([key, value]) => ({ action: 'upsert', key, value }) as const)
    const { resource } = new AttributeEditor(actions).editResource(group)
    // One that says so already comes back as it is, in memory that is not ours to keep.
    written.set(assignment, resource === group.resource ? undefined : resource)
  }
  return written.get(assignment) ?? group.resource
}
