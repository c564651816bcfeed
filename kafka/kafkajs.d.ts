/**
 * The parts of kafkajs 2.2.4 that this folder uses, as they are in its sources: connections, authentication and the encoding of small requests. Its
 * consumer and producer are not used (docs/dependencies.md says why). The version is the last there will be and is pinned: nothing here can move.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { Socket } from 'node:net'
  import type { KafkajsLogger } from './log_bridge.js'

  export interface PartitionMetadata {
    readonly partitionId: number
    readonly leader: number
    readonly partitionErrorCode: number
  }
  export interface TopicMetadata {
    readonly topic: string
    readonly topicErrorCode: number
    readonly partitionMetadata: readonly PartitionMetadata[]
  }
  export interface ApiRequest {
    readonly request: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string; encode(): Promise<object> }
    readonly response: { decode(payload: Buffer): Promise<unknown>; parse(data: unknown): Promise<unknown> }
    readonly requestTimeout?: number | null
    readonly logResponseError?: boolean
  }
  export interface OffsetsOf<P> {
    readonly topic: string
    readonly partitions: readonly P[]
  }
  export interface Broker {
    readonly nodeId: number | string
    readonly connectionPool: { readonly host: string; readonly port: number; send(request: ApiRequest): Promise<unknown> }
    lookupRequest(apiKey: number, definition: unknown): (options: object) => ApiRequest
    heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>
    syncGroup(request: {
      groupId: string
      generationId: number
      memberId: string
      groupAssignment: readonly { memberId: string; memberAssignment: Buffer }[]
    }): Promise<{ memberAssignment: Buffer }>
    leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
    offsetCommit(request: {
      groupId: string
      groupGenerationId: number
      memberId: string
      topics: readonly OffsetsOf<{ partition: number; offset: string; metadata: string }>[]
    }): Promise<unknown>
    offsetFetch(request: { groupId: string; topics: readonly OffsetsOf<{ partition: number }>[] }): Promise<{
      responses: readonly OffsetsOf<{ partition: number; offset: string; metadata: string | null }>[]
    }>
    listOffsets(request: { isolationLevel: number; topics: readonly OffsetsOf<{ partition: number; timestamp: number }>[] }): Promise<{
      responses: readonly OffsetsOf<{ partition: number; offset: string }>[]
    }>
    initProducerId(request: {
      transactionalId?: string
      transactionTimeout: number
    }): Promise<{ producerId: string; producerEpoch: number }>
    addPartitionsToTxn(request: {
      transactionalId: string
      producerId: string
      producerEpoch: number
      topics: readonly { topic: string; partitions: readonly number[] }[]
    }): Promise<unknown>
    addOffsetsToTxn(request: { transactionalId: string; producerId: string; producerEpoch: number; groupId: string }): Promise<unknown>
    txnOffsetCommit(request: {
      transactionalId: string
      groupId: string
      producerId: string
      producerEpoch: number
      topics: readonly OffsetsOf<{ partition: number; offset: string; metadata: string }>[]
    }): Promise<unknown>
    endTxn(request: { transactionalId: string; producerId: string; producerEpoch: number; transactionResult: boolean }): Promise<unknown>
    createTopics(request: {
      topics: readonly {
        topic: string
        numPartitions: number
        replicationFactor: number
        configEntries: readonly { name: string; value: string }[]
      }[]
      timeout: number
    }): Promise<unknown>
    describeConfigs(request: { resources: readonly { type: number; name: string; configNames: readonly string[] }[] }): Promise<{
      resources: readonly { configEntries: readonly { configName: string; configValue: string }[] }[]
    }>
    metadata(topics: readonly string[]): Promise<{ topicMetadata: readonly TopicMetadata[] }>
  }
  export interface SocketRequest {
    readonly host: string
    readonly port: number
    readonly ssl: object | undefined
    readonly onConnect: () => void
  }
  export default class Cluster {
    constructor(options: {
      logger: KafkajsLogger
      socketFactory: (request: SocketRequest) => Socket
      brokers: string[]
      ssl: object | undefined
      sasl: object | undefined
      clientId: string
      connectionTimeout: number
      authenticationTimeout: number
      requestTimeout: number
      metadataMaxAge: number
      retry: object
      allowAutoTopicCreation: boolean
      isolationLevel?: number
    })
    readonly brokerPool: { readonly metadata: { readonly topicMetadata: readonly TopicMetadata[] } | null }
    connect(): Promise<void>
    refreshMetadata(): Promise<void>
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>
    findBroker(which: { nodeId: number | string }): Promise<Broker>
    findControllerBroker(): Promise<Broker>
    findGroupCoordinator(which: { groupId: string; coordinatorType?: number }): Promise<Broker>
  }
}

declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    constructor(initialSize?: number)
    writeInt8(value: number): this
    writeInt16(value: number): this
    writeInt32(value: number): this
    writeInt64(value: string | number): this
    writeString(value: string | null): this
    writeBytes(value: Buffer): this
    writeArray(values: readonly unknown[], type?: string): this
    writeBuffer(value: Buffer): this
    writeEncoder(value: Encoder): this
    readonly buffer: Buffer
  }
}

declare module 'kafkajs/src/protocol/error.js' {
  interface ErrorModule {
    createErrorFromCode(code: number): Error & { readonly type: string; readonly retriable: boolean }
  }
  const module: ErrorModule
  export default module
}

declare module 'kafkajs/src/protocol/requests/joinGroup/index.js' {
  const definition: unknown
  export default definition
}

declare module 'kafkajs/src/protocol/requests/heartbeat/index.js' {
  const definition: unknown
  export default definition
}

declare module 'kafkajs/src/consumer/assignerProtocol.js' {
  const protocol: {
    readonly MemberMetadata: {
      encode(metadata: { version: number; topics: readonly string[]; userData: Buffer }): Buffer
      decode(bytes: Buffer): { topics: string[]; userData: Buffer | null }
    }
    readonly MemberAssignment: {
      encode(assignment: { version: number; assignment: Readonly<Record<string, readonly number[]>> }): Buffer
      decode(bytes: Buffer): { assignment: Record<string, number[]> } | null
    }
  }
  export default protocol
}

declare module 'kafkajs/src/network/connection.js' {
  import type { Socket } from 'node:net'
  export default class Connection {
    readonly socket: Socket
    readonly authHandlers: { onSuccess(answer: Buffer): void } | null
    readonly authExpectResponse: boolean
    readonly requestQueue: { fulfillRequest(answer: { size: number; correlationId: number; payload: Buffer }): void }
    processData(bytes: Buffer): void
  }
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    pending: readonly unknown[]
    throttledUntil: number
    scheduleCheckPendingRequests(): void
  }
}

declare module 'kafkajs/src/errors.js' {
  const errors: { readonly KafkaJSSASLAuthenticationError: new (message: string) => Error }
  export default errors
}

declare module 'kafkajs/src/protocol/sasl/oauthBearer/index.js' {
  const protocol: {
    request(sasl: object, token: { value: string; extensions?: Readonly<Record<string, string>> }): Promise<{ encode(): Promise<Buffer> }>
  }
  export default protocol
}
