import { join } from 'node:path'
import { newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../test/support/kafka/index.js'

const PRODUCER = join(__dirname, '../test/support/kafka/Produce.java')

describeKafka(
  'codecs of other clients',
  () => {
    let broker: KafkaBroker
    let client: TestClient
    const members: TestMember[] = []
    const reads = (topic: string, options = {}): TestMember => {
      const member = new TestMember(client, { group: uniqueName('group'), topics: [topic], ...options })
      members.push(member)
      return member
    }
    beforeAll(async () => {
      broker = await KafkaBroker.start()
      client = testClient(broker.brokers)
    }, 400_000)
    afterEach(async () => {
      await Promise.all(members.splice(0).map(member => member.close()))
    })
    afterAll(() => broker?.stop())

    test.each(['gzip', 'snappy', 'lz4', 'zstd'])(
      'what the Java client compressed with %s is read',
      async compression => {
        // Kept by the broker as it came.
        const topic = await newTopic(client)
        await broker.tool(PRODUCER, broker.brokers[0]!, topic, compression, '500')
        const member = reads(topic)
        await member.has(500)
        expect(member.values).toEqual(Array.from({ length: 500 }, (_, index) => `value ${index} ${'x'.repeat(index)}`))
        expect(member.records.map(({ key }) => key?.toString())).toEqual(Array.from({ length: 500 }, (_, index) => `key ${index}`))
      },
      60_000,
    )

    test('a batch larger than allowed when decompressed is told once and skipped, or the partition waits: the others go on', async () => {
      const topic = await newTopic(client, 2)
      const producer = client.producer({ timeout: 10_000, compression: 'gzip' })
      const send = (value: string | Buffer, partition: number): Promise<void> =>
        producer.send([{ topic, partition, key: null, value: Buffer.from(value) }])
      await send('before', 0)
      await send(Buffer.alloc(500_000), 0)
      await send('behind', 0)
      const skips = reads(topic, { maxDecompressedBytes: 100_000 })
      skips.verdict = 'skip'
      const waits = reads(topic, { maxDecompressedBytes: 100_000 })
      await skips.has(2)
      expect(skips.values).toEqual(['before', 'behind'])
      expect(skips.damaged).toMatchObject([{ topic, partition: 0, offset: 1, end: 2, error: { code: 'BATCH_TOO_LARGE' } }])
      await waits.has(1)
      await send('elsewhere', 1)
      await waits.has(2)
      expect(waits.values).toEqual(['before', 'elsewhere'])
      expect(waits.damaged).toMatchObject([{ offset: 1 }])
      expect([waits.member.lag({ topic, partition: 0 }), waits.member.caughtUp]).toEqual([2, false])
      await producer.close()
    })
  },
  { own: true },
)
