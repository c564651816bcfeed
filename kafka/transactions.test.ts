import { failure, newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, sharedBrokers } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import type { OutgoingRecord, TransactionalProducer } from './index.js'

describeKafka('transactions', () => {
  let client: TestClient
  let topic: string
  let transactionalId: string
  const closing: { close(): Promise<void> }[] = []
  const opens = async (options = {}): Promise<TransactionalProducer> => {
    const producer = await client.transactional({ timeout: 10_000, transactionalId, ...options })
    closing.push(producer)
    return producer
  }
  const reads = (isolation: 'read_committed' | 'read_uncommitted'): TestMember => {
    const member = new TestMember(client, { group: uniqueName('group'), topics: [topic], isolation })
    closing.push(member)
    return member
  }
  const record = (value: string, partition = 0): OutgoingRecord => ({ topic, partition, key: null, value: Buffer.from(value) })

  beforeAll(async () => {
    client = testClient(await sharedBrokers())
  }, 400_000)
  beforeEach(async () => {
    topic = await newTopic(client, 2)
    transactionalId = uniqueName('transaction')
  })
  afterEach(async () => {
    await Promise.all(closing.splice(0).map(each => each.close()))
  })

  test('a reader of what is committed sees no record of an open or aborted transaction, and everything of a committed one, in order', async () => {
    const producer = await opens()
    const committed = reads('read_committed')
    const all = reads('read_uncommitted')
    const first = producer.begin()
    await first.send([record('aborted'), record('aborted too', 1)])
    await first.abort()
    const second = producer.begin()
    await second.send([record('a')])
    await second.send([record('b'), record('c', 1)])
    await all.has(5)
    expect(committed.values).toEqual([])
    expect(committed.member.lag({ topic, partition: 0 })).toBe(0)
    await second.commit()
    await committed.has(3)
    expect(committed.records.filter(({ partition }) => partition === 0).map(({ value }) => value!.toString())).toEqual(['a', 'b'])
    // Behind the last record lies the commit's own mark: there is nothing to read, and the reader knows.
    await until('caught up', () => committed.member.caughtUp)
    const third = producer.begin()
    await third.commit()
    await producer.begin().abort()
  })

  test('offsets and their metadata count when the transaction is committed, and not before', async () => {
    const producer = await opens()
    const group = uniqueName('group')
    const offsets = [{ topic, partition: 1, offset: 7, metadata: 'where we stood' }]
    const aborted = producer.begin()
    await aborted.sendOffsets(group, offsets)
    await aborted.abort()
    expect(await client.admin().committed(group, topic)).toEqual(new Map())
    const transaction = producer.begin()
    await transaction.send([record('result')])
    await transaction.sendOffsets(group, offsets)
    await transaction.commit()
    await until('committed', async () => (await client.admin().committed(group, topic)).size > 0)
    expect(await client.admin().committed(group, topic)).toEqual(new Map([[1, { offset: 7, metadata: 'where we stood' }]]))
  })

  test('opening a transactional id aborts what its older owner left open and fences it: the older can neither send nor commit', async () => {
    const older = await opens()
    const left = older.begin()
    await left.send([record('never')])
    const newer = await opens()
    expect(await failure(left.send([record('nor this')]))).toMatchObject({ kind: 'fenced' })
    expect(await failure(left.commit())).toMatchObject({ kind: 'fenced' })
    expect(await failure(left.abort())).toMatchObject({ kind: 'fenced' })
    expect(() => older.begin()).toThrow(expect.objectContaining({ kind: 'fenced' }))
    const transaction = newer.begin()
    await transaction.send([record('this')])
    await transaction.commit()
    const committed = reads('read_committed')
    await committed.has(1)
    expect(committed.values).toEqual(['this'])
  })

  test('a second transaction before the first has ended is refused, and the first goes on', async () => {
    const producer = await opens()
    const transaction = producer.begin()
    await transaction.send([record('a')])
    expect(() => producer.begin()).toThrow(/commit or abort it first/)
    await transaction.commit()
    expect(await failure(transaction.send([record('b')]))).toMatchObject({ code: 'INVALID_TXN_STATE' })
    await producer.begin().abort()
  })

  test('many sends at once go together in few requests, in order; batches that the topic finds too large go in halves', async () => {
    await client.admin().ensureTopic({ topic: (topic = uniqueName('small')), partitions: 1, config: { 'max.message.bytes': '20000' } })
    const producer = await opens()
    const transaction = producer.begin()
    const values = Array.from({ length: 100 }, (_, index) => `${index} ${'x'.repeat(1000)}`)
    await Promise.all(values.map(value => transaction.send([record(value)])))
    await transaction.commit()
    const committed = reads('read_committed')
    await committed.has(values.length)
    expect(committed.values).toEqual(values)
  })

  test('a record that the topic does not take ends the producer; a new one under the id begins again', async () => {
    const producer = await opens()
    const transaction = producer.begin()
    await transaction.send([record('lost with it')])
    expect(await failure(transaction.send([record('x'.repeat(2_000_000))]))).toMatchObject({ kind: 'permanent', code: 'MESSAGE_TOO_LARGE' })
    expect(await failure(transaction.commit())).toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    const again = (await opens()).begin()
    await again.send([record('kept')])
    await again.commit()
    const committed = reads('read_committed')
    await committed.has(1)
    expect(committed.values).toEqual(['kept'])
  })
})
