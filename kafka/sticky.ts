/**
 * Who gets which partition: as evenly as can be, and a partition stays with its owner where that allows. Computed by the group's leader from what every
 * member says it had; owner = the claim of the highest generation. Under kafkajs's round robin a rebalance would deal out everything anew.
 */
import protocol from 'kafkajs/src/consumer/assignerProtocol.js'
import type { TopicPartition } from './client.js'

const { MemberMetadata, MemberAssignment } = protocol
const VERSION = 1
export const ASSIGNER = 'ai-factory-sticky'

export type Partitions = Readonly<Record<string, readonly number[]>>

export interface Subscription {
  readonly topics: readonly string[]
  /** What the member had last, and in which generation. */
  readonly generation: number
  readonly owned: Partitions
}

export const writeSubscription = ({ topics, generation, owned }: Subscription): Buffer =>
  MemberMetadata.encode({ version: VERSION, topics, userData: Buffer.from(JSON.stringify({ generation, owned })) })

/** What cannot be read counts as owning nothing: it may come from another program. */
export const readSubscription = (bytes: Buffer): Subscription => {
  const { topics, userData } = MemberMetadata.decode(bytes)
  try {
    const { generation, owned } = JSON.parse((userData ?? Buffer.alloc(0)).toString()) as { generation: unknown; owned: unknown }
    if (typeof generation === 'number' && isPartitions(owned)) return { topics, generation, owned }
  } catch {
    // As said.
  }
  return { topics, generation: -1, owned: {} }
}

const isPartitions = (value: unknown): value is Partitions =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every(list => Array.isArray(list) && list.every(partition => Number.isInteger(partition)))

export const writeAssignment = (assignment: Partitions): Buffer => MemberAssignment.encode({ version: VERSION, assignment })
export const readAssignment = (bytes: Buffer): Partitions => MemberAssignment.decode(bytes)?.assignment ?? {}

/** Member id → partitions by topic. The same input gives the same answer, in whatever order it comes. */
export const assign = (members: ReadonlyMap<string, Subscription>, topics: Partitions): Map<string, Record<string, number[]>> => {
  const ids = [...members.keys()].sort()
  const result = new Map<string, Record<string, number[]>>(ids.map(id => [id, {}]))
  for (const topic of Object.keys(topics).sort()) {
    const takers = ids.filter(id => members.get(id)!.topics.includes(topic))
    if (takers.length === 0) continue
    const owners = ownersOf(members, takers, topic)
    const shares = new Map<string, number[]>(takers.map(id => [id, []]))
    const free: number[] = []
    const all = [...(topics[topic] ?? [])].sort((a, b) => a - b)
    const least = Math.floor(all.length / takers.length)
    let extra = all.length % takers.length
    for (const partition of all) {
      const share = shares.get(owners.get(partition) ?? '')
      if (share && share.length < least) share.push(partition)
      else if (share && share.length === least && extra > 0) {
        extra--
        share.push(partition)
      } else free.push(partition)
    }
    for (const partition of free) {
      // Those with least over all topics first, so that single-partition topics do not all go to one member.
      const poorest = takers
        .filter(id => shares.get(id)!.length < least || (extra > 0 && shares.get(id)!.length === least))
        .sort((a, b) => shares.get(a)!.length - shares.get(b)!.length || total(result.get(a)!) - total(result.get(b)!))[0]!
      if (shares.get(poorest)!.length === least) extra--
      shares.get(poorest)!.push(partition)
    }
    for (const [id, share] of shares) if (share.length > 0) result.get(id)![topic] = share.sort((a, b) => a - b)
  }
  return result
}

const total = (assignment: Readonly<Record<string, readonly number[]>>): number =>
  Object.values(assignment).reduce((sum, list) => sum + list.length, 0)

/** The claim of the highest generation wins; among equals the first id, which does not happen among honest members. */
const ownersOf = (members: ReadonlyMap<string, Subscription>, takers: readonly string[], topic: string): Map<number, string> => {
  const owners = new Map<number, { id: string; generation: number }>()
  for (const id of takers) {
    const { generation, owned } = members.get(id)!
    for (const partition of owned[topic] ?? []) {
      const before = owners.get(partition)
      if (!before || generation > before.generation) owners.set(partition, { id, generation })
    }
  }
  return new Map(Array.from(owners, ([partition, { id }]) => [partition, id]))
}

export const listed = (partitions: Partitions): TopicPartition[] =>
  Object.entries(partitions).flatMap(([topic, list]) => list.map(partition => ({ topic, partition })))
