/** The protocol of one group member: join, heartbeat, commit, leave. Each request is one try; member.ts decides what a failure means. */
import type { Broker } from 'kafkajs/src/cluster/index.js'
import heartbeat from 'kafkajs/src/protocol/requests/heartbeat/index.js'
import joinGroup from 'kafkajs/src/protocol/requests/joinGroup/index.js'
import type { CommitOffset, Committed, TopicPartition } from './client.js'
import { byTopic, keyOf, type Link } from './link.js'
import {
  ASSIGNER,
  assign,
  listed,
  type Partitions,
  readAssignment,
  readSubscription,
  writeAssignment,
  writeSubscription,
} from './sticky.js'

const JOIN_GROUP = 11
const HEARTBEAT = 12
const CONSUMER = 'consumer'

export interface GroupOptions {
  readonly group: string
  readonly topics: readonly string[]
  readonly sessionTimeout: number
  readonly rebalanceTimeout: number
  readonly instanceId: string | undefined
}

export interface Generation {
  readonly id: number
  readonly memberId: string
  readonly partitions: readonly TopicPartition[]
}

interface Joined {
  readonly generationId: number
  readonly leaderId: string
  readonly memberId: string
  readonly groupProtocol: string
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer }[]
}

export class Group {
  /** Ours at the coordinator; empty before the first join, and when it forgot us. */
  memberId = ''
  private owned: Partitions = {}
  private lastGeneration = -1

  constructor(private readonly options: GroupOptions) {}

  forget(): void {
    this.memberId = ''
  }

  async join(link: Link): Promise<Generation> {
    const { group } = this.options
    const coordinator = await link.groupCoordinator(group)
    const joined = await this.ask(coordinator)
    this.memberId = joined.memberId
    const groupAssignment = joined.leaderId === joined.memberId ? await this.divide(link, joined) : []
    const { generationId, memberId } = joined
    const { memberAssignment } = await coordinator.syncGroup({ groupId: group, generationId, memberId, groupAssignment })
    const assignment = readAssignment(memberAssignment)
    this.owned = assignment
    this.lastGeneration = generationId
    return { id: generationId, memberId, partitions: listed(assignment).filter(({ topic }) => this.options.topics.includes(topic)) }
  }

  /** Names the instance, which kafkajs's own does not: a member that was replaced hears so. */
  async heartbeat(link: Link, { id, memberId }: Generation): Promise<void> {
    const { group, instanceId } = this.options
    const coordinator = await link.groupCoordinator(group)
    const request = coordinator.lookupRequest(HEARTBEAT, heartbeat)
    await coordinator.connectionPool.send(request({ groupId: group, groupGenerationId: id, memberId, groupInstanceId: instanceId ?? null }))
  }

  async commit(link: Link, { id, memberId }: Generation, offsets: readonly CommitOffset[]): Promise<void> {
    const coordinator = await link.groupCoordinator(this.options.group)
    const topics = byTopic(offsets, ({ partition, offset, metadata }) => ({ partition, offset: String(offset), metadata }))
    await coordinator.offsetCommit({ groupId: this.options.group, groupGenerationId: id, memberId, topics })
  }

  /** By `keyOf`. */
  async committed(link: Link, partitions: readonly TopicPartition[]): Promise<Map<string, Committed>> {
    const result = new Map<string, Committed>()
    if (partitions.length === 0) return result
    const coordinator = await link.groupCoordinator(this.options.group)
    const topics = byTopic(partitions, ({ partition }) => ({ partition }))
    const { responses } = await coordinator.offsetFetch({ groupId: this.options.group, topics })
    for (const { topic, partitions: answers } of responses)
      for (const { partition, offset, metadata } of answers)
        if (Number(offset) >= 0) result.set(keyOf({ topic, partition }), { offset: Number(offset), metadata: metadata ?? '' })
    return result
  }

  /** A static member stays: it may come back. */
  async leave(link: Link): Promise<void> {
    if (this.memberId === '' || this.options.instanceId !== undefined) return
    const coordinator = await link.groupCoordinator(this.options.group)
    await coordinator.leaveGroup({ groupId: this.options.group, memberId: this.memberId })
    this.memberId = ''
  }

  /** kafkajs's own joinGroup has no group.instance.id; its request has. */
  private async ask(coordinator: Broker): Promise<Joined> {
    const { group, topics, sessionTimeout, rebalanceTimeout, instanceId } = this.options
    const metadata = writeSubscription({ topics, generation: this.lastGeneration, owned: this.owned })
    const request = (memberId: string) =>
      coordinator.connectionPool.send(
        coordinator.lookupRequest(
          JOIN_GROUP,
          joinGroup,
        )({
          groupId: group,
          sessionTimeout,
          rebalanceTimeout,
          memberId,
          protocolType: CONSUMER,
          groupInstanceId: instanceId ?? null,
          groupProtocols: [{ name: ASSIGNER, metadata }],
        }),
      ) as Promise<Joined>
    try {
      return await request(this.memberId)
    } catch (error) {
      // A new member is told its id and asks again (KIP-394).
      const { name, memberId } = error as { name?: string; memberId?: string }
      if (name !== 'KafkaJSMemberIdRequired' || !memberId) throw error
      this.memberId = memberId
      return request(memberId)
    }
  }

  private async divide(link: Link, { members }: Joined): Promise<{ memberId: string; memberAssignment: Buffer }[]> {
    await link.refresh()
    const subscriptions = new Map(members.map(({ memberId, memberMetadata }) => [memberId, readSubscription(memberMetadata)]))
    const topics = Object.fromEntries(this.options.topics.map(topic => [topic, link.partitions(topic)]))
    return Array.from(assign(subscriptions, topics), ([memberId, partitions]) => ({
      memberId,
      memberAssignment: writeAssignment(partitions),
    }))
  }
}
