import { failure, newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, sharedBrokers } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import type { MemberOptions, Producer } from './index.js'

describeKafka('consumer groups', () => {
  let client: TestClient
  let producer: Producer
  let topic: string
  let group: string
  let members: TestMember[]
  const joins = (options: Partial<MemberOptions> = {}): TestMember => {
    const member = new TestMember(client, { group, topics: [topic], ...options })
    members.push(member)
    return member
  }
  const send = (...values: readonly (readonly [partition: number, value: string])[]): Promise<void> =>
    producer.send(values.map(([partition, value]) => ({ topic, partition, key: null, value: Buffer.from(value) })))
  const commit = (member: TestMember, partition: number, offset: number, generation = member.generation): Promise<void> =>
    member.member.commit(generation, [{ topic, partition, offset, metadata: '' }])

  beforeAll(async () => {
    client = testClient(await sharedBrokers())
    producer = client.producer({ timeout: 10_000 })
  }, 400_000)
  beforeEach(async () => {
    members = []
    group = uniqueName('group')
    topic = await newTopic(client, 4)
  })
  afterEach(async () => {
    await Promise.all(members.map(member => member.close()))
  })
  afterAll(() => producer?.close())

  test('a second member takes half, the rest stays where it was; on revocation a last commit is taken, and reading goes on behind it', async () => {
    const first = joins()
    await first.owns(4)
    await send([0, 'a'], [1, 'b'], [2, 'c'], [3, 'd'])
    await first.has(4)
    first.onRevoked = async generation => {
      for (const partition of first.partitions) await commit(first, partition, 1, generation)
    }
    const second = joins()
    await second.owns(2)
    await first.owns(2)
    expect(first.told).toEqual(['assigned 0,1,2,3', 'revoked', `assigned ${first.partitions.join()}`])
    expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3])
    await send([0, 'e'], [1, 'f'], [2, 'g'], [3, 'h'])
    await until('all is read', () => first.records.length + second.records.length >= 8)
    expect([...first.values, ...second.values].sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    const kept = first.partitions
    await second.close()
    await first.owns(4)
    const third = joins()
    await third.owns(2)
    await first.owns(2)
    expect(first.partitions.filter(partition => kept.includes(partition)).length).toBeGreaterThan(0)
    expect(client.log.lines.filter(line => !line.startsWith('debug'))).toEqual([])
  }, 40_000)

  test('a commit under an older generation is refused as fenced, and the newer owner’s stands', async () => {
    const first = joins()
    await first.owns(4)
    const old = first.generation
    joins()
    await first.owns(2)
    expect(await failure(commit(first, 0, 1, old))).toMatchObject({ kind: 'fenced', code: 'ILLEGAL_GENERATION' })
    expect(await client.admin().committed(group, topic)).toEqual(new Map())
  })

  test('a listener that is not ready for its partitions gets no records, and is asked again', async () => {
    await send([0, 'a'])
    const member = joins()
    let tries = 0
    const { assigned } = member
    member.assigned = (generation, partitions) => {
      if (++tries === 1) throw new Error('not yet')
      return assigned(generation, partitions)
    }
    await member.has(1)
    expect(tries).toBe(2)
    expect(member.told).toEqual(['revoked', 'assigned 0,1,2,3'])
    client.log.lines.length = 0
  })

  test('a committed offset older than the log start is a gap, told once; reading goes on at the log start', async () => {
    await send([0, 'a'], [0, 'b'])
    const first = joins()
    await first.owns(4)
    await commit(first, 0, 100)
    await first.close()
    const second = joins()
    await second.has(2)
    expect(second.gaps).toMatchObject([{ partition: 0, reason: 'log_truncated', wanted: 100, logStart: 0, logEnd: 2 }])
  })

  test('a static member that comes back within its session gets the same partitions, and the other hears nothing', async () => {
    const mine = joins({ instanceId: 'one' })
    const other = joins({ instanceId: 'two' })
    await mine.owns(2)
    await other.owns(2)
    const [before, told] = [mine.partitions, other.told.length]
    await mine.close()
    const again = joins({ instanceId: 'one' })
    await again.owns(2)
    expect(again.partitions).toEqual(before)
    expect(other.told.length).toBe(told)
  })

  test('of two with one instance name the older is told that it was replaced and stays out; the newer keeps its partitions', async () => {
    const older = joins({ instanceId: 'one' })
    await older.owns(4)
    const newer = joins({ instanceId: 'one' })
    await newer.owns(4)
    await until('the older hears of it', () => older.told.some(line => line.startsWith('replaced')))
    expect(older.told.at(-1)).toMatch(/another process has joined group .* as instance one: give each its own group_instance_id/)
    const told = newer.told.length
    await new Promise(resolve => setTimeout(resolve, 4000))
    expect(older.told.slice(0, 2)).toEqual(['assigned 0,1,2,3', 'lost'])
    expect(newer.told.length).toBe(told)
    await send([0, 'a'])
    await newer.has(1)
  }, 30_000)

  describe('bytes', () => {
    const payload = 'x'.repeat(100_000)

    test('what nobody takes is bounded: of a long log a member fetches no more than its limit says, and all of it once taken', async () => {
      for (let index = 0; index < 20; index++) await send([0, payload], [1, payload])
      let taken = 0
      const member = client.member(
        { group, topics: [topic], sessionTimeout: 2000, rebalanceTimeout: 5000, maxBytes: 300_000, maxPartitionBytes: 100_000 },
        { assigned() {}, revoked() {}, gap() {}, unreadable: () => 'wait', failing() {}, recovered() {}, replaced() {} },
      )
      await until('a heartbeat', () => member.generation !== undefined)
      // Longer than the watchdog's patience: a user that does not poll is no stall.
      await new Promise(resolve => setTimeout(resolve, 8000))
      const bytesOf = (batches: Awaited<ReturnType<typeof member.poll>>): number =>
        batches.flatMap(({ records }) => records).reduce((sum, { value }) => sum + value!.length, 0)
      const first = bytesOf(await member.poll())
      expect(first).toBeGreaterThan(0)
      expect(first).toBeLessThanOrEqual(700_000)
      for (taken = first; taken < 40 * payload.length; ) taken += bytesOf(await member.poll())
      expect(taken).toBe(40 * payload.length)
      expect(client.log.lines.filter(line => line.startsWith('warn'))).toEqual([])
      await member.close()
    }, 40_000)

    test('what a small fetch holds is decompressed bit by bit, as it is taken', async () => {
      const bomb = Buffer.alloc(16 << 20)
      const packing = client.producer({ timeout: 10_000, compression: 'gzip' })
      for (let index = 0; index < 12; index++) await packing.send([{ topic, partition: 0, key: null, value: bomb }])
      await packing.close()
      const member = client.member(
        { group, topics: [topic], sessionTimeout: 3000, rebalanceTimeout: 5000, maxBytes: 1 << 20 },
        { assigned() {}, revoked() {}, gap() {}, unreadable: () => 'wait', failing() {}, recovered() {}, replaced() {} },
      )
      for (let taken = 0; taken < 12; ) {
        const bytes = (await member.poll()).map(({ records }) => records.map(({ value }) => value!.length))
        expect(bytes).toEqual([[bomb.length]])
        taken++
      }
      await member.close()
    }, 60_000)

    test('a paused partition takes no room, the others go on, and a seek reads again', async () => {
      const member = joins()
      await member.owns(4)
      member.member.pause([{ topic, partition: 0 }])
      await send([0, 'held'], [1, 'free'])
      await member.has(1)
      expect(member.values).toEqual(['free'])
      member.member.seek({ topic, partition: 1 }, 0)
      await member.has(2)
      member.member.resume([{ topic, partition: 0 }])
      await member.has(3)
      expect(member.values).toEqual(['free', 'free', 'held'])
    })
  })
})
