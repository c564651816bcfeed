/** The Fetch request and its answer with every partition's own error: kafkajs throws the first and loses the others' records. */
import type { ApiRequest } from 'kafkajs/src/cluster/index.js'
import Encoder from 'kafkajs/src/protocol/encoder.js'
import type { TopicPartition } from './client.js'
import { byTopic } from './link.js'
import type { AbortedTransaction } from './record_batch.js'

const FETCH = 1
/** Speaks topic names and tells the log start; in every broker since 2.3. */
const VERSION = 11
const NO_REPLICA = -1
const FULL_FETCH_EPOCH = -1

export interface FetchFrom extends TopicPartition {
  readonly position: number
}

export interface FetchOptions {
  /** 1: read_committed. */
  readonly isolation: number
  readonly maxWait: number
  readonly maxBytes: number
  readonly maxPartitionBytes: number
  readonly rack: string
}

export interface FetchedPartition extends TopicPartition {
  readonly errorCode: number
  readonly highWatermark: number
  /** End of what is decided, for read_committed. */
  readonly lastStable: number
  readonly logStart: number
  readonly aborted: readonly AbortedTransaction[]
  readonly bytes: Buffer
}

export interface FetchAnswer {
  /** In which all bytes of its partitions lie (frames.ts). */
  readonly frame: Buffer
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

const encode = (from: readonly FetchFrom[], { isolation, maxWait, maxBytes, maxPartitionBytes, rack }: FetchOptions): Encoder =>
  new Encoder()
    .writeInt32(NO_REPLICA)
    .writeInt32(maxWait)
    .writeInt32(1)
    .writeInt32(maxBytes)
    .writeInt8(isolation)
    .writeInt32(0)
    .writeInt32(FULL_FETCH_EPOCH)
    .writeArray(
      byTopic(from, ({ partition, position }) =>
        new Encoder().writeInt32(partition).writeInt32(-1).writeInt64(position).writeInt64(-1).writeInt32(maxPartitionBytes),
      ).map(({ topic, partitions }) => new Encoder().writeString(topic).writeArray(partitions)),
    )
    .writeArray([])
    .writeString(rack)

class Answer {
  private at = 0
  constructor(private readonly bytes: Buffer) {}

  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }
  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }
  int64(): bigint {
    this.at += 8
    return this.bytes.readBigInt64BE(this.at - 8)
  }
  string(): string {
    return this.take(this.int16()).toString()
  }
  content(): Buffer {
    return this.take(this.int32())
  }
  list<T>(item: () => T): T[] {
    const length = this.int32()
    const items: T[] = []
    for (let index = 0; index < length; index++) items.push(item())
    return items
  }

  private take(length: number): Buffer {
    this.at += Math.max(0, length)
    return this.bytes.subarray(this.at - Math.max(0, length), this.at)
  }
}

const decode = (bytes: Buffer): FetchAnswer & { throttleTime: number; clientSideThrottleTime: number } => {
  const answer = new Answer(bytes)
  const clientSideThrottleTime = answer.int32()
  const errorCode = answer.int16()
  answer.int32()
  const partitions = answer.list(() => {
    const topic = answer.string()
    return answer.list((): FetchedPartition => {
      const partition = answer.int32()
      const code = answer.int16()
      const highWatermark = Number(answer.int64())
      const lastStable = Number(answer.int64())
      const logStart = Number(answer.int64())
      const aborted = answer.list(() => ({ producerId: answer.int64(), firstOffset: Number(answer.int64()) }))
      answer.int32()
      return { topic, partition, errorCode: code, highWatermark, lastStable, logStart, aborted, bytes: answer.content() }
    })
  })
  return { frame: bytes, errorCode, partitions: partitions.flat(), throttleTime: 0, clientSideThrottleTime }
}

export const fetchRequest = (from: readonly FetchFrom[], options: FetchOptions): ApiRequest => ({
  request: { apiKey: FETCH, apiVersion: VERSION, apiName: 'Fetch', encode: async () => encode(from, options) },
  response: { decode: async payload => decode(payload), parse: async data => data },
  logResponseError: false,
})
