/** Whose data points are: each point may name its owner, and several owners may share a device. */
import type { Group } from '../../proto/batch.js'
import { type Share, splitGroup } from '../../proto/edit.js'
import { Echo } from '../../proto/views/echo.js'
import type { ItemView } from '../../proto/views/item.js'
import { ItemCursor } from '../../proto/views/items.js'
import { NumberPointView, PointView } from '../../proto/views/points.js'
import { UNALLOCATED } from '../../proto/vocabulary/attributes.js'
import type { Role } from '../../proto/vocabulary/roles.js'
import { Fields, sameBytes } from '../../proto/wire.js'
import { deviceOf, Owners, sliceOf } from './devices.js'
import { DEVICE, ItemFacts, POINT_NAMES } from './facts.js'
import {
  type Assignment,
  assigned,
  type Known,
  layered,
  NO_TEXTS,
  type PointDecision,
  type PointDecisions,
  same,
  type Texts,
} from './known.js'
import type { Resolver, Subject } from './resolver.js'
import type { Identity } from './tables.js'

/** Places of a resource that are remembered, and bytes of one: what is beyond is looked up. */
const MOST_PLACES = 64
const MOST_BYTES = 1024
/** First byte of a signature; of points all are asked the same. */
const ASKED = 0

export class PointOwners {
  private readonly facts: ItemFacts
  private readonly items = new ItemCursor('metrics')
  private readonly point = new Fields()
  private readonly echo = new Echo<PointDecisions>()
  private metricSerial = 0
  private subject: Subject = 'other'

  /** `attributes`: those that tables ask for. `remember` is told of each point that is remembered. */
  constructor(
    private readonly resolver: Resolver,
    attributes: readonly string[],
    private readonly remember: () => void,
  ) {
    this.facts = new ItemFacts([...POINT_NAMES, ...attributes])
  }

  /** Mostly all points of a group are one owner's alone: then none is looked at twice, and nothing is copied. */
  split(known: Known, group: Group): Map<Assignment, Share> {
    const items = this.items.over(group.rest)
    const decisions: PointDecision[] = []
    let alone = true
    this.echo.beginGroup()
    this.metricSerial = 0
    while (items.skip()) {
      const decision = this.ofPoint(known, items)
      alone &&= decision.slice === undefined && (decisions.length === 0 || decision.assignment === decisions[0]!.assignment)
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
        shared ||= (owner !== undefined && owner !== assignment) || slice !== undefined
      }
      return assignment
    })
    return shared ? this.splitShared(known, group, decisions) : parts
  }

  /** Once more, with the part of its device that each owner has. */
  private splitShared(known: Known, group: Group, decisions: readonly PointDecision[]): Map<Assignment, Share> {
    const owners = new Owners()
    let next = 0
    const items = this.items.over(group.rest)
    while (items.next()) {
      const { metric, item } = items
      const { assignment, device, perProcess } = decisions[next++]!
      const owner = assignment.identities[0]
      if (device === undefined || !owner || isMarker(items)) continue
      const busy = perProcess && item instanceof NumberPointView && metric?.role?.role === 'gpu.utilization'
      owners.add(device, owner.id, busy ? Math.max(0, (item as NumberPointView).value || 0) : 0)
    }
    next = 0
    return splitGroup('metrics', group, () => {
      const { assignment, device, slice } = decisions[next++]!
      const owner = assignment.identities[0]
      const sharing = device !== undefined && owner ? owners.sharing(device, owner.id, slice) : undefined
      return sharing ? same(known, { ...assignment, sharing }) : assignment
    })
  }

  /** Of the point at which the cursor stands; its view is read only where nothing like it was seen there. */
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
    const decisions = echo.heard ?? echo.keep(this.atPlace(known, item, field))
    decisions[subject] ??= this.decide(known, item.read(field.bytes, field.start, field.end), subject)
    return decisions[subject]
  }

  /** As at this place in the group before, else looked up. */
  private atPlace(known: Known, item: ItemView, { bytes, start, end }: Fields): PointDecisions {
    const { echo } = this
    const { places } = known
    const before = places[echo.place]
    if (before && echo.together && sameBytes(before.said, 0, before.said.length, bytes, echo.start, echo.end)) return before.decisions
    const decisions = this.decisionsOf(known, item.read(bytes, start, end))
    if (!echo.together || echo.end - echo.start > MOST_BYTES || echo.place > Math.min(places.length, MOST_PLACES)) return decisions
    if (echo.place === places.length) this.remember()
    places[echo.place] = { said: Buffer.from(bytes.subarray(echo.start, echo.end)), decisions }
    return decisions
  }

  private decisionsOf(known: Known, item: ItemView): PointDecisions {
    const facts = this.facts.read(item, ASKED)
    let decisions = known.points.get(facts)
    if (!decisions) {
      decisions = {}
      known.points.set(facts, decisions)
      this.remember()
    }
    return decisions
  }

  private decide(known: Known, item: ItemView, subject: Subject): PointDecision {
    const texts = this.facts.read(item, ASKED).texts(item)
    const assignment = same(known, this.ofLabels(known, texts, subject))
    const device = subject === 'device' ? deviceOf(texts) : undefined
    return { assignment, device, slice: device === undefined ? undefined : sliceOf(texts), perProcess: texts.has(DEVICE.virtual) }
  }

  private ofLabels(known: Known, texts: Texts, subject: Subject): Assignment {
    const found = this.resolver.resolve(layered(known.explicit ? NO_TEXTS : texts, known.texts), subject)
    if (found.length > 1) return { ...assigned(found), sharing: { share: 1 / found.length, basis: 'equal' } }
    if (subject === 'other' || found.length > 0) return assigned(found, 'no_workload')
    return assigned([unallocated(texts, known.texts)])
  }
}

/** Whether a sample is of a device, whose exporter does not own it. */
export const subjectOf = (role: Role | undefined): Subject => (role?.level === 'device' ? 'device' : 'other')

/** Whose a device is that nobody owns. */
export const unallocated = (item: Texts, resource: Texts): Identity => {
  const host = DEVICE.host.map(name => item.get(name) ?? resource.get(name)).find(Boolean) ?? 'unknown'
  return { id: `${UNALLOCATED}/${host}`, source: UNALLOCATED, confidence: 'exact' }
}

/** A staleness marker says that a series has ended: whose it was owns the device no more. */
const isMarker = ({ item }: ItemCursor): boolean => item instanceof PointView && item.noRecordedValue
