/**
 * `KAFKA_BROKERS=… node dist/bench/restore.js`: a gateway whose join runs on Kafka is killed under load, and another one takes over on one core. Prints how long it
 * reads again until its state stands, beside the time that this traffic took to come.
 */
import { parseArgs } from 'node:util'
import { waitFor } from './expand.js'
import { helper } from './helper.js'
import { type JoinOnKafka, startJoin } from './join_on_kafka.js'
import { ownMetrics, sumOf } from './own-metrics.js'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '90' }, rate: { type: 'string', default: '20000' } } })
const brokers = process.env.KAFKA_BROKERS
if (!brokers) throw new Error('name a cluster in KAFKA_BROKERS: `npm run kafka` starts one')
const GPUS = 8
const WORKLOADS = 1000
const topic = `restore-${Date.now()}`

const sink = helper('sink.js')
const join: JoinOnKafka = { brokers, topic, group: topic, send: await sink.next<number>('port'), leaving: 'spans' }
const first = await startJoin(join)
const loader = helper('factory-load.js')
const load = { protocol: 'http', workloads: WORKLOADS, gpusPerWorkload: GPUS, spans: 125, spansPerSecond: Number(values.rate) }
loader.ask({ ...load, sampleSeconds: 10, senders: 64, warmupSeconds: 0, seconds: Number(values.seconds) + 30, port: first.ports.receive })
await loader.next<boolean>('warm')
await new Promise(resolve => setTimeout(resolve, Number(values.seconds) * 1000))
const records = sumOf(await ownMetrics(first.ports.metrics), 'ai_factory_gateway_stream_read_records_total')
const perSecond = records / Number(values.seconds)
await first.subject.kill()
loader.kill()

const second = await startJoin(join)
const own = async (name: string) => sumOf(await ownMetrics(second.ports.metrics), name)
// The broker waits for the dead member until its session is over.
await waitFor('the partitions', async () => (await own('ai_factory_gateway_stream_owned_partitions')) > 0, 60_000)
const began = performance.now()
const cpu = second.subject.usage().cpu
await waitFor('the state', async () => (await own('ai_factory_gateway_stream_replayed_records_total')) > 0, 60_000)
await waitFor('the state', async () => (await own('ai_factory_gateway_stream_restoring')) === 0, 60_000)
const took = (performance.now() - began) / 1000
const replayed = await own('ai_factory_gateway_stream_replayed_records_total')
const traffic = replayed / perSecond
console.log(
  `restored in ${took.toFixed(2)} s (CPU ${((second.subject.usage().cpu - cpu) / 1e6).toFixed(2)} s): ${replayed} records, ${traffic.toFixed(1)} s of ${values.rate} spans/s: ${(took / traffic).toFixed(3)} of it`,
)
await second.subject.stop()
sink.kill()
process.exit(0)
