/**
 * `KAFKA_BROKERS=… node dist/bench/fold.js`: a topic that a gateway's join has written is read from its beginning, each reader on one core and in turn: by a gateway
 * that writes what the windows say to a topic, by one that joins every span and sends it on as well, and by the same windowed join in Kafka Streams
 * (kafka-streams/WindowJoin.java), at least once and exactly once; then Kafka Streams with every span and sample as a record of its own. Prints CPU-µs a span, from a fifth of the topic to its end, so that neither start nor compilation counts.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Expanded, waitFor } from './expand.js'
import { helper } from './helper.js'
import { type JoinOnKafka, PARTITIONS, startJoin } from './join_on_kafka.js'
import { clientOf } from './kafka.js'
import type { LoadResult } from './load.js'
import { ownMetrics, sumOf } from './own-metrics.js'
import { Subject } from './subject.js'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, rate: { type: 'string', default: '20000' } } })
const brokers = process.env.KAFKA_BROKERS
if (!brokers) throw new Error('name a cluster in KAFKA_BROKERS: `npm run kafka` starts one')
const SPANS = 125
const WORKLOADS = 1000
const client = clientOf(brokers)
const name = `fold-${Date.now()}`

const gateway = async (topic: string, group: string, leaving: JoinOnKafka['leaving']) => {
  const sink = helper('sink.js')
  const { ports, subject } = await startJoin({ brokers, topic, group, send: await sink.next<number>('port'), leaving })
  return { ports, subject, end: () => subject.stop().finally(() => sink.kill()) }
}

/** A topic as a gateway under load leaves it; the spans in it. */
const fill = async (topic: string): Promise<number> => {
  const { ports, end } = await gateway(topic, `${topic}-writer`, 'spans')
  const loader = helper('factory-load.js')
  const load = { protocol: 'http', workloads: WORKLOADS, gpusPerWorkload: 8, spans: SPANS, spansPerSecond: Number(values.rate) }
  loader.ask({ ...load, sampleSeconds: 10, senders: 64, warmupSeconds: 0, seconds: Number(values.seconds), port: ports.receive })
  await loader.next<boolean>('warm')
  const { acknowledged } = await loader.next<LoadResult>('result')
  await end()
  loader.kill()
  return Array.from(acknowledged).reduce((sum, times) => sum + times, 0) * SPANS
}

const endOf = async (topic: string): Promise<number> =>
  [...(await client.admin().offsets(topic)).values()].reduce((sum, { start, end }) => sum + end - start, 0)

/** CPU-µs for each span of the part of the topic that was read between a fifth and its end, by what `read` says was read so far. */
const measured = async (subject: Subject, spans: number, records: number, read: () => Promise<number>): Promise<number> => {
  const at = async (wanted: number) => {
    await waitFor(`${wanted} records`, async () => (await read()) >= wanted, 300_000)
    return { records: await read(), cpu: subject.usage().cpu }
  }
  const from = await at(records / 5)
  const to = await at(records * 0.98)
  return (to.cpu - from.cpu) / ((spans * (to.records - from.records)) / records)
}

const byGateway = async (topic: string, spans: number, records: number, leaving: JoinOnKafka['leaving']): Promise<number> => {
  const { ports, subject, end } = await gateway(topic, `${topic}-${Date.now()}`, leaving)
  const read = async () => {
    const own = await ownMetrics(ports.metrics)
    return sumOf(own, 'ai_factory_gateway_stream_read_records_total')
  }
  return measured(subject, spans, records, read).finally(end)
}

const byKafkaStreams = async (topic: string, spans: number, records: number, guarantee: string, jars: string): Promise<number> => {
  const application = `${topic}-${guarantee}-${Date.now()}`
  const output = `${application}-out`
  await client.admin().ensureTopic({ topic: output, partitions: 1 })
  const read = async () => {
    const committed = await client.admin().committed(application, topic)
    return [...committed.values()].reduce((sum, { offset }) => sum + offset, 0)
  }
  const program = ['bench/kafka-streams/WindowJoin.java', brokers, topic, output, application, guarantee]
  const command = (folder: string) => ['java', '-Xmx1g', '-XX:+UseSerialGC', `-Djava.io.tmpdir=${folder}`, '-cp', `${jars}/*`, ...program]
  const subject = await Subject.run('Kafka Streams', command, async () => true)
  return measured(subject, spans, records, read).finally(() => subject.stop())
}

const jars = mkdtempSync(join(tmpdir(), 'kafka-streams-'))
try {
  execFileSync('mvn', ['-q', '-B', '-f', 'bench/kafka-streams/pom.xml', 'dependency:copy-dependencies', `-DoutputDirectory=${jars}`])
  const spans = await fill(name)
  const expander = helper('expand.js', [brokers, name, `${name}-single`, String(PARTITIONS)])
  const { records: singles } = await expander.next<Expanded>('expanded')
  for (const [topic, what] of [
    [name, `chunks of ${SPANS}`],
    [`${name}-single`, 'one record a span or sample'],
  ] as const) {
    const records = topic === name ? await endOf(topic) : singles
    const row = (reader: string, micros: number): void =>
      console.log(`${what}: ${reader}: ${micros.toFixed(2)} CPU-µs a span (${spans} spans)`)
    // The gateway reads no topic whose broker does not stamp: single records have the append times of their chunks, or all of them would be late.
    if (topic === name) {
      row('gateway, windows', await byGateway(topic, spans, records, 'windows'))
      row('gateway, windows and joined spans', await byGateway(topic, spans, records, 'spans'))
    }
    for (const guarantee of ['at_least_once', 'exactly_once_v2'])
      row(`Kafka Streams, ${guarantee}`, await byKafkaStreams(topic, spans, records, guarantee, jars))
  }
} finally {
  rmSync(jars, { recursive: true, force: true })
}
process.exit(0)
