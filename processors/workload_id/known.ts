/** What is remembered of a resource, and what is decided about its items. */
import type { Sharing } from './devices.js'
import type { Memory } from './facts.js'
import type { Subject } from './resolver.js'
import { factsOf } from './spellings.js'
import type { Identity } from './tables.js'

export type Texts = ReadonlyMap<string, string>
export const NO_TEXTS: Texts = new Map()

/** What is written on a resource. One object a distinct content, so that it can be the key of a split. */
export interface Assignment {
  readonly identities: readonly Identity[]
  /** The client's own workload, where another one is called or the call goes nowhere. */
  readonly caller?: string | undefined
  readonly sharing?: Sharing | undefined
  readonly unresolved?: Unresolved | undefined
}
export type Unresolved = 'no_workload' | 'no_target'

/** What is known of a data point: whose it is, and of which device. */
export interface PointDecision {
  readonly assignment: Assignment
  readonly device: string | undefined
  /** As `sliceOf` says. */
  readonly slice: number | undefined
  /** The series is of one process of the device. */
  readonly perProcess: boolean
}
/** What points with the same attributes are, by what their metrics are about; found out when first asked for. */
export type PointDecisions = Partial<Record<Subject, PointDecision>>

/** One distinct resource: its texts, and what follows from them. */
export interface Known {
  readonly texts: Texts
  readonly explicit: boolean
  /** Whose an item is that says nothing itself; found out when first asked for. */
  own?: Assignment
  readonly records: Memory<Assignment>
  readonly points: Memory<PointDecisions>
  /** What the points of a metric said last, by their places: mostly they say it again. */
  readonly places: { readonly said: Uint8Array; readonly decisions: PointDecisions }[]
  readonly distinct: Map<string, Assignment>
  /** The resource with what the assignment says; undefined where it says so already. */
  readonly written: Map<Assignment, Uint8Array | undefined>
}

/** The item's word before the resource's. */
export const layered = (item: Texts, resource: Texts) =>
  factsOf(
    name => item.get(name),
    name => resource.get(name),
  )

export const assigned = (identities: readonly Identity[], otherwise?: Unresolved): Assignment => ({
  identities,
  unresolved: identities.length === 0 ? otherwise : undefined,
})

/** The one object of this content. */
export const same = ({ distinct }: Known, assignment: Assignment): Assignment => {
  const content = JSON.stringify(assignment)
  const before = distinct.get(content)
  if (!before) distinct.set(content, assignment)
  return before ?? assignment
}
