import type { Batch } from '../../proto/batch.js'
import { toJson } from '../../proto/json/index.js'
import { Admission, MemoryAdmission } from '../../runtime/admission.js'
import { SystemClock } from '../../runtime/clock.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { TokenMap } from '../../runtime/host.js'
import { harness } from '../../runtime/testing/harness.js'
import { Recorder } from '../../runtime/testing/recorder.js'
import { newTopic, type TestClient, TestMember, testClient, uniqueName } from '../../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../../test/support/kafka/index.js'
import { batchOf, bytesOf, OTLP_SIGNALS, requestOf } from '../../test/support/kafka/telemetry.js'
import { until } from '../../test/support/until.js'
import kafka from './index.js'

describeKafka(
  'receiver kafka',
  () => {
    let broker: KafkaBroker
    let client: TestClient
    const ends: (() => Promise<unknown> | undefined)[] = []
    const receiver = async (options: Record<string, unknown>, answer: Recorder['answer'] = () => undefined) => {
      const clock = new SystemClock()
      const host = new TokenMap().put(Admission, new MemoryAdmission(clock, 256 << 20))
      const { upstream, meter, log } = harness('kafka', { clock, host })
      const out = new Recorder(true)
      out.answer = answer
      const config = kafka.config.parse({
        brokers: broker.brokers,
        initial_offset: 'earliest',
        session_timeout: '3s',
        rebalance_timeout: '5s',
        autocommit: { interval: '100ms' },
        error_backoff: { initial_interval: '50ms', max_interval: '200ms' },
        ...options,
      })
      const signals = OTLP_SIGNALS.filter(signal => signal in options)
      const instance = kafka.create(config, { ...upstream, next: out.consume, signals })
      await instance.start?.()
      const stop = async (): Promise<void> => instance.stop?.(AbortSignal.timeout(3_000))
      ends.push(stop)
      return { out, meter, log, stop, names: () => out.batches.map(nameOf) }
    }
    const nameOf = (batch: Batch): string => /line \d+/.exec(Buffer.concat(batch.slices as Uint8Array[]).toString('latin1'))?.[0] ?? ''
    const write = async (topic: string, values: readonly (Uint8Array | null)[], partitions = 1): Promise<void> => {
      const producer = client.producer({ timeout: 10_000 })
      await producer.send(values.map((value, index) => ({ topic, partition: index % partitions, key: Buffer.from(`key ${index}`), value })))
      await producer.close()
    }
    const lines = (from: number, count: number): Buffer[] =>
      Array.from({ length: count }, (_, index) => requestOf('logs', {}, `line ${from + index}`))
    const committed = async (group: string, topic: string): Promise<number> =>
      [...(await client.admin().committed(group, topic)).values()].reduce((sum, { offset }) => sum + offset, 0)

    beforeAll(async () => {
      broker = await KafkaBroker.start()
      client = testClient(broker.brokers)
    }, 400_000)
    afterEach(async () => {
      await Promise.all(ends.splice(0).map(end => end()))
    })
    afterAll(() => broker?.stop())

    test.each(OTLP_SIGNALS)('%s arrive byte for byte, and their offset is committed', async signal => {
      const topic = await newTopic(client)
      const group = uniqueName('group')
      const request = requestOf(signal, { a: 'b' }, 'line', 3)
      await write(topic, [request])
      const { out, meter } = await receiver({ [signal]: { topics: [topic] }, group_id: group })
      await until('it is there', () => out.batches.length === 1)
      expect(bytesOf(out.batches[0]!)).toBe(request.toString('hex'))
      expect(out.items).toBe(3)
      await until('it is committed', async () => (await committed(group, topic)) === 1)
      expect(meter.sum('otelcol_kafka_receiver_records')).toBe(1)
      expect(meter.sum('otelcol_kafka_receiver_current_offset')).toBe(1)
      expect(meter.sum('otelcol_kafka_receiver_offset_lag')).toBe(0)
    })

    test.each(OTLP_SIGNALS)('%s as JSON', async signal => {
      const topic = await newTopic(client)
      await write(topic, [Buffer.from(toJson(signal, batchOf(signal, requestOf(signal, {}, 'line', 2))))])
      const { out } = await receiver({ [signal]: { topics: [topic], encoding: 'otlp_json' }, group_id: uniqueName('group') })
      await until('it is there', () => out.batches.length === 1)
      expect(out.items).toBe(2)
    })

    it('a poison record goes to the dead-letter topic as it came, with its reason; the rest goes on', async () => {
      const [topic, dead, group] = [await newTopic(client), await newTopic(client), uniqueName('group')]
      const poison = Buffer.from([10, 250, 1, 2])
      await write(topic, [...lines(0, 1), poison, ...lines(1, 2)])
      const refuse = (batch: Batch) => (nameOf(batch) === 'line 1' ? new PermanentError('no such tenant', 'rejected') : undefined)
      const { meter } = await receiver({ logs: { topics: [topic] }, group_id: group, dead_letter: { topic: dead } }, refuse)
      await until('all is committed', async () => (await committed(group, topic)) === 4)
      const letters = new TestMember(client, { group: uniqueName('group'), topics: [dead] })
      ends.push(() => letters.close())
      await letters.has(2)
      const byOffset = new Map(
        letters.records.map(record => {
          const headers = Object.fromEntries(
            record.headers.map(([name, value]) => [name.replace('ai_factory.dead_letter.', ''), String(value)]),
          )
          return [headers.offset, { record, headers }]
        }),
      )
      const malformed = byOffset.get('1')!
      expect(malformed.record.value).toEqual(poison)
      expect(malformed.record.key?.toString()).toBe('key 1')
      expect(malformed.headers).toMatchObject({ topic, partition: '0', reason: 'malformed', receiver: 'kafka' })
      expect(byOffset.get('2')!.headers).toMatchObject({ reason: 'rejected', message: 'no such tenant' })
      expect(meter.sum('otelcol_kafka_receiver_unmarshal_failed_log_records')).toBe(1)
      expect(meter.sum('ai_factory_gateway_kafka_undeliverable_records_total', { outcome: 'dead_letter' })).toBe(2)
    })

    it('without a dead-letter topic it is counted, logged and skipped', async () => {
      const [topic, group] = [await newTopic(client), uniqueName('group')]
      await write(topic, [Buffer.from('{'), null, ...lines(0, 1)])
      const { meter, log, names } = await receiver({ logs: { topics: [topic], encoding: 'otlp_proto' }, group_id: group })
      await until('all is committed', async () => (await committed(group, topic)) === 3)
      expect(names()).toEqual(['line 0'])
      expect(meter.sum('ai_factory_gateway_kafka_undeliverable_records_total', { reason: 'malformed', outcome: 'skipped' })).toBe(1)
      expect(log.lines.filter(({ message }) => message.startsWith('skipped'))).toHaveLength(1)
    })

    it('what is refused for now is handed on again and nothing behind it is committed; other partitions go on', async () => {
      const [topic, group] = [await newTopic(client, 2), uniqueName('group')]
      await write(topic, lines(0, 40), 2)
      let down = true
      const { out, names } = await receiver({ logs: { topics: [topic] }, group_id: group, max_in_flight: 4 }, batch =>
        down && Number(nameOf(batch).slice(5)) % 2 === 0 ? new RetryableError('down', 'unavailable') : undefined,
      )
      await until('the other partition is done', async () => (await committed(group, topic)) === 20)
      expect(new Set(names().filter(name => Number(name.slice(5)) % 2 === 0)).size).toBeLessThanOrEqual(4)
      down = false
      await until('all is committed', async () => (await committed(group, topic)) === 40)
      expect(new Set(names()).size).toBe(40)
      expect(out.batches.length).toBeGreaterThan(40)
    })

    it('what was read and not acknowledged when it ended is read again by the next', async () => {
      const [topic, group] = [await newTopic(client), uniqueName('group')]
      await write(topic, lines(0, 10))
      const first = await receiver({ logs: { topics: [topic] }, group_id: group }, batch =>
        Number(nameOf(batch).slice(5)) < 4 ? undefined : new Promise<undefined>(() => {}),
      )
      await until('all were handed on', () => first.out.batches.length === 10)
      const begun = performance.now()
      await first.stop()
      expect(performance.now() - begun).toBeLessThan(6_000)
      expect(await committed(group, topic)).toBe(4)
      const second = await receiver({ logs: { topics: [topic] }, group_id: group })
      await until('the rest came', () => second.out.batches.length === 6)
      expect(second.names()[0]).toBe('line 4')
    }, 30_000)

    it('no more than max_in_flight of a partition are under way, in order', async () => {
      const [topic, group] = [await newTopic(client), uniqueName('group')]
      await write(topic, lines(0, 50))
      let now = 0
      let most = 0
      const { names } = await receiver({ logs: { topics: [topic] }, group_id: group, max_in_flight: 3 }, async () => {
        most = Math.max(most, ++now)
        await new Promise(resolve => setTimeout(resolve, 5))
        now--
        return undefined
      })
      await until('all came', async () => (await committed(group, topic)) === 50)
      expect(most).toBe(3)
      expect(names()).toEqual(Array.from({ length: 50 }, (_, index) => `line ${index}`))
    })

    it('a backlog larger than the buffers is read to its end, and pauses keep what waits small', async () => {
      const [topic, group] = [await newTopic(client), uniqueName('group')]
      const big = Array.from({ length: 60 }, (_, index) => requestOf('logs', {}, `line ${index}`, 1, 50_000))
      await write(topic, big)
      const { names } = await receiver(
        { logs: { topics: [topic] }, group_id: group, max_partition_fetch_size: '200KiB', max_fetch_size: '400KiB', max_in_flight: 2 },
        async () => {
          await new Promise(resolve => setTimeout(resolve, 10))
          return undefined
        },
      )
      await until('all came', async () => (await committed(group, topic)) === 60, 20_000)
      expect(names()).toEqual(Array.from({ length: 60 }, (_, index) => `line ${index}`))
    }, 30_000)

    it('a second receiver joins and leaves: nothing is lost', async () => {
      const [topic, group] = [await newTopic(client, 4), uniqueName('group')]
      const slowly = async () => {
        await new Promise(resolve => setTimeout(resolve, 3))
        return undefined
      }
      const first = await receiver({ logs: { topics: [topic] }, group_id: group, max_in_flight: 2 }, slowly)
      await write(topic, lines(0, 400), 4)
      await until('the first reads', () => first.out.batches.length > 20)
      const second = await receiver({ logs: { topics: [topic] }, group_id: group, max_in_flight: 2 }, slowly)
      // A member learns of another one by its next heartbeat: records come all the time.
      let written = 400
      const more = async (count: number): Promise<void> => {
        await write(topic, lines(written, count), 4)
        written += count
      }
      await until(
        'the second reads',
        async () => {
          await more(40)
          return second.out.batches.length > 100
        },
        20_000,
      )
      await second.stop()
      await more(100)
      const all = () => new Set([...first.names(), ...second.names()])
      await until('all came', () => all().size === written, 30_000)
      await until('all is committed', async () => (await committed(group, topic)) === written)
    }, 90_000)

    it('a broker that dies and comes back in the middle: nothing is lost', async () => {
      const [topic, group] = [await newTopic(client), uniqueName('group')]
      await write(topic, lines(0, 100))
      const { names } = await receiver({ logs: { topics: [topic] }, group_id: group })
      await until('the first came', () => names().length >= 100)
      await broker.kill()
      await new Promise(resolve => setTimeout(resolve, 1_000))
      await broker.restart()
      await write(topic, lines(100, 100))
      await until('all came', () => new Set(names()).size === 200, 30_000)
      await until('all is committed', async () => (await committed(group, topic)) === 200, 15_000)
    }, 90_000)
  },
  { own: true },
)
