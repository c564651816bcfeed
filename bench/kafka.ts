/**
 * The Kafka side of a measurement, a process of its own. `fill`: a topic of one partition with requests as records, before the measured process starts.
 * `read`: counts what the measured process writes, span by span.
 */
import { connect, type KafkaClient } from '../kafka/index.js'
import { AGENT_RESOURCE, spanRequest } from './payload.js'
import { eachSpanId, type SinkCounts, SpanBook } from './sink.js'

export interface FillOptions {
  readonly topic: string
  /** Distinct requests; each is written many times. */
  readonly pool: number
  readonly spans: number
  readonly requests: number
}

const clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms: number, task: () => void) => {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
}

export const clientOf = (brokers: string): KafkaClient => {
  const log = { debug() {}, info() {}, warn: console.error, error: console.error }
  return connect({ brokers: brokers.split(','), clientId: 'bench' }, { clock, log })
}

const makeTopic = async (client: KafkaClient, topic: string): Promise<void> => {
  const admin = client.admin()
  await admin.ensureTopic({ topic, partitions: 1, config: { 'retention.ms': '3600000' } })
  await admin.close()
}

/** How often each request of the pool was written. */
const fill = async (client: KafkaClient, { topic, pool, spans, requests }: FillOptions): Promise<number[]> => {
  await makeTopic(client, topic)
  const producer = client.producer({ timeout: 60_000 })
  const values = Array.from({ length: pool }, (_, index) => Buffer.from(spanRequest(spans, index * spans, AGENT_RESOURCE).bytes))
  const written = new Array<number>(pool).fill(0)
  for (let turn = 0; turn < requests; turn++) {
    await producer.send([{ topic, partition: 0, key: null, value: values[turn % pool]! }])
    written[turn % pool]!++
  }
  await producer.close()
  return written
}

const read = async (client: KafkaClient, topic: string): Promise<() => SinkCounts> => {
  await makeTopic(client, topic)
  const book = new SpanBook()
  let bytes = 0
  const member = client.member(
    { group: `${topic}-sink`, topics: [topic] },
    { assigned() {}, revoked() {}, gap() {}, unreadable: () => 'skip', failing() {}, recovered() {}, replaced() {} },
  )
  const reading = async (): Promise<never> => {
    for (;;)
      for (const batch of await member.poll()) {
        for (const { value } of batch.records) {
          bytes += value?.length ?? 0
          if (value) eachSpanId(value, book.see)
        }
        batch.release()
      }
  }
  void reading()
  return () => ({ spans: book.spans, bytes, ids: book.ids, points: 0, records: 0 })
}

if (process.send && process.argv[1]?.endsWith('/kafka.js')) {
  const [brokers = '', topic] = process.argv.slice(2)
  const client = clientOf(brokers)
  if (topic === undefined) {
    process.once('message', async (options: FillOptions) => {
      process.send?.({ written: await fill(client, options) }, () => process.disconnect?.())
    })
  } else {
    const counts = await read(client, topic)
    process.send({ port: 0 })
    process.on('message', () => process.send?.({ counts: counts() }))
  }
}
