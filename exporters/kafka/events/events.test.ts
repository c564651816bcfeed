import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import avsc from 'avsc'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { eventsBatch } from '../../../proto/events/codec.js'
import type { CorrelatedEvent } from '../../../proto/events/event.js'
import { schemaPath } from '../../../proto/schema.js'
import { SystemClock } from '../../../runtime/clock.js'
import { harness } from '../../../runtime/testing/harness.js'
import { newTopic, type TestClient, TestMember, testClient, uniqueName } from '../../../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../../../test/support/kafka/index.js'
import kafka from '../index.js'
import { eventEncoder } from './encoding.js'
import { eventOptions } from './options.js'
import { SchemaRegistry } from './registry.js'
import { RegistryDouble } from './testing/registry_double.js'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const event = (workloadId: string, watts: number): CorrelatedEvent => ({
  id: bytes(0xde, 0xad, 1),
  schemaVersion: 1,
  workloadId,
  workloadSource: 'label',
  workloadConfidence: 'high',
  windowStartMs: 1_790_000_000_000,
  windowLengthMs: 10_000,
  flags: ['cut'],
  headlineSource: 'engine_metrics',
  gpu: { count: 2, ids: ['GPU-1', 'GPU-"2"'], powerWatts: watts, energyJoules: 0, coverage: 0.5, carriedSeconds: 1.25 },
  tokens: [{ source: 'engine_metrics', input: 12, output: 3.5 }],
  requests: [{ source: 'client_spans', finishReason: 'stop', count: 4, lateCount: 0 }],
  exemplars: [{ traceId: bytes(1, 2), spanId: bytes(3), reason: 'slowest', durationSeconds: 2 }],
  gpuTime: [{ model: 'H100', bucket: 'productive', seconds: 7.5, cost: 0.25 }],
  tenants: [],
  slo: [],
})
const ONE = event('cluster/team/chat', 612.5)
/** As the published schemas name it; what is unknown is null, ids in hex. */
const SAID = {
  id: 'dead01',
  schema_version: 1,
  workload_id: 'cluster/team/chat',
  workload_source: 'label',
  workload_confidence: 'high',
  window_start_ms: 1_790_000_000_000,
  window_length_ms: 10_000,
  flags: ['cut'],
  headline_source: 'engine_metrics',
  gpu: {
    count: 2,
    ids: ['GPU-1', 'GPU-"2"'],
    utilization: null,
    sm_active: null,
    tensor_active: null,
    memory_utilization: null,
    memory_usage_bytes: null,
    power_watts: 612.5,
    energy_joules: 0,
    late_energy_joules: null,
    temperature_max_celsius: null,
    throttled: null,
    coverage: 0.5,
    carried_seconds: 1.25,
  },
  serving: null,
  tokens: [{ source: 'engine_metrics', input: 12, output: 3.5, cached: null, late_input: null, late_output: null, late_cached: null }],
  requests: [{ source: 'client_spans', finish_reason: 'stop', count: 4, late_count: 0 }],
  spans: null,
  exemplars: [{ trace_id: '0102', span_id: '03', reason: 'slowest', duration_seconds: 2 }],
  gpu_time: [{ model: 'H100', bucket: 'productive', seconds: 7.5, cost: 0.25 }],
  tenants: [],
  efficiency: null,
  slo: [],
}

describe('correlated events as values of records', () => {
  let double: RegistryDouble
  let url: string
  beforeAll(async () => {
    double = new RegistryDouble()
    url = await double.open()
  })
  afterAll(() => double.close())
  const encode = async (options: object): Promise<Buffer> => {
    const parsed = eventOptions.parse(options)
    const registry = parsed.schema_registry && new SchemaRegistry(parsed.schema_registry, parsed.topic)
    return (await eventEncoder(parsed, registry))(ONE)
  }

  test('json has the names of the schema and ids in hex', async () => {
    expect(JSON.parse((await encode({ encoding: 'json' })).toString())).toEqual(SAID)
  })

  test('protobuf is a CorrelatedEvent, and in Confluent’s format says which message of events.proto it is', async () => {
    const type = protobuf.parse(readFileSync(schemaPath('events.proto'), 'utf8')).root.lookupType('ai_factory.v1.CorrelatedEvent')
    const bare = await encode({})
    expect(type.decode(bare).toJSON()).toMatchObject({ workloadId: ONE.workloadId, gpu: { powerWatts: 612.5 } })
    const framed = await encode({ schema_registry: { urls: [url] }, topic: 'proto' })
    const [registered] = double.subjects.get('proto-value')!
    expect(registered).toMatchObject({ type: 'PROTOBUF', schema: readFileSync(schemaPath('events.proto'), 'utf8') })
    expect(framed).toEqual(Buffer.concat([Buffer.from([0, 0, 0, 0, registered!.id, 2, 2]), bare]))
    // By that index a reader finds the message in the file.
    expect(registered!.schema.match(/(?<=^message )\w+/gm)?.[1]).toBe('CorrelatedEvent')
  })

  test('avro is one object with the schema’s fingerprint, and in Confluent’s format has the schema’s id', async () => {
    const type = avsc.Type.forSchema(JSON.parse(readFileSync(schemaPath('events.avsc'), 'utf8')))
    const single = await encode({ encoding: 'avro' })
    expect(single.subarray(0, 2)).toEqual(Buffer.from([0xc3, 0x01]))
    const framed = await encode({ encoding: 'avro', schema_registry: { urls: [url] }, topic: 'avro' })
    expect(framed.subarray(0, 5)).toEqual(Buffer.from([0, 0, 0, 0, double.subjects.get('avro-value')![0]!.id]))
    for (const body of [single.subarray(10), framed.subarray(5)])
      expect(type.fromBuffer(body)).toMatchObject({ workload_id: ONE.workloadId, gpu: { count: 2, power_watts: 612.5, utilization: null } })
  })
})

describeKafka(
  'correlated events on Kafka',
  () => {
    let broker: KafkaBroker
    let client: TestClient
    const ends: (() => Promise<unknown>)[] = []
    const exporter = async (options: object) => {
      const clock = new SystemClock()
      const { context, meter } = harness('kafka', { clock })
      const config = kafka.config.parse({ brokers: broker.brokers, ...options })
      const instance = kafka.create(config, context)
      await instance.start?.()
      ends.push(async () => instance.stop?.(AbortSignal.timeout(3000)))
      return { instance, meter }
    }
    const read = async (topic: string, count: number): Promise<TestMember> => {
      const member = new TestMember(client, { group: uniqueName('group'), topics: [topic] })
      ends.push(() => member.close())
      await member.has(count)
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

    /** events.proto as other languages' libraries read it. */
    const descriptors = (): string => {
      const path = join(mkdtempSync(join(tmpdir(), 'events-')), 'events.desc')
      const { root } = protobuf.parse(readFileSync(schemaPath('events.proto'), 'utf8'), { keepCase: true })
      writeFileSync(path, descriptor.FileDescriptorSet.encode((root.resolveAll() as protobuf.Root).toDescriptor('proto3')).finish())
      return path
    }

    test('one record an event, keyed by its workload, of which readers in Java make the same event', async () => {
      const double = new RegistryDouble()
      const url = await double.open()
      const reader = (name: string) => join(__dirname, '../../../test/support/kafka', name)
      const proto = descriptors()
      ends.push(async () => rmSync(dirname(proto), { recursive: true }))
      for (const [encoding, way, registry] of [
        ['avro', 'single_object', {}],
        ['avro', 'confluent', { schema_registry: { urls: [url] } }],
        ['protobuf', 'bare', {}],
        ['protobuf', 'confluent', { schema_registry: { urls: [url] } }],
      ] as const) {
        const topic = await newTopic(client, 2)
        const { instance } = await exporter({ events: { topic, encoding, ...registry } })
        expect(instance.signals).toContain('events')
        await instance.consume(eventsBatch([ONE, event('other', 1)]))
        const { records } = await read(topic, 2)
        expect(records.map(({ key }) => key?.toString()).sort()).toEqual(['cluster/team/chat', 'other'])
        const mine = records.find(({ key }) => key?.toString() === ONE.workloadId)!
        const program =
          encoding === 'avro' ? [reader('ReadEvents.java'), schemaPath('events.avsc')] : [reader('ReadProtobufEvents.java'), proto]
        const said = await broker.tool(program[0]!, program[1]!, way, mine.value!.toString('base64'))
        expect(JSON.parse(said)).toEqual(SAID)
      }
      double.close()
    }, 60_000)

    test('events wait while the registry is away, and none is lost', async () => {
      const double = new RegistryDouble()
      const url = await double.open()
      double.failing = 2
      const topic = await newTopic(client, 1)
      const { instance } = await exporter({
        events: { topic, encoding: 'avro', schema_registry: { urls: [url] } },
        retry_on_failure: { initial_interval: '50ms', max_interval: '100ms' },
      })
      // Each refusal asks for five seconds of patience: a test has no such time.
      const sent = instance.consume(eventsBatch([ONE]))
      await read(topic, 1)
      await sent
      double.close()
    }, 30_000)

    test('one that Avro cannot hold is refused alone and counted; the others are written', async () => {
      const topic = await newTopic(client, 1)
      const { instance, meter } = await exporter({ events: { topic, encoding: 'avro' } })
      const bad = { ...ONE, workloadId: 'bad', gpu: { ...ONE.gpu!, count: 2 ** 31 } }
      await instance.consume(eventsBatch([bad, ONE])).catch(() => {})
      expect((await read(topic, 1)).records.map(({ key }) => key?.toString())).toEqual([ONE.workloadId])
      expect(meter.sum('ai_factory_gateway_exporter_send_failed_events')).toBe(1)
      expect(meter.sum('ai_factory_gateway_dropped_items', { signal: 'events', reason: 'bad_data' })).toBe(1)
    })

    test('with round_robin each goes to the next partition', async () => {
      const topic = await newTopic(client, 4)
      const { instance } = await exporter({ events: { topic }, record_partitioner: { round_robin: {} } })
      await instance.consume(eventsBatch(Array.from({ length: 8 }, (_, index) => event(`w${index}`, 1))))
      const { records } = await read(topic, 8)
      expect([0, 1, 2, 3].map(partition => records.filter(record => record.partition === partition).length)).toEqual([2, 2, 2, 2])
    })

    test('a registry slower than an attempt makes no copies', async () => {
      const double = new RegistryDouble()
      const url = await double.open()
      double.delay = 400
      const topic = await newTopic(client, 1)
      const { instance } = await exporter({
        timeout: '500ms',
        retry_on_failure: { initial_interval: '20ms', max_interval: '50ms' },
        events: { topic, encoding: 'avro', schema_registry: { urls: [url] } },
      })
      await instance.consume(eventsBatch([ONE]))
      // Behind it on the only partition: whatever else there was to come lies before it.
      await instance.consume(eventsBatch([event('last', 1)]))
      const { records } = await read(topic, 2)
      expect(records.map(({ key }) => key?.toString())).toEqual([ONE.workloadId, 'last'])
      double.close()
    }, 30_000)

    test('without events set they are none of its signals', async () => {
      expect((await exporter({})).instance.signals).toEqual(['traces', 'metrics', 'logs'])
    })

    test('signals left out are not taken', async () => {
      const { instance } = await exporter({ signals: ['events', 'logs'], events: {} })
      expect(instance.signals).toEqual(['logs', 'events'])
    })
  },
  { own: true },
)
