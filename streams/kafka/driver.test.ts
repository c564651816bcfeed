import { connect, type KafkaClient } from '../../kafka/index.js'
import { realClock, TestMember, testClient, uniqueName } from '../../test/support/kafka/client.js'
import { describeKafka, KafkaBroker, sharedBrokers } from '../../test/support/kafka/index.js'
import { until } from '../../test/support/until.js'
import { KeyedStream } from '../engine/keyed_stream.js'
import { openStreams } from '../open.js'
import { streamsSection } from '../settings.js'
import type { Running, Task } from '../stream.js'
import { FACT, Ledger, type Told } from '../testing/ledger.js'
import { RecordingLog, RecordingMeter } from '../testing/ports.js'
import { KafkaDriver, type KafkaStreamOptions } from './driver.js'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const PARTITIONS = 4

const task: Task<Told> = {
  windowing: { window: 200, grace: 300, maxGap: 400, history: 2000 },
  maxHeld: 1e8,
  handler: (_, windowing) => new Ledger(windowing),
  size: () => 100,
  deliver: async () => {},
}

/** A gateway's stream on a topic, and the texts that came out of it. */
class Gateway {
  readonly log = new RecordingLog()
  readonly meter = new RecordingMeter()
  readonly outs: string[] = []
  broken = false
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
    const deliver: Task<Told>['deliver'] = async outs =>
      void this.outs.push(...outs.map(({ text, value }) => `${Buffer.from(value)} ${text}`))
    this.running = await this.stream.run({ ...task, deliver, broken: () => (this.broken = true) })
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

  test('a topic that would lose records of a stream is refused: compacted, too short a retention, too small a message', async () => {
    const opening = (options: Record<string, unknown>): Promise<string> => {
      const { clock, log, meter } = { clock: realClock, log: silent, meter: new RecordingMeter() }
      const section = streamsSection.parse({ workloads: { driver: 'kafka', ...options } })
      const stream = openStreams(section, { clock, log, meter }).get('workloads')
      return stream.run(task).then(running => running.stop(AbortSignal.timeout(1000)).then(() => 'opened'), String)
    }
    const brokers = await sharedBrokers()
    const topic = uniqueName('compacted')
    const config = { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '86400000', 'cleanup.policy': 'compact,delete' }
    await client.admin().ensureTopic({ topic, partitions: 16, config, least: { 'max.message.bytes': 1_100_000 } })
    expect(await opening({ brokers, topic })).toMatch(
      /its cleanup.policy is compact,delete and must be delete: .*--add-config cleanup.policy=delete/,
    )
    expect(await opening({ brokers, topic, max_record_bytes: '4MiB' })).toMatch(
      /its max.message.bytes is 1100000 and must be 4261888 at least/,
    )
    expect(await opening({ brokers, topic: uniqueName('short'), retention: '5s' })).toMatch(
      /stream workloads: retention must be at least 3 x \(history \+ window \+ grace\) = 7.5s, not 5s/,
    )
    const good = uniqueName('good')
    expect(await opening({ brokers, topic: good, max_record_bytes: '2MiB' })).toBe('opened')
    expect((await client.admin().describeTopic(good, ['cleanup.policy', 'max.message.bytes']))?.config).toEqual({
      'cleanup.policy': 'delete',
      'max.message.bytes': String(2 * 2 ** 20 + 66 * 1024),
    })
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
    expect(only.meter.value('ai_factory_gateway_stream_unreadable_records_total', { reason: 'foreign' })).toBe(1)
  })

  test('records that retention took before they were read are counted', async () => {
    const topic = uniqueName('stream')
    const first = await gateway(topic)
    await first.append('key', 'before')
    await until('it has left', () => first.facts.length === 1)
    const [partition] = [...(await client.admin().committed(topic, topic)).keys()]
    await first.stop()
    const { offset, metadata } = (await client.admin().committed(topic, topic)).get(partition!)!
    const writer = new TestMember(testClient(await sharedBrokers()), { group: topic, topics: [topic] })
    await until('it is alone', () => writer.partitions.length === PARTITIONS)
    await writer.member.commit(writer.generation, [{ topic, partition: partition!, offset: offset + 1000, metadata }])
    await writer.close()
    const second = await gateway(topic)
    await until('it is told', () => second.log.lines.some(({ message }) => message.startsWith('the topic is shorter than it was')))
    expect(second.meter.value('ai_factory_gateway_stream_missing_records_total', { reason: 'log_truncated' })).toBeGreaterThan(900)
  })

  test('values that grow when decompressed are handed out bit by bit', async () => {
    const topic = uniqueName('stream')
    const { clock, log, meter } = { clock: realClock, log: silent, meter: new RecordingMeter() }
    const MIB = 2 ** 20
    const driver = new KafkaDriver(
      client,
      { stream: 'test', topic, partitions: 1, topicConfig: {}, group: topic, sessionTimeout: 6000, produceTimeout: 5000, fetchBytes: MIB },
      { clock, log, meter },
    )
    await driver.open()
    const record = {
      partition: 0,
      key: Buffer.from('key'),
      kind: FACT,
      firstTime: 1,
      lastTime: 1,
      items: 1,
      fingerprint: undefined,
      part: 0,
      parts: 1,
    }
    await driver.append(Array.from({ length: 6 }, () => ({ ...record, value: [Buffer.alloc(4 * MIB)] })))
    const taken: number[] = []
    while (taken.reduce((sum, records) => sum + records, 0) < 6) {
      const { records } = await driver.poll()
      if (records.length > 0) taken.push(records.length)
    }
    expect(taken).toEqual([1, 1, 1, 1, 1, 1])
    await driver.close()
  }, 30_000)

  test('a gateway with the name of another takes its place; the other says so, takes nothing more, and leaves nothing', async () => {
    const topic = uniqueName('stream')
    const older = await gateway(topic, { instanceId: 'gateway-0' })
    await until('it owns all', () => older.owned === PARTITIONS)
    const newer = await gateway(topic, { instanceId: 'gateway-0' })
    await until('the newer owns all', () => newer.owned === PARTITIONS)
    await until('the older says so', () => older.log.lines.some(({ fields }) => String(fields?.error).includes('group_instance_id')))
    expect(older.broken).toBe(true)
    expect(await older.append('key', 'lost?').catch(error => error)).toMatchObject({ reason: 'not_read', retryable: true })
    await newer.append('key', 'kept')
    await until('it leaves the newer', () => newer.facts.includes('kept'))
    expect(older.facts).toEqual([])
  }, 30_000)

  test('started while the broker is away, it tells senders to retry and begins when it is there', async () => {
    const broker = await KafkaBroker.start()
    try {
      await broker.kill()
      const to = connect({ brokers: broker.brokers, clientId: 'test' }, { clock: realClock, log: silent })
      const only = await gateway(uniqueName('stream'), {}, to)
      expect(await only.append('key', 'too early').catch(error => error)).toMatchObject({ reason: 'unreachable', retryable: true })
      await broker.restart()
      await until('it owns all', () => only.owned === PARTITIONS, 30_000)
      await only.append('key', 'there')
      await until('it has left', () => only.facts.includes('there'))
      expect(only.log.lines.filter(({ message }) => message.startsWith('Kafka can')).map(({ message }) => message)).toEqual([
        'Kafka cannot be reached; it is tried again',
        'Kafka can be reached again',
      ])
      await only.stop()
    } finally {
      await broker.stop()
    }
  }, 120_000)

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
