/** Batch → the same batch with each resource group belonging to one workload, which its resource names. */
import type { AttributeValue } from '../../proto/attribute.js'
import { AttributeEditor } from '../../proto/attribute-edit.js'
import type { Batch, Group } from '../../proto/batch.js'
import { type Share, splitGroup } from '../../proto/edit.js'
import type { ItemCursor } from '../../proto/views/items.js'
import { SPAN_KIND, SpanView } from '../../proto/views/traces.js'
import * as attribute from '../../proto/vocabulary/attributes.js'
import { CallFinder } from './call_finder.js'
import { CALL_NAMES, ItemFacts, Memory, MODEL_CALL, resourceTexts } from './facts.js'
import { type Assignment, assigned, type Known, layered, NO_TEXTS, same, type Texts, type Unresolved } from './known.js'
import { PointOwners } from './points.js'
import type { Resolver } from './resolver.js'
import { SPELLINGS } from './spellings.js'
import type { Identity, Tables } from './tables.js'

/** Caller of a model that is nowhere to be found, when the caller is nobody either: the mark itself tells the join that there is no target. */
export const UNKNOWN_CALLER = 'unknown'
/** Distinct resources and items remembered; beyond it the memory starts over. */
const REMEMBERED = 50_000
/** First byte of a signature: what was asked about the item. */
const ASKED = { own: 0, call: 1 } as const

export class Assigner {
  private readonly known = new Map<string, Known>()
  private readonly own: ItemFacts
  private readonly callFacts: ItemFacts
  private readonly calls = new CallFinder()
  private readonly points: PointOwners
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
    this.points = new PointOwners(resolver, attributes, () => this.remember())
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
    if (signal === 'metrics') return this.points.split(known, group)
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
    known.own ??= same(known, assigned(this.resolve(known, NO_TEXTS), 'no_workload'))
    return known.own
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
    return assigned(this.resolve(known, known.explicit ? NO_TEXTS : texts), 'no_workload')
  }

  private ofCall(known: Known, texts: Texts): Assignment {
    if (!known.explicit && SPELLINGS.explicit.some(name => texts.has(name))) return this.ofOwn(known, texts)
    const called = this.resolver.called(layered(texts, known.texts))
    const own = this.ofResource(known).identities
    if (!called) return known.explicit ? assigned(own) : { ...assigned([], 'no_target'), caller: own[0]?.id ?? UNKNOWN_CALLER }
    return { ...assigned([called]), caller: own[0]?.id === called.id ? undefined : own[0]?.id }
  }

  private resolve(known: Known, texts: Texts): Identity[] {
    return this.resolver.resolve(layered(texts, known.texts), 'other')
  }

  private knownOf({ resource }: Group): Known {
    const key = Buffer.from(resource.buffer, resource.byteOffset, resource.length).toString('latin1')
    let known = this.known.get(key)
    if (!known) {
      const texts = resourceTexts(resource)
      const explicit = SPELLINGS.explicit.some(name => texts.has(name))
      known = { texts, explicit, records: new Memory(), points: new Memory(), places: [], distinct: new Map(), written: new Map() }
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
