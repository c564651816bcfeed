/** A stream on a real broker for the conformance suite: a topic of its own, whose append times are the test's clock, and one static member of its group. */
import { connect, type KafkaClient, KafkaError, type OutgoingRecord } from '../../kafka/index.js'
import { KafkaDriver } from '../kafka/driver.js'
import { ManualClock } from './clock.js'
import type { World } from './scene.js'
import type { MakeWorld } from './worlds.js'

const real = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms: number, task: () => void) => {
    const timer = setTimeout(task, ms)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
const silent = { debug() {}, info() {}, warn() {}, error() {} }
let worlds = 0
const open = new Set<KafkaDriver>()

/** Ends what tests have left running. */
export const closeKafkaWorlds = async (): Promise<void> => {
  await Promise.all([...open].map(driver => driver.close()))
  open.clear()
}

/** `brokers` is asked when the world is made. */
export const kafkaWorld =
  (brokers: () => readonly string[]): MakeWorld =>
  ({ partitions = 1 } = {}): World => {
    const name = `conformance-${process.pid}-${Date.now()}-${worlds++}`
    const clock = new ManualClock()
    const client = connect({ brokers: brokers(), clientId: 'conformance' }, { clock: real, log: silent })
    const ends = new Map<number, number>()
    let refused = false
    let living: KafkaDriver | undefined
    let gone: Promise<void> = Promise.resolve()
    const watched: KafkaClient = {
      ...client,
      producer: options => {
        const producer = client.producer(options)
        const send = async (records: readonly OutgoingRecord[]): Promise<void> => {
          if (refused) throw new KafkaError('told to refuse', 'retryable', 'TIMEOUT')
          await producer.send(records)
          for (const { partition } of records) ends.set(partition, (ends.get(partition) ?? 0) + 1)
        }
        return { send, close: () => producer.close() }
      },
    }
    return {
      clock,
      keepsValues: true,
      end: partition => ends.get(partition) ?? 0,
      driver: ports => {
        const driver = new KafkaDriver(
          watched,
          {
            stream: 'test',
            topic: name,
            partitions,
            topicConfig: { 'message.timestamp.type': 'CreateTime', 'retention.ms': '-1' },
            group: name,
            instanceId: 'one',
            sessionTimeout: 10_000,
            produceTimeout: 10_000,
            fetchBytes: 4 << 20,
          },
          ports,
        )
        const begin = driver.open.bind(driver)
        driver.open = async () => {
          await gone
          living = driver
          open.add(driver)
          await begin()
        }
        return driver
      },
      crash: () => {
        gone = living?.close() ?? gone
        living = undefined
      },
      refuse: now => {
        refused = now
      },
    }
  }
