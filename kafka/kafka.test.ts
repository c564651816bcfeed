import { failure, newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, sharedBrokers } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import type { Compression, OutgoingRecord } from './index.js'

const record = (topic: string, value: string | Buffer, partition = 0): OutgoingRecord => ({
  topic,
  partition,
  key: null,
  value: Buffer.from(value),
})
describeKafka('Kafka client', () => {
  let client: TestClient
  const members: TestMember[] = []
  const reads = (topic: string, options = {}): TestMember => {
    const member = new TestMember(client, { group: uniqueName('group'), topics: [topic], ...options })
    members.push(member)
    return member
  }
  beforeAll(async () => {
    client = testClient(await sharedBrokers())
  }, 400_000)
  afterEach(async () => {
    await Promise.all(members.splice(0).map(member => member.close()))
  })

  describe('records', () => {
    test.each(['none', 'gzip', 'snappy', 'lz4'] as const)(
      'written with %s, stored and read back: bytes, null keys, headers, order',
      async compression => {
        // The broker takes the batch apart and stores it otherwise: what it reads is what we wrote.
        const topic = await newTopic(client, 2, { 'compression.type': compression === 'none' ? 'lz4' : 'uncompressed' })
        const producer = client.producer({ timeout: 10_000, compression })
        const headers = [
          ['a', Buffer.from('1')],
          ['a', Buffer.from('2')],
          ['__proto__', null],
        ] as const
        await producer.send([
          { topic, partition: 1, key: Buffer.from('k'), value: Buffer.from('first'), headers, timestamp: 1234567890123 },
          { topic, partition: 1, key: null, value: null },
          { topic, partition: 0, key: null, value: Buffer.alloc(5000, 7) },
        ])
        const member = reads(topic)
        await member.has(3)
        const [first, second] = member.records.filter(({ partition }) => partition === 1)
        expect(first).toMatchObject({ offset: 0, timestamp: 1234567890123, headers })
        expect([first!.key!.toString(), first!.value!.toString()]).toEqual(['k', 'first'])
        expect(second).toMatchObject({ offset: 1, key: null, value: null, headers: [] })
        expect(member.records.find(({ partition }) => partition === 0)!.value).toEqual(Buffer.alloc(5000, 7))
        await producer.close()
      },
    )

    test.each(['gzip', 'snappy', 'lz4', 'zstd'] as Compression[])(
      'compressed by the Java implementation with %s are read',
      async compression => {
        const topic = await newTopic(client, 1, { 'compression.type': compression })
        const producer = client.producer({ timeout: 10_000 })
        const texts = Array.from({ length: 500 }, (_, index) => `record ${index} ${'x'.repeat(index)}`)
        await producer.send(texts.map(text => record(topic, text)))
        const member = reads(topic)
        await member.has(500)
        expect(member.values).toEqual(texts)
        await producer.close()
      },
    )

    test('the broker’s append time is the timestamp where the topic says so', async () => {
      const topic = await newTopic(client, 1, { 'message.timestamp.type': 'LogAppendTime' })
      const producer = client.producer({ timeout: 10_000 })
      await producer.send([{ ...record(topic, 'x'), timestamp: 1000 }])
      const member = reads(topic)
      await member.has(1)
      expect(Math.abs(member.records[0]!.timestamp - Date.now())).toBeLessThan(60_000)
      await producer.close()
    })

    test('many sends at once keep the order of each partition and are all there, in few requests', async () => {
      const topic = await newTopic(client, 4)
      const producer = client.producer({ timeout: 20_000, compression: 'lz4' })
      const sends = Array.from({ length: 2000 }, (_, index) => producer.send([record(topic, String(index), index % 4)]))
      await Promise.all(sends)
      const member = reads(topic)
      await member.has(2000)
      for (let partition = 0; partition < 4; partition++) {
        const mine = member.records.filter(each => each.partition === partition).map(({ value }) => Number(value))
        expect(mine).toEqual(Array.from({ length: 500 }, (_, index) => 4 * index + partition))
      }
      await producer.close()
    })

    test('a send of many megabytes goes in several batches', async () => {
      const topic = await newTopic(client, 2)
      const producer = client.producer({ timeout: 20_000 })
      await producer.send(Array.from({ length: 40 }, (_, index) => record(topic, Buffer.alloc(500_000, index), index % 2)))
      const member = reads(topic)
      await member.has(40)
      expect(member.records.every(({ value }) => value!.length === 500_000)).toBe(true)
      await producer.close()
    })
  })

  describe('failures', () => {
    test('a record that the topic does not take is refused for good, alone: those sent with it are written', async () => {
      const topic = await newTopic(client, 1, { 'max.message.bytes': '20000' })
      const producer = client.producer({ timeout: 10_000 })
      const good = Array.from({ length: 6 }, (_, index) => producer.send([record(topic, `small ${index}`)]))
      const bad = producer.send([record(topic, Buffer.alloc(50_000))])
      const more = producer.send([record(topic, 'last')])
      expect(await failure(bad)).toMatchObject({
        kind: 'permanent',
        code: 'MESSAGE_TOO_LARGE',
        message: expect.stringContaining('max.message.bytes'),
      })
      await Promise.all([...good, more])
      const member = reads(topic)
      await member.has(7)
      expect(member.values).toEqual([...Array.from({ length: 6 }, (_, index) => `small ${index}`), 'last'])
      await producer.close()
    })

    test('a topic that does not exist fails as retryable within the timeout, and other topics do not suffer', async () => {
      const topic = await newTopic(client)
      const producer = client.producer({ timeout: 1500 })
      const absent = failure(producer.send([record(uniqueName('absent'), 'x')]))
      expect(await absent).toMatchObject({ kind: 'retryable', message: expect.stringContaining('create the topic') })
      await producer.send([record(topic, 'x')])
      await producer.close()
    })

    test('a broker that cannot be reached is told with its address, within the timeout', async () => {
      const nobody = testClient(['127.0.0.1:1'])
      const start = Date.now()
      const producer = nobody.producer({ timeout: 1000 })
      expect(await failure(producer.send([record('t', 'x')]))).toMatchObject({
        kind: 'retryable',
        code: 'CONNECTION',
        message: expect.stringContaining('127.0.0.1:1'),
      })
      expect(Date.now() - start).toBeLessThan(3000)
      await producer.close()
      expect(await failure(nobody.admin().describeTopic('t'))).toMatchObject({ kind: 'retryable', code: 'CONNECTION' })
    })

    test('more than may wait is refused as retryable, and what waited is written', async () => {
      const topic = await newTopic(client)
      const producer = client.producer({ timeout: 10_000, maxPendingBytes: 100_000 })
      const first = producer.send([record(topic, Buffer.alloc(90_000))])
      expect(await failure(producer.send([record(topic, Buffer.alloc(20_000))]))).toMatchObject({ kind: 'retryable', code: 'OVERLOADED' })
      await first
      await producer.close()
      expect(await failure(producer.send([record(topic, 'x')]))).toMatchObject({ code: 'CLOSED' })
    })

    test('brokers that are no host:port are refused at once', () => {
      expect(() => testClient(['[::1]:9092'])).toThrow(/host:port/)
      expect(() => testClient([])).toThrow(/host:port/)
    })
  })

  describe('topics', () => {
    test('are created as asked, verified the second time, and every difference is named with its remedy', async () => {
      const topic = uniqueName('topic')
      const config = { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '3600000' }
      expect(await client.admin().ensureTopic({ topic, partitions: 3, config })).toBe('created')
      expect(await client.admin().ensureTopic({ topic, partitions: 3, config })).toBe('verified')
      expect(await client.admin().describeTopic(topic, ['retention.ms'])).toEqual({ partitions: 3, config: { 'retention.ms': '3600000' } })
      const wrong = { topic, partitions: 4, config: { 'message.timestamp.type': 'CreateTime', 'retention.ms': '3600000' } }
      const { message, kind } = await failure(client.admin().ensureTopic(wrong))
      expect(kind).toBe('permanent')
      expect(message).toMatch(/has 3 partitions and the configuration says 4: set partitions to 3/)
      expect(message).toMatch(/its message.timestamp.type is LogAppendTime and must be CreateTime: kafka-configs.sh .*--add-config/)
      expect(await client.admin().describeTopic(uniqueName('absent'))).toBeUndefined()
    })

    test('more replicas than brokers is told with its remedy', async () => {
      const wanted = { topic: uniqueName('topic'), partitions: 1, replication: 9 }
      expect(await failure(client.admin().ensureTopic(wanted))).toMatchObject({
        code: 'INVALID_REPLICATION_FACTOR',
        message: expect.stringContaining('as there are brokers'),
      })
    })

    test('two that create the same topic at once both succeed', async () => {
      const wanted = { topic: uniqueName('topic'), partitions: 2 }
      const results = await Promise.all([client.admin().ensureTopic(wanted), client.admin().ensureTopic(wanted)])
      expect(results).toContain('created')
    })
  })

  test('log offsets, what a group committed with its metadata, and lag', async () => {
    const topic = await newTopic(client, 2)
    const producer = client.producer({ timeout: 10_000 })
    await producer.send([record(topic, 'a'), record(topic, 'b'), record(topic, 'c', 1)])
    const group = uniqueName('group')
    const member = reads(topic, { group })
    await member.has(3)
    const metadata = JSON.stringify({ next: 2, windowing: 'x'.repeat(3900) })
    await member.member.commit(member.generation, [{ topic, partition: 0, offset: 1, metadata }])
    expect(await client.admin().offsets(topic)).toEqual(
      new Map([
        [0, { start: 0, end: 2 }],
        [1, { start: 0, end: 1 }],
      ]),
    )
    expect(await client.admin().committed(group, topic)).toEqual(new Map([[0, { offset: 1, metadata }]]))
    expect(
      await failure(member.member.commit(member.generation, [{ topic, partition: 0, offset: 1, metadata: 'x'.repeat(5000) }])),
    ).toMatchObject({ kind: 'permanent' })
    await until('caught up', () => member.member.caughtUp)
    member.member.pause([{ topic, partition: 0 }])
    await producer.send([record(topic, 'd'), record(topic, 'e', 1)])
    await member.has(4)
    expect([member.values.at(-1), member.member.caughtUp]).toEqual(['e', true])
    member.member.resume([{ topic, partition: 0 }])
    await member.has(5)
    expect([member.values.at(-1), member.member.lag({ topic, partition: 0 })]).toEqual(['d', 0])
    await producer.close()
  })

  test('nothing of kafkajs reaches the log above debug, and no line holds a payload', () => {
    expect(client.log.lines.filter(line => !line.startsWith('debug'))).toEqual([])
  })
})
