/** Topics and offsets, outside of any group. A connection is made for each question: they are asked at start and now and then. */
import type { Admin, Committed, TopicSpec, TopicState } from './client.js'
import { KafkaError, kafkaError } from './errors.js'
import { Link } from './link.js'
import type { KafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { Backoff, sleep, within } from './wait.js'

const TOPIC_RESOURCE = 2
const DEFAULT_REPLICATION = -1
const EARLIEST = -2
const LATEST = -1
const READ_UNCOMMITTED = 0
/** A new topic has leaders within this time. */
const LEADERS_WITHIN_MS = 10_000

export class KafkaAdmin implements Admin {
  private readonly links = new Set<Link>()

  constructor(
    private readonly config: KafkajsConfig,
    private readonly ports: Ports,
  ) {}

  describeTopic(topic: string, config: readonly string[] = []): Promise<TopicState | undefined> {
    return this.ask(`describe topic ${topic}`, [], async link => {
      const partitions = await countPartitions(link, topic)
      if (partitions === 0) return undefined
      if (config.length === 0) return { partitions, config: {} }
      const broker = await link.controller()
      const { resources } = await broker.describeConfigs({ resources: [{ type: TOPIC_RESOURCE, name: topic, configNames: config }] })
      const entries = resources[0]?.configEntries ?? []
      return { partitions, config: Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])) }
    })
  }

  async ensureTopic(spec: TopicSpec): Promise<'created' | 'verified'> {
    const found = await this.describeTopic(spec.topic, namesOf(spec))
    if (found) {
      verify(spec, found)
      return 'verified'
    }
    try {
      await this.create(spec)
      return 'created'
    } catch (error) {
      if (kafkaError('', error).code !== 'TOPIC_ALREADY_EXISTS') throw error
      // Another gateway was faster, and brokers hear of its topic only now.
      verify(spec, await this.appeared(spec))
      return 'verified'
    }
  }

  offsets(topic: string): Promise<ReadonlyMap<number, { readonly start: number; readonly end: number }>> {
    return this.ask(`read the offsets of ${topic}`, [topic], async link => {
      const partitions = link.partitions(topic).map(partition => ({ topic, partition }))
      const starts = await link.offsets(partitions, EARLIEST, READ_UNCOMMITTED)
      const ends = await link.offsets(partitions, LATEST, READ_UNCOMMITTED)
      return new Map(
        partitions.map(({ partition }) => [
          partition,
          { start: starts.get(`${topic}/${partition}`) ?? 0, end: ends.get(`${topic}/${partition}`) ?? 0 },
        ]),
      )
    })
  }

  committed(group: string, topic: string): Promise<ReadonlyMap<number, Committed>> {
    return this.ask(`read what group ${group} committed`, [topic], async link => {
      const coordinator = await link.groupCoordinator(group)
      const topics = [{ topic, partitions: link.partitions(topic).map(partition => ({ partition })) }]
      const { responses } = await coordinator.offsetFetch({ groupId: group, topics })
      const result = new Map<number, Committed>()
      for (const { partition, offset, metadata } of responses.flatMap(each => each.partitions))
        if (Number(offset) >= 0) result.set(partition, { offset: Number(offset), metadata: metadata ?? '' })
      return result
    })
  }

  async close(): Promise<void> {
    for (const link of this.links) link.close()
  }

  private async appeared(spec: TopicSpec): Promise<TopicState> {
    const { topic } = spec
    const { clock } = this.ports
    const deadline = clock.monotonic() + LEADERS_WITHIN_MS
    for (const backoff = new Backoff(10, 500); ; ) {
      const found = await this.describeTopic(topic, namesOf(spec))
      if (found) return found
      if (clock.monotonic() > deadline)
        throw new KafkaError(
          `topic ${topic} exists and no broker knows it after ${LEADERS_WITHIN_MS} ms`,
          'retryable',
          'LEADER_NOT_AVAILABLE',
        )
      await sleep(clock, backoff.delay())
    }
  }

  private create({ topic, partitions, replication = DEFAULT_REPLICATION, config = {}, least = {} }: TopicSpec): Promise<void> {
    return this.ask(`create topic ${topic}`, [], async link => {
      const configEntries = Object.entries({ ...config, ...least }).map(([name, value]) => ({ name, value: String(value) }))
      const wanted = { topic, numPartitions: partitions, replicationFactor: replication, configEntries }
      const controller = await link.controller()
      await controller.createTopics({ topics: [wanted], timeout: this.config.requestTimeout })
      const { clock } = this.ports
      const deadline = clock.monotonic() + LEADERS_WITHIN_MS
      const backoff = new Backoff(10, 500)
      // Until every broker that is asked knows its leaders.
      while ((await countPartitions(link, topic).catch(() => 0)) < partitions) {
        if (clock.monotonic() > deadline)
          throw new KafkaError(
            `topic ${topic} was created and has no leaders after ${LEADERS_WITHIN_MS} ms`,
            'retryable',
            'LEADER_NOT_AVAILABLE',
          )
        await sleep(clock, backoff.delay())
      }
    })
  }

  private async ask<T>(what: string, topics: readonly string[], question: (link: Link) => Promise<T>): Promise<T> {
    const link = new Link(this.config, this.ports.log)
    this.links.add(link)
    try {
      return await within(
        this.ports.clock,
        2 * this.config.requestTimeout,
        what,
        link.open(topics).then(() => question(link)),
      )
    } catch (error) {
      throw kafkaError(what, error)
    } finally {
      link.close()
      this.links.delete(link)
    }
  }
}

/** 0 for a topic that does not exist; rejects while a partition has no leader. Asked of a broker: kafkajs's own way turns any failure into null. */
const countPartitions = async (link: Link, topic: string): Promise<number> => {
  const broker = await link.controller()
  try {
    const { topicMetadata } = await broker.metadata([topic])
    return topicMetadata[0]?.partitionMetadata.length ?? 0
  } catch (error) {
    if (kafkaError('', error).code === 'UNKNOWN_TOPIC_OR_PARTITION') return 0
    throw error
  }
}

const namesOf = ({ config = {}, least = {} }: TopicSpec): string[] => [...Object.keys(config), ...Object.keys(least)]

/** Every difference, and how to mend each. */
const verify = ({ topic, partitions, config = {}, least = {} }: TopicSpec, found: TopicState): void => {
  const problems: string[] = []
  if (found.partitions !== partitions)
    problems.push(
      `it has ${found.partitions} partitions and the configuration says ${partitions}: set partitions to ${found.partitions}, or name another topic (records of one key must stay in one partition, so that adding partitions later is no way out)`,
    )
  const differs = (name: string, must: string, value: string | number): void => {
    problems.push(
      `its ${name} is ${found.config[name] ?? 'unknown'} and must be ${must}: kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${value}`,
    )
  }
  for (const [name, value] of Object.entries(config)) if (found.config[name] !== value) differs(name, value, value)
  for (const [name, value] of Object.entries(least)) if (!(Number(found.config[name]) >= value)) differs(name, `${value} at least`, value)
  if (problems.length > 0) throw new KafkaError(`topic ${topic} cannot be used: ${problems.join('; ')}`, 'permanent', 'TOPIC_MISMATCH')
}
