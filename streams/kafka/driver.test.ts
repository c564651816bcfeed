import { connect, type KafkaClient } from '../../kafka/index.js'
import { realClock, uniqueName } from '../../test/support/kafka/client.js'
import { describeKafka, KafkaBroker, sharedBrokers } from '../../test/support/kafka/index.js'
import { until } from '../../test/support/until.js'
import { KeyedStream } from '../engine/keyed_stream.js'
import type { Running } from '../stream.js'
import { FACT, Ledger } from '../testing/ledger.js'
import { RecordingLog, RecordingMeter } from '../testing/ports.js'
import { KafkaDriver, type KafkaStreamOptions } from './driver.js'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const PARTITIONS = 4

/** A gateway's stream on a topic, and the texts that came out of it. */
class Gateway {
  readonly log = new RecordingLog()
  readonly meter = new RecordingMeter()
  readonly outs: string[] = []
  readonly stream: KeyedStream
  private running: Running | undefined

  constructor(client: KafkaClient, topic: string, options: Partial<KafkaStreamOptions> = {}) {
    const ports = { clock: realClock, log: this.log, meter: this.meter }
    const given: KafkaStreamOptions = {
      stream: 'test',
      topic,
      partitions: PARTITIONS,
      topicConfig: { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '3600000' },
      group: topic,
      sessionTimeout: 3000,
      produceTimeout: 2000,
      fetchBytes: 1 << 20,
      ...options,
    }
    this.stream = new KeyedStream(
      { stream: 'test', tick: 100, commitInterval: 50, maxInFlightBytes: 1e6, maxRecordBytes: 1000, onUnavailable: 'refuse' },
      async () => new KafkaDriver(client, given, ports),
      ports,
    )
  }

  async start(): Promise<this> {
    this.running = await this.stream.run({
      windowing: { window: 200, grace: 300, maxGap: 400, history: 2000 },
      maxHeld: 1e8,
      handler: (_, windowing) => new Ledger(windowing),
      size: () => 100,
      deliver: async outs => void this.outs.push(...outs.map(({ text, value }) => `${Buffer.from(value)} ${text}`)),
    })
    return this
  }

  append(key: string, text: string): Promise<unknown> {
    const now = Math.floor(realClock.now())
    return this.stream.append([
      { key, kind: FACT, firstTime: now, lastTime: now, items: 1, fingerprint: undefined, value: [Buffer.from(text)] },
    ])
  }

  /** Texts of the facts that left, without their times. */
  get facts(): string[] {
    return this.outs.filter(text => !text.includes('window')).map(text => text.split(' ')[0]!)
  }

  get owned(): number {
    return this.meter.value('ai_factory_gateway_stream_owned_partitions')
  }

  stop(): Promise<void> | undefined {
    return this.running?.stop(AbortSignal.timeout(10_000))
  }
}

describeKafka('a stream on Kafka', () => {
  let client: KafkaClient
  let gateways: Gateway[] = []
  const gateway = async (topic: string, options: Partial<KafkaStreamOptions> = {}, to = client): Promise<Gateway> => {
    const made = new Gateway(to, topic, options)
    gateways.push(made)
    return made.start()
  }
  beforeAll(async () => {
    client = connect({ brokers: await sharedBrokers(), clientId: 'test' }, { clock: realClock, log: silent })
  }, 400_000)
  afterEach(async () => {
    await Promise.all(gateways.map(each => each.stop()))
    gateways = []
  })

  test('a topic that is not as asked is refused, with what to do about it', async () => {
    const topic = uniqueName('stream')
    await client.admin().ensureTopic({ topic, partitions: 3, config: { 'message.timestamp.type': 'CreateTime' } })
    const error = await gateway(topic).catch(caught => caught)
    expect(String(error)).toMatch(
      /stream test: topic .* cannot be used: it has 3 partitions and the configuration says 4.*message.timestamp.type is CreateTime and must be LogAppendTime: kafka-configs.sh/,
    )
  })

  test('a second gateway takes half of the partitions, state stays where a partition stays, and nothing leaves twice', async () => {
    const topic = uniqueName('stream')
    const first = await gateway(topic)
    await until('the first owns all', () => first.owned === PARTITIONS)
    const appended = Array.from({ length: 40 }, (_, index) => `fact-${index}`)
    for (const [index, text] of appended.slice(0, 20).entries()) await first.append(`key-${index}`, text)
    const second = await gateway(topic)
    await until('they share', () => first.owned === 2 && second.owned === 2)
    for (const [index, text] of appended.slice(20).entries()) await second.append(`key-${index}`, text)
    await until('all has left', () => new Set([...first.facts, ...second.facts]).size === appended.length)
    expect(first.facts.length).toBeGreaterThan(0)
    expect(second.facts.length).toBeGreaterThan(0)
    const assigned = first.log.lines.filter(({ message }) => message.includes('partitions of the stream are assigned'))
    expect(assigned.at(-1)?.fields).toMatchObject({ kept: 2, taken: 0 })
    expect(
      first.meter.value('ai_factory_gateway_stream_lost_items_total') + second.meter.value('ai_factory_gateway_stream_lost_items_total'),
    ).toBe(0)
    await second.stop()
    await until('the first owns all again', () => first.owned === PARTITIONS)
    await first.append('key-0', 'after')
    await until('it goes on', () => first.facts.includes('after'))
  }, 30_000)

  test('what no gateway wrote is counted and stepped over', async () => {
    const topic = uniqueName('stream')
    const only = await gateway(topic)
    const producer = client.producer({ timeout: 5000 })
    await producer.send([{ topic, partition: 0, key: null, value: Buffer.from('from elsewhere') }])
    await producer.close()
    for (let index = 0; index < 8; index++) await only.append(`key-${index}`, `${index}`)
    await until('the rest has left', () => only.facts.length === 8)
    expect(only.meter.value('ai_factory_gateway_stream_unreadable_records_total')).toBe(1)
  })

  test('while the broker is away senders are told to retry, and everything acknowledged leaves when it is back', async () => {
    const broker = await KafkaBroker.start()
    try {
      const to = connect({ brokers: broker.brokers, clientId: 'test' }, { clock: realClock, log: silent })
      const only = await gateway(uniqueName('stream'), {}, to)
      await until('it owns all', () => only.owned === PARTITIONS)
      await only.append('key', 'before')
      await broker.kill()
      expect(await only.append('key', 'away').catch(error => error)).toMatchObject({
        name: 'Refusal',
        reason: 'unreachable',
        retryable: true,
      })
      await broker.restart()
      await until(
        'it takes records again',
        () =>
          only.append('key', 'after').then(
            () => true,
            () => false,
          ),
        30_000,
      )
      await until('all has left', () => only.facts.includes('before') && only.facts.includes('after'), 30_000)
      await only.stop()
    } finally {
      await broker.stop()
    }
  }, 120_000)
})
