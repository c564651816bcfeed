import { join } from 'node:path'
import { Batch } from '../../proto/batch.js'
import { inspect } from '../../proto/inspect.js'
import { fromJson } from '../../proto/json/index.js'
import type { OtlpSignal } from '../../proto/services.js'
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import { newTopic, type TestClient, TestMember, testClient, uniqueName } from '../../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../../test/support/kafka/index.js'
import { batchOf, OTLP_SIGNALS, requestOf } from '../../test/support/kafka/telemetry.js'
import { until } from '../../test/support/until.js'
import kafka from './index.js'

const PARTITIONS = join(__dirname, '../../test/support/kafka/Partitions.java')
const WORKLOAD = 'ai_factory.workload.id'

describeKafka(
  'exporter kafka',
  () => {
    let broker: KafkaBroker
    let client: TestClient
    const ends: (() => Promise<unknown> | undefined)[] = []
    const exporter = async (options: Record<string, unknown>) => {
      const clock = new SystemClock()
      const { context, meter, log } = harness('kafka', { clock })
      const retry = { initial_interval: '100ms', max_interval: '500ms' }
      const instance = kafka.create(
        kafka.config.parse({ brokers: broker.brokers, timeout: '3s', retry_on_failure: retry, ...options }),
        context,
      )
      await instance.start?.()
      ends.push(() => instance.stop?.(AbortSignal.timeout(5_000)))
      return { ...instance, meter, log }
    }
    const reader = (topic: string): TestMember => {
      const member = new TestMember(client, { group: uniqueName('group'), topics: [topic] })
      ends.push(() => member.close())
      return member
    }
    beforeAll(async () => {
      broker = await KafkaBroker.start()
      client = testClient(broker.brokers)
    }, 400_000)
    afterEach(async () => {
      await Promise.all(ends.splice(0).map(end => end()))
    })
    afterAll(() => broker?.stop())

    test.each(OTLP_SIGNALS)('%s lie on their topic byte for byte, unknown fields too', async signal => {
      const topic = await newTopic(client)
      const { consume } = await exporter({ [signal]: { topic }, record_headers: { tenant: 'a' } })
      const request = requestOf(signal, { [WORKLOAD]: 'c/n/chat' }, 'first', 3)
      await consume(batchOf(signal, request))
      const member = reader(topic)
      await member.has(1)
      expect(member.records[0]!.value?.toString('hex')).toBe(request.toString('hex'))
      expect(member.records[0]!.key?.toString()).toBe('c/n/chat')
      expect(member.records[0]!.headers.map(([name, value]) => `${name}=${value}`)).toEqual(['tenant=a'])
    })

    it('otlp_json holds the same request', async () => {
      const topic = await newTopic(client)
      const { consume } = await exporter({ logs: { topic, encoding: 'otlp_json' } })
      await consume(batchOf('logs', requestOf('logs', {}, 'line', 2)))
      const member = reader(topic)
      await member.has(1)
      expect(inspect('logs', fromJson('logs', member.records[0]!.value!))).toBe(2)
      expect(JSON.parse(member.values[0]!).resourceLogs[0].scopeLogs[0].logRecords[1].body.stringValue).toBe('line 1 ')
    })

    it('one record a key: resources of one workload stay together, what has none has no key', async () => {
      const topic = await newTopic(client, 3)
      const { consume } = await exporter({ traces: { topic } })
      const request = Buffer.concat(
        ['a', 'b', 'a', ''].map((id, index) => requestOf('traces', id === '' ? {} : { [WORKLOAD]: id }, `of ${index}`)),
      )
      await consume(batchOf('traces', request))
      const member = reader(topic)
      await member.has(3)
      const items = member.records.map(({ key, value }) => `${key?.toString() ?? 'none'}: ${inspect('traces', value!)}`)
      expect(items.sort()).toEqual(['a: 2', 'b: 1', 'none: 1'])
    })

    it('with murmur2 a key goes where the Java client puts it', async () => {
      const [ours, theirs] = [await newTopic(client, 7), await newTopic(client, 7)]
      const keys = Array.from({ length: 40 }, (_, index) => `cluster/namespace-${index * 7919}/modèle-${'x'.repeat(index % 9)}`)
      const { consume } = await exporter({ traces: { topic: ours }, record_partitioner: { sticky_key: { hasher: 'murmur2' } } })
      await consume(batchOf('traces', Buffer.concat(keys.map(key => requestOf('traces', { [WORKLOAD]: key }, 'span')))))
      const said = (await broker.tool(PARTITIONS, broker.brokers[0]!, theirs, ...keys)).trim().split(/\s+/).map(Number)
      const member = reader(ours)
      await member.has(keys.length)
      const chosen = new Map(member.records.map(({ key, partition }) => [key!.toString(), partition]))
      expect(keys.map(key => chosen.get(key))).toEqual(said)
      expect(new Set(said).size).toBeGreaterThan(3)
    }, 60_000)

    it('spans by trace id, topics by attribute', async () => {
      const [topic, other] = [await newTopic(client), await newTopic(client)]
      const { consume } = await exporter({ traces: { topic }, partition_traces_by_id: true, topic_from_attribute: 'to' })
      await consume(batchOf('traces', requestOf('traces', { to: other }, 'span', 3)))
      const member = reader(other)
      await member.has(3)
      expect(member.records.map(({ key }) => key!.toString())).toEqual(['01', '02', '03'].map(byte => byte.repeat(16)))
    })

    test.each([
      ['ours', {}, { max_message_bytes: 20_000 }],
      ['the topic’s', { 'max.message.bytes': '20000' }, {}],
    ])(
      'a request larger than %s limit is cut between its items; a single item that is too large is refused alone',
      async (_, config, producer) => {
        const topic = await newTopic(client, 1, config)
        const { consume, meter } = await exporter({ logs: { topic }, producer })
        const small = requestOf('logs', {}, 'small', 40, 2_000)
        const large = requestOf('logs', {}, 'large', 1, 30_000)
        await consume(batchOf('logs', Buffer.concat([small, large]))).catch(() => {})
        const member = reader(topic)
        await until('all small ones are there', () => member.records.reduce((sum, { value }) => sum + inspect('logs', value!), 0) === 40)
        expect(member.records.length).toBeGreaterThan(3)
        expect(member.records.every(({ value }) => value!.length <= 20_000)).toBe(true)
        expect(meter.sum('otelcol_exporter_send_failed_log_records')).toBe(1)
        expect(meter.sum('otelcol_exporter_sent_log_records')).toBe(40)
      },
    )

    it('a topic that is not there is made; with allow_auto_topic_creation: false it is waited for', async () => {
      const [made, awaited] = [uniqueName('made'), uniqueName('awaited')]
      const making = await exporter({ logs: { topic: made } })
      await making.consume(batchOf('logs', requestOf('logs', {}, 'line')))
      const { consume } = await exporter({ logs: { topic: awaited }, producer: { allow_auto_topic_creation: false } })
      let done = false
      const sent = consume(batchOf('logs', requestOf('logs', {}, 'line'))).then(() => (done = true))
      await new Promise(resolve => setTimeout(resolve, 500))
      expect(done).toBe(false)
      await client.admin().ensureTopic({ topic: awaited, partitions: 1 })
      await sent
      const members = [reader(made), reader(awaited)]
      await Promise.all(members.map(member => member.has(1)))
    })

    it('a broker that dies and comes back in the middle takes everything', async () => {
      const topic = await newTopic(client, 3)
      const { consume } = await exporter({ traces: { topic }, sending_queue: { num_consumers: 4 } })
      const send = (from: number) =>
        Promise.all(Array.from({ length: 50 }, (_, index) => consume(batchOf('traces', requestOf('traces', {}, `span ${from + index}`)))))
      await send(0)
      const during = broker.kill().then(() => send(50))
      await new Promise(resolve => setTimeout(resolve, 2_000))
      await broker.restart()
      await during
      const member = reader(topic)
      const names = () => new Set(member.values.map(value => /span (\d+)/.exec(value)?.[1]))
      await until('all are there', () => names().size === 100, 20_000)
    }, 90_000)

    it('an item that no JSON can hold is refused for good, and says so', async () => {
      const topic = await newTopic(client)
      const { consume } = await exporter({ traces: { topic, encoding: 'otlp_json' } })
      const signal: OtlpSignal = 'traces'
      await expect(consume(Batch.of(signal, [Buffer.from([10, 5, 1])], 1))).rejects.toThrow()
    })
  },
  { own: true },
)
