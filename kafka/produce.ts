/** The Produce request and its answer by partition: which were taken, which must be repeated, which never will be. */
import type { ApiRequest } from 'kafkajs/src/cluster/index.js'
import Encoder from 'kafkajs/src/protocol/encoder.js'
import type { TopicPartition } from './client.js'
import { byTopic } from './link.js'

const PRODUCE = 0
/** In every broker since 2.1; Kafka 4 takes 3 to 13. */
const VERSION = 7
const ALL_IN_SYNC_REPLICAS = -1

export interface EncodedBatch extends TopicPartition {
  readonly bytes: Buffer
}

export interface ProducedPartition extends TopicPartition {
  readonly errorCode: number
}

/** One encoder of the right size: each that is put into another one copies all that it holds. */
const encode = (batches: readonly EncodedBatch[], transactionalId: string | null, timeout: number): Encoder => {
  const size = batches.reduce((sum, { topic, bytes }) => sum + bytes.length + 3 * topic.length + 64, 256)
  const topics = byTopic(batches, batch => batch)
  const request = new Encoder(size).writeString(transactionalId).writeInt16(ALL_IN_SYNC_REPLICAS).writeInt32(timeout)
  request.writeInt32(topics.length)
  for (const { topic, partitions } of topics) {
    request.writeString(topic).writeInt32(partitions.length)
    for (const { partition, bytes } of partitions) request.writeInt32(partition).writeBytes(bytes)
  }
  return request
}

const decode = (bytes: Buffer): { partitions: ProducedPartition[]; throttleTime: number; clientSideThrottleTime: number } => {
  let at = 0
  const int32 = (): number => bytes.readInt32BE((at += 4) - 4)
  const int16 = (): number => bytes.readInt16BE((at += 2) - 2)
  const partitions: ProducedPartition[] = []
  for (let topics = int32(); topics > 0; topics--) {
    const length = int16()
    const topic = bytes.toString('utf8', at, at + length)
    at += length
    for (let count = int32(); count > 0; count--) {
      partitions.push({ topic, partition: int32(), errorCode: int16() })
      // Base offset, append time, log start.
      at += 24
    }
  }
  return { partitions, throttleTime: 0, clientSideThrottleTime: int32() }
}

export const produceRequest = (batches: readonly EncodedBatch[], transactionalId: string | null, timeout: number): ApiRequest => ({
  request: { apiKey: PRODUCE, apiVersion: VERSION, apiName: 'Produce', encode: async () => encode(batches, transactionalId, timeout) },
  response: { decode: async payload => decode(payload), parse: async data => (data as ReturnType<typeof decode>).partitions },
  logResponseError: false,
})
