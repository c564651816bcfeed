/**
 * Our way to a cluster: connections, authentication and metadata by kafkajs. One that fails is closed for good and another is made, because kafkajs's own
 * recovery has states it does not leave. Closing ends its sockets at once and lets it open no more: whatever of kafkajs still retries comes to nothing.
 */
import { isIP, connect as netConnect, type Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import Cluster, { type ApiRequest, type Broker, type SocketRequest } from 'kafkajs/src/cluster/index.js'
import kafkajsErrors from 'kafkajs/src/protocol/error.js'
import { mendAnswers } from './answers.js'
import type { TopicPartition } from './client.js'
import { Framing } from './framing.js'
import { logBridge } from './log_bridge.js'
import type { KafkajsConfig } from './options.js'
import type { Log } from './ports.js'
import { mendRequestQueue } from './request_queue.js'

const KEEP_ALIVE_MS = 30_000
const METADATA_AGE_MS = 60_000
/** Enough to pass a leader election; longer waits are ours to decide. */
const RETRY = { retries: 3, initialRetryTime: 30, maxRetryTime: 300, factor: 0.2, multiplier: 2 }
const TRANSACTION_COORDINATOR = 1

export const keyOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`

/** Values by topic, as requests want them. */
export const byTopic = <T extends TopicPartition, R>(items: readonly T[], of: (item: T) => R): { topic: string; partitions: R[] }[] => {
  const topics = new Map<string, R[]>()
  for (const item of items) {
    const list = topics.get(item.topic)
    if (list) list.push(of(item))
    else topics.set(item.topic, [of(item)])
  }
  return Array.from(topics, ([topic, partitions]) => ({ topic, partitions }))
}

export const protocolError = (code: number): Error => kafkajsErrors.createErrorFromCode(code)

export class Link {
  private readonly cluster: Cluster
  private readonly sockets = new Set<Socket>()
  private isClosed = false

  constructor(config: KafkajsConfig, log: Log) {
    mendRequestQueue()
    mendAnswers()
    this.cluster = new Cluster({
      ...config,
      logger: logBridge(log),
      socketFactory: request => this.socket(request),
      metadataMaxAge: METADATA_AGE_MS,
      retry: RETRY,
      allowAutoTopicCreation: false,
    })
  }

  get closed(): boolean {
    return this.isClosed
  }

  /** Connects, and knows the leaders of these topics from then on. */
  async open(topics: readonly string[]): Promise<void> {
    await this.cluster.connect()
    await this.cluster.addMultipleTargetTopics(topics)
  }

  refresh(): Promise<void> {
    return this.cluster.refreshMetadata()
  }

  /** Partition numbers of a topic that was named in `open`. */
  partitions(topic: string): number[] {
    return this.metadata(topic)
      .map(({ partitionId }) => partitionId)
      .sort((a, b) => a - b)
  }

  /** By the broker that leads them; partitions without a leader are left out. */
  byLeader<T extends TopicPartition>(items: readonly T[]): Map<number, T[]> {
    const leaders = new Map<string, number>()
    for (const topic of new Set(items.map(item => item.topic)))
      for (const { partitionId, leader } of this.metadata(topic)) leaders.set(keyOf({ topic, partition: partitionId }), leader)
    const result = new Map<number, T[]>()
    for (const item of items) {
      const leader = leaders.get(keyOf(item)) ?? -1
      if (leader < 0) continue
      const list = result.get(leader)
      if (list) list.push(item)
      else result.set(leader, [item])
    }
    return result
  }

  broker(nodeId: number): Promise<Broker> {
    return this.cluster.findBroker({ nodeId })
  }

  controller(): Promise<Broker> {
    return this.cluster.findControllerBroker()
  }

  groupCoordinator(groupId: string): Promise<Broker> {
    return this.cluster.findGroupCoordinator({ groupId })
  }

  transactionCoordinator(transactionalId: string): Promise<Broker> {
    return this.cluster.findGroupCoordinator({ groupId: transactionalId, coordinatorType: TRANSACTION_COORDINATOR })
  }

  /** A request of our own encoding. */
  async send(nodeId: number, request: ApiRequest): Promise<unknown> {
    const broker = await this.broker(nodeId)
    return broker.connectionPool.send(request)
  }

  /** The offsets at the given times (-2: the first there is, -1: the next one), by `keyOf`. */
  async offsets(partitions: readonly TopicPartition[], time: -1 | -2, isolation: number): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    for (const [nodeId, led] of this.byLeader(partitions)) {
      const broker = await this.broker(nodeId)
      const topics = byTopic(led, ({ partition }) => ({ partition, timestamp: time }))
      const { responses } = await broker.listOffsets({ isolationLevel: isolation, topics })
      for (const { topic, partitions: answers } of responses)
        for (const { partition, offset } of answers) found.set(keyOf({ topic, partition }), Number(offset))
    }
    return found
  }

  close(): void {
    this.isClosed = true
    for (const socket of this.sockets) socket.destroy(new Error('closed'))
    this.sockets.clear()
  }

  private metadata(topic: string) {
    return this.cluster.brokerPool.metadata?.topicMetadata.find(each => each.topic === topic)?.partitionMetadata ?? []
  }

  private socket({ host, port, ssl, onConnect }: SocketRequest): Socket {
    if (this.isClosed) throw new Error('closed')
    const socket = ssl
      ? tlsConnect({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
      : framed(host, port, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    this.sockets.add(socket)
    socket.once('close', () => this.sockets.delete(socket))
    return socket
  }
}

/** Emits `data` for each whole answer. TLS has no such way: its bytes are decrypted into buffers of their own. */
const framed = (host: string, port: number, onConnect: () => void): Socket => {
  const framing = new Framing(answer => socket.emit('data', answer))
  const read = (bytes: number): boolean => {
    try {
      framing.filled(bytes)
    } catch (error) {
      socket.destroy(error as Error)
    }
    return true
  }
  const socket = netConnect({ host, port, onread: { buffer: () => framing.room, callback: read } }, onConnect)
  return socket
}
