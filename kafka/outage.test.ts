import { FreezableClock, failure, newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import type { Producer } from './index.js'

const RECOVERS_WITHIN_MS = 15_000
const SESSION_MS = 2_000

describeKafka(
  'outages',
  () => {
    let broker: KafkaBroker
    let client: TestClient
    let topic: string
    const closing: { close(): Promise<void> }[] = []
    const reads = (group = uniqueName('group'), from = client): TestMember => {
      const member = new TestMember(from, { group, topics: [topic], sessionTimeout: SESSION_MS })
      closing.push(member)
      return member
    }
    /** Sends numbers one after the other as long as it is not stopped; those that were acknowledged. */
    const steadily = (producer: Producer): { acknowledged: number[]; failed: unknown[]; stop(): Promise<void> } => {
      const acknowledged: number[] = []
      const failed: unknown[] = []
      let stopped = false
      const work = (async () => {
        for (let number = 0; !stopped; number++) {
          await producer.send([{ topic, partition: number % 2, key: null, value: Buffer.from(String(number)) }]).then(
            () => acknowledged.push(number),
            error => failed.push(error),
          )
          await new Promise(resolve => setTimeout(resolve, 10))
        }
      })()
      const stop = async (): Promise<void> => {
        stopped = true
        await work
      }
      return { acknowledged, failed, stop }
    }

    beforeAll(async () => {
      broker = await KafkaBroker.start()
    }, 400_000)
    beforeEach(async () => {
      client = testClient(broker.brokers, { requestTimeout: 3000, connectionTimeout: 2000 })
      topic = await newTopic(client, 2)
    })
    afterEach(async () => {
      await Promise.all(closing.splice(0).map(each => each.close()))
    })
    afterAll(() => broker?.stop())

    test('a broker that is killed and comes back: what was acknowledged is read once and in order, and reading goes on within 15 s', async () => {
      const producer = client.producer({ timeout: 60_000 })
      closing.push(producer)
      const member = reads()
      const load = steadily(producer)
      await member.has(50)
      await broker.kill()
      await new Promise(resolve => setTimeout(resolve, 4000))
      await broker.restart()
      const up = Date.now()
      const before = load.acknowledged.length
      await until('writing goes on', () => load.acknowledged.length > before + 20, RECOVERS_WITHIN_MS)
      const written = Date.now() - up
      await load.stop()
      await member.has(load.acknowledged.length, RECOVERS_WITHIN_MS)
      expect(Date.now() - up).toBeLessThan(RECOVERS_WITHIN_MS)
      expect(written).toBeLessThan(RECOVERS_WITHIN_MS)
      expect(load.failed).toEqual([])
      for (const partition of [0, 1]) {
        const numbers = member.records.filter(each => each.partition === partition).map(({ offset, value }) => [offset, Number(value)])
        // A member that commits nothing begins anew after a lost generation: by offset each record is there once, with what it was written with.
        const unique = [...new Map(numbers.map(([offset, value]) => [offset, value] as const)).values()]
        expect(unique).toEqual(load.acknowledged.filter(number => number % 2 === partition))
      }
      expect(member.told.filter(word => word === 'failing')).toEqual(['failing'])
      expect(member.told).toContain('recovered')
      expect(client.log.lines.filter(line => !line.startsWith('debug'))).toEqual([])
    }, 90_000)

    test('a broker frozen for longer than the session: no record is lost or repeated in the log, and work goes on when it thaws', async () => {
      const producer = client.producer({ timeout: 60_000 })
      closing.push(producer)
      const member = reads()
      const load = steadily(producer)
      await member.has(20)
      broker.freeze()
      await new Promise(resolve => setTimeout(resolve, 3 * SESSION_MS))
      expect(member.member.generation).toBeUndefined()
      broker.thaw()
      const before = load.acknowledged.length
      await until('writing goes on', () => load.acknowledged.length > before + 20, RECOVERS_WITHIN_MS)
      await load.stop()
      await member.owns(2)
      await until('all is read', () => new Set(member.values).size === load.acknowledged.length, RECOVERS_WITHIN_MS)
      const offsets = await client.admin().offsets(topic)
      expect([...offsets.values()].reduce((sum, { end }) => sum + end, 0)).toBe(load.acknowledged.length)
      expect(load.failed).toEqual([])
      expect(member.told).toEqual(expect.arrayContaining(['lost', 'failing', 'recovered']))
    }, 90_000)

    test('a member frozen for longer than its session is a zombie: its partitions go to another, and its commit is refused', async () => {
      const clock = new FreezableClock()
      const freezing = testClient(broker.brokers, {}, clock)
      const group = uniqueName('group')
      const zombie = reads(group, freezing)
      await zombie.owns(2)
      const { generation } = zombie
      clock.freeze()
      const heir = reads(group)
      await heir.owns(2)
      await heir.member.commit(heir.generation, [{ topic, partition: 0, offset: 0, metadata: 'heir' }])
      // It does not know yet, and tries.
      expect(zombie.member.generation).toBe(generation)
      const commit = zombie.member.commit(generation, [{ topic, partition: 0, offset: 0, metadata: 'zombie' }])
      expect(await failure(commit)).toMatchObject({ kind: 'fenced' })
      expect(await client.admin().committed(group, topic)).toEqual(new Map([[0, { offset: 0, metadata: 'heir' }]]))
      clock.thaw()
      await zombie.owns(1)
      await heir.owns(1)
      expect(zombie.told.slice(0, 2)).toEqual(['assigned 0,1', 'lost'])
    }, 60_000)

    test('a member whose broker is not there says so once, and works when it comes', async () => {
      await broker.kill()
      const member = reads()
      await until('it is told', () => member.failures.length > 0)
      expect(member.failures[0]).toMatchObject({
        kind: 'retryable',
        code: 'CONNECTION',
        message: expect.stringContaining(broker.brokers[0]!),
      })
      await broker.restart()
      await member.owns(2)
      expect(member.told).toEqual(['failing', 'assigned 0,1', 'recovered'])
    }, 60_000)
  },
  { own: true },
)
