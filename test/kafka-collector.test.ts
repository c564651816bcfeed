/** A real Collector on the other side of Kafka: what it writes the gateway's receiver reads, what the exporter writes it reads; all signals, both encodings. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COLLECTOR, missingCollector } from '../bench/subject.js'
import kafkaExporter from '../exporters/kafka/index.js'
import type { Batch } from '../proto/batch.js'
import { toJson } from '../proto/json/index.js'
import { HTTP_PATHS, OTLP_SIGNALS } from '../proto/services.js'
import kafkaReceiver from '../receivers/kafka/index.js'
import { Admission, MemoryAdmission } from '../runtime/admission.js'
import { SystemClock } from '../runtime/clock.js'
import { TokenMap } from '../runtime/host.js'
import { harness } from '../runtime/testing/harness.js'
import { Recorder } from '../runtime/testing/recorder.js'
import { freePort } from '../simulator/gateway.js'
import { RecordingBackend } from './support/backend.js'
import { newTopic, TestMember, testClient, uniqueName } from './support/kafka/client.js'
import { describeKafka, sharedBrokers } from './support/kafka/index.js'
import { batchOf, bytesOf, requestOf } from './support/kafka/telemetry.js'
import { until } from './support/until.js'

const ENCODINGS = ['otlp_proto', 'otlp_json'] as const
const WORKLOAD = 'ai_factory.workload.id'

const missing =
  missingCollector() ??
  (execFileSync(COLLECTOR, ['components'], { encoding: 'utf8' }).includes('name: kafka')
    ? undefined
    : `${COLLECTOR} was built before it had Kafka: remove it, and it is built anew`)
if (missing !== undefined) process.stderr.write(`SKIPPED: the tests with a real Collector on Kafka: ${missing}\n`)
const describeBoth = missing === undefined ? describeKafka : describe.skip

/** What a request says: the Collector writes fields in another order, and empty ones too. */
const said = (batch: Batch): unknown => {
  const full = (value: unknown): boolean =>
    value !== '' && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  return JSON.parse(toJson(batch.signal, batch), (_, value: unknown) => (full(value) ? value : undefined))
}

/** The Collector drops what it does not know. */
const known = (signal: (typeof OTLP_SIGNALS)[number], name: string, items: number) =>
  requestOf(signal, { [WORKLOAD]: 'c/n/chat' }, name, items, 10, false)

describeBoth('Kafka between a Collector and the gateway', () => {
  let brokers: string[]
  const ends: (() => Promise<unknown> | undefined)[] = []
  const start = async (yaml: string): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), 'collector-'))
    writeFileSync(join(folder, 'config.yaml'), yaml)
    const child: ChildProcess = spawn(COLLECTOR, ['--config', join(folder, 'config.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] })
    let words = ''
    let ready = false
    child.stderr?.on('data', chunk => {
      words += chunk
      // It says much in little time, and only the end of it is kept.
      ready ||= words.includes('Everything is ready')
      words = words.slice(-8000)
    })
    ends.push(async () => {
      if (child.exitCode === null && child.kill()) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    })
    const runs = () => {
      if (child.exitCode !== null) throw new Error(words)
      return ready
    }
    await until('the Collector runs', runs, 120_000).catch((error: unknown) => {
      throw new Error(`${String(error)}, and says:\n${words}`)
    })
  }
  const parts = () => {
    const clock = new SystemClock()
    return harness('kafka', { clock, host: new TokenMap().put(Admission, new MemoryAdmission(clock, 256 << 20)) })
  }

  beforeAll(async () => {
    brokers = await sharedBrokers()
  }, 400_000)
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  test.each(ENCODINGS)(
    'the Collector writes %s, the gateway reads it',
    async encoding => {
      const client = testClient(brokers)
      const topics = { traces: await newTopic(client), metrics: await newTopic(client), logs: await newTopic(client) }
      const port = await freePort()
      const signals = OTLP_SIGNALS.map(signal => `${signal}: {topic: ${topics[signal]}, encoding: ${encoding}}`).join(', ')
      await start(`
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${port}"}}}}
exporters: {kafka: {brokers: ${JSON.stringify(brokers)}, ${signals}}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {${OTLP_SIGNALS.map(signal => `${signal}: {receivers: [otlp], exporters: [kafka]}`).join(', ')}}
`)
      const { upstream } = parts()
      const out = new Recorder(true)
      const options = Object.fromEntries(OTLP_SIGNALS.map(signal => [signal, { topics: [topics[signal]], encoding }]))
      const config = kafkaReceiver.config.parse({ brokers, group_id: uniqueName('group'), initial_offset: 'earliest', ...options })
      const receiver = kafkaReceiver.create(config, { ...upstream, next: out.consume })
      await receiver.start?.()
      ends.push(() => receiver.stop?.(AbortSignal.timeout(5_000)))
      for (const signal of OTLP_SIGNALS) {
        const headers = { 'content-type': 'application/x-protobuf' }
        const answer = await fetch(`http://127.0.0.1:${port}${HTTP_PATHS[signal]}`, {
          method: 'POST',
          headers,
          body: new Uint8Array(known(signal, 'theirs', 3)),
        })
        expect(answer.status).toBe(200)
      }
      await until('all three signals came', () => out.batches.length === 3, 20_000)
      for (const signal of OTLP_SIGNALS)
        expect(said(out.batches.find(batch => batch.signal === signal)!)).toEqual(said(batchOf(signal, known(signal, 'theirs', 3))))
      // What lies on the topic is handed on as it lies there.
      if (encoding === 'otlp_proto') {
        const member = new TestMember(client, { group: uniqueName('group'), topics: Object.values(topics) })
        ends.push(() => member.close())
        await member.has(3)
        expect(member.records.map(({ value }) => value!.toString('hex')).sort()).toEqual(out.batches.map(bytesOf).sort())
      }
    },
    300_000,
  )

  test.each(ENCODINGS)(
    'the gateway writes %s, the Collector reads it',
    async encoding => {
      const client = testClient(brokers)
      const topics = { traces: await newTopic(client), metrics: await newTopic(client), logs: await newTopic(client) }
      const backend = await RecordingBackend.open()
      ends.push(() => backend.close())
      const { context } = parts()
      const options = Object.fromEntries(OTLP_SIGNALS.map(signal => [signal, { topic: topics[signal], encoding }]))
      const exporter = kafkaExporter.create(kafkaExporter.config.parse({ brokers, ...options }), context)
      await exporter.start?.()
      ends.push(() => exporter.stop?.(AbortSignal.timeout(5_000)))
      for (const signal of OTLP_SIGNALS) await exporter.consume(batchOf(signal, known(signal, 'ours', 3)))
      const signals = OTLP_SIGNALS.map(signal => `${signal}: {topics: [${topics[signal]}], encoding: ${encoding}}`).join(', ')
      await start(`
receivers: {kafka: {brokers: ${JSON.stringify(brokers)}, group_id: ${uniqueName('group')}, initial_offset: earliest, ${signals}}}
exporters: {otlphttp: {endpoint: "${backend.httpUrl}", compression: none}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {${OTLP_SIGNALS.map(signal => `${signal}: {receivers: [kafka], exporters: [otlphttp]}`).join(', ')}}
`)
      await until('all three signals came', () => backend.taken.length === 3, 60_000)
      for (const { signal, body } of backend.taken)
        expect(said(batchOf(signal, body))).toEqual(said(batchOf(signal, known(signal, 'ours', 3))))
    },
    300_000,
  )

  it('a key goes to the same partition from both', async () => {
    const client = testClient(brokers)
    const [theirs, ours] = [await newTopic(client, 7), await newTopic(client, 7)]
    const port = await freePort()
    await start(`
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:${port}"}}}}
exporters: {kafka: {brokers: ${JSON.stringify(brokers)}, traces: {topic: ${theirs}}, partition_traces_by_id: true}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [kafka]}}
`)
    const { context } = parts()
    const exporter = kafkaExporter.create(
      kafkaExporter.config.parse({ brokers, traces: { topic: ours }, partition_traces_by_id: true }),
      context,
    )
    await exporter.start?.()
    ends.push(() => exporter.stop?.(AbortSignal.timeout(5_000)))
    const request = known('traces', 'span', 30)
    await exporter.consume(batchOf('traces', request))
    await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf' },
      body: new Uint8Array(request),
    })
    const places = async (topic: string) => {
      const member = new TestMember(client, { group: uniqueName('group'), topics: [topic] })
      ends.push(() => member.close())
      await member.has(30)
      return Object.fromEntries(member.records.map(({ key, partition }) => [key!.toString(), partition]))
    }
    const placesOfOurs = await places(ours)
    expect(placesOfOurs).toEqual(await places(theirs))
    expect(new Set(Object.values(placesOfOurs)).size).toBeGreaterThan(3)
  }, 300_000)
})
