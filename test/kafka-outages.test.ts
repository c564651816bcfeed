/**
 * What happens to a stream's cluster, and one gateway that lives through all of it, over TLS and SASL. OUTAGE_SECONDS makes the outage longer:
 * `OUTAGE_SECONDS=120 npx jest test/kafka-outages`.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeAuthority } from '../runtime/testing/certificates.js'
import { RecordingBackend } from './support/backend.js'
import { TestGateway } from './support/gateway.js'
import { spansRequest } from './support/kafka/chaos.js'
import { newTopic, testClient, uniqueName } from './support/kafka/client.js'
import { describeKafka, KafkaBroker } from './support/kafka/index.js'
import { until } from './support/until.js'

const USER = 'gateway'
const PASSWORD = 'right-Passw0rd'
const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 10) * 1000
const TIMEOUT = 120_000 + OUTAGE_MS

describeKafka(
  'a gateway whose stream lies on Kafka',
  () => {
    let broker: KafkaBroker
    let backend: RecordingBackend
    let gateway: TestGateway
    let config: (topic: string) => string
    const topic = uniqueName('stream')
    const acknowledged: string[] = []
    const refusals: string[] = []
    let sending = true
    let sender: Promise<void>

    const post = async (body: string): Promise<boolean> => {
      const headers = { 'content-type': 'application/json' }
      const url = `http://127.0.0.1:${gateway.port('http')}/v1/traces`
      const answer = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(10_000) })
      if (answer.status !== 200) refusals.push(`${answer.status} ${await answer.text()}`)
      return answer.status === 200
    }
    const send = async (): Promise<void> => {
      for (let number = 0; sending; number++) {
        const names = Array.from({ length: 5 }, (_, index) => `span <${number}-${index}>`)
        const body = spansRequest(names, number % 4)
        while (sending && !(await post(body))) await sleep(200)
        if (sending) acknowledged.push(...names)
        await sleep(50)
      }
    }
    const arrived = (): Set<string> => new Set(backend.taken.flatMap(({ body }) => body.toString('latin1').match(/span <[\d-]+>/g) ?? []))
    const refused = async (reason: string): Promise<number> =>
      (await gateway.metrics()).sum('ai_factory_gateway_stream_refused_items_total', { reason })

    /** Senders are refused with a reason while it lasts; afterwards everything acknowledged arrives. */
    const livesThrough = async (what: {
      begin(): Promise<unknown>
      last?: number
      end(): Promise<unknown>
      reason?: string
    }): Promise<void> => {
      const before = what.reason ? await refused(what.reason) : 0
      await what.begin()
      await sleep(what.last ?? 0)
      if (what.reason) await until('senders are refused', async () => (await refused(what.reason!)) > before, 30_000)
      await what.end()
      const taken = acknowledged.length
      await until('senders are heard again', () => acknowledged.length > taken + 50, 60_000)
      const promised = [...acknowledged]
      await until('everything acknowledged has arrived', () => promised.every(name => arrived().has(name)), 60_000)
      expect(gateway.running).toBe(true)
    }

    beforeAll(async () => {
      const folder = mkdtempSync(join(tmpdir(), 'kafka-'))
      const authority = makeAuthority()
      const { cert, key } = authority.issue()
      const keystore = join(folder, 'keystore.pem')
      writeFileSync(keystore, key + cert)
      writeFileSync(join(folder, 'ca.pem'), authority.cert)
      broker = await KafkaBroker.start({
        folder,
        listeners: { SASLTLS: 'SASL_SSL' },
        properties: [
          `listener.name.sasltls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_${USER}="${PASSWORD}";`,
          'sasl.enabled.mechanisms=PLAIN',
          'ssl.keystore.type=PEM',
          `ssl.keystore.location=${keystore}`,
          'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'allow.everyone.if.no.acl.found=true',
          'super.users=User:ANONYMOUS',
        ],
      })
      backend = await RecordingBackend.open()
      const secured = `tls: {ca_file: ${join(folder, 'ca.pem')}}, auth: {sasl: {mechanism: PLAIN, username: ${USER}, password: ${PASSWORD}}}`
      config = name => `
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}
processors: {workload_join: {window: 1s, grace: 2s, max_gap: 2s, history: 10s}}
exporters: {otlp_http: {endpoint: "${backend.httpUrl}", compression: none}}
streams:
  workloads: {driver: kafka, brokers: ['${broker.listeners.SASLTLS}'], ${secured}, topic: ${name}, partitions: 4, tick: 500ms, session_timeout: 6s, produce_timeout: 2s}
service: {pipelines: {factory: {receivers: [otlp], processors: [workload_join], exporters: [otlp_http]}}}
`
      gateway = await TestGateway.start({ config: config(topic) })
      sender = send()
    }, 400_000)
    afterAll(async () => {
      sending = false
      await sender
      await gateway?.stop()
      await Promise.all([broker?.stop(), backend?.close()])
    }, 60_000)

    it(
      'lives through a broker that is killed and comes back',
      () => livesThrough({ begin: () => broker.kill(), end: () => broker.restart() }),
      TIMEOUT,
    )

    it(
      'lives through an outage',
      () => livesThrough({ begin: () => broker.kill(), last: OUTAGE_MS, end: () => broker.restart(), reason: 'unreachable' }),
      TIMEOUT,
    )

    it.each(['WRITE', 'READ'])(
      'lives through a time in which it may not %s the topic',
      operation => {
        const acl = (action: 'add' | 'remove'): Promise<string> =>
          broker.tool(join(__dirname, 'support/kafka/Deny.java'), broker.brokers[0]!, action, USER, topic, operation)
        const reason = operation === 'WRITE' ? { reason: 'unwritable' } : {}
        return livesThrough({ begin: () => acl('add'), last: 4000, end: () => acl('remove'), ...reason })
      },
      TIMEOUT,
    )

    it(
      'lives through a broker whose disk is full',
      () => livesThrough({ begin: () => broker.fillDisk(), end: () => broker.restart(), reason: 'unreachable' }),
      TIMEOUT,
    )

    it('tells senders to try again and why, and never says the password', () => {
      expect(new Set(refusals.map(text => text.slice(0, 3)))).toEqual(new Set(['503']))
      expect(refusals.filter(text => /grant this user Read, Write/.test(text)).length).toBeGreaterThan(0)
      expect([gateway.words, ...refusals].join('\n')).not.toContain(PASSWORD)
      expect(gateway.words.split('\n').filter(line => /Warning|unhandled|KafkaJS[A-Z]\w+Error:.*\n\s+at/i.test(line))).toEqual([])
    })

    it('does not start on a topic with another number of partitions, and says what to do', async () => {
      const other = await newTopic(testClient(broker.brokers), 3, { 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '86400000' })
      await expect(TestGateway.start({ config: config(other) })).rejects.toThrow(
        /it has 3 partitions and the configuration says 4: set partitions to 3/,
      )
    }, 60_000)
  },
  { own: true },
)
