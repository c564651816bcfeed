/** A gateway that reads from Kafka dies with kill -9 between what it handed on and what was acknowledged: the next one brings everything. */
import { RecordingBackend } from './support/backend.js'
import { TestGateway } from './support/gateway.js'
import { newTopic, testClient, uniqueName } from './support/kafka/client.js'
import { describeKafka, sharedBrokers } from './support/kafka/index.js'
import { requestOf } from './support/kafka/telemetry.js'
import { until } from './support/until.js'

const RECORDS = 300

describeKafka('a killed reader of Kafka', () => {
  it('loses nothing: what was not acknowledged is read again', async () => {
    const brokers = await sharedBrokers()
    const client = testClient(brokers)
    const topic = await newTopic(client, 3)
    const producer = client.producer({ timeout: 10_000 })
    const numbers = Array.from({ length: RECORDS }, (_, index) => index)
    await producer.send(numbers.map(index => ({ topic, partition: index % 3, key: null, value: requestOf('logs', {}, `line <${index}>`) })))
    await producer.close()

    const backend = await RecordingBackend.open()
    const taken = () => new Set(backend.taken.map(({ body }) => /line <(\d+)>/.exec(body.toString('latin1'))?.[1]))
    // Answers slowly: there is always something under way.
    backend.judge = () => new Promise(resolve => setTimeout(() => resolve(undefined), 30))
    const group = uniqueName('group')
    const config = `
receivers:
  kafka: {brokers: ${JSON.stringify(brokers)}, group_id: ${group}, initial_offset: earliest, session_timeout: 2s, logs: {topics: [${topic}]}, autocommit: {interval: 100ms}}
exporters: {otlp_http: {endpoint: "${backend.httpUrl}"}}
service: {pipelines: {logs: {receivers: [kafka], exporters: [otlp_http]}}}
`
    const first = await TestGateway.start({ config })
    await until('some came', () => backend.taken.length > 60, 20_000)
    await first.stop('SIGKILL')
    expect(taken().size).toBeLessThan(RECORDS)
    const second = await TestGateway.start({ config })
    try {
      await until('all came', () => taken().size === RECORDS, 30_000)
      const committed = async (): Promise<number> =>
        [...(await client.admin().committed(group, topic)).values()].reduce((sum, { offset }) => sum + offset, 0)
      await until('all is committed', async () => (await committed()) === RECORDS)
    } finally {
      await second.stop()
      await backend.close()
    }
  }, 90_000)
})
