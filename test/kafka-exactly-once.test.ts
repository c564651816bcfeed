/** Exactly once to Kafka: two gateways that join are killed, frozen and stopped in turn, and whoever reads what is committed sees each span and event once. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { toJson } from '../proto/json/index.js'
import { WORKLOAD_ID } from '../proto/vocabulary/attributes.js'
import { TestGateway } from './support/gateway.js'
import { newTopic, TestMember, testClient, uniqueName } from './support/kafka/client.js'
import { describeKafka, sharedBrokers } from './support/kafka/index.js'
import { batchOf } from './support/kafka/telemetry.js'
import { until } from './support/until.js'

const WORKLOADS = 6
const SESSION_MS = 6000

/** Spans of one request, all of one workload, that end now; the same bytes each time it is sent. */
const requestOf = (names: readonly string[], workload: number): string => {
  const end = BigInt(Date.now()) * 1_000_000n
  const spans = names.map(name => ({
    name,
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    startTimeUnixNano: String(end - 50_000_000n),
    endTimeUnixNano: String(end),
  }))
  const attributes = [{ key: WORKLOAD_ID, value: { stringValue: `cluster/team/chat-${workload}` } }]
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] })
}

describeKafka('the join with exactly_once', () => {
  it('lets readers of what is committed see every span and every event once, through kills, a freeze and stops', async () => {
    const brokers = await sharedBrokers()
    const client = testClient(brokers)
    const [spans, metrics, logs] = [await newTopic(client, 3), await newTopic(client, 1), await newTopic(client, 1)]
    const stream = uniqueName('stream')
    const config = `
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}
processors: {workload_join: {window: 1s, grace: 2s, max_gap: 2s, history: 10s}}
exporters: {kafka: {brokers: ${JSON.stringify(brokers)}, traces: {topic: ${spans}}, metrics: {topic: ${metrics}}, logs: {topic: ${logs}}}}
streams:
  workloads: {driver: kafka, brokers: ${JSON.stringify(brokers)}, topic: ${stream}, partitions: 4, exactly_once: true, session_timeout: ${SESSION_MS}ms, commit_interval: 300ms, tick: 500ms}
service: {pipelines: {factory: {receivers: [otlp], processors: [workload_join], exporters: [kafka]}}}
`
    const seats: (TestGateway | undefined)[] = [undefined, undefined]
    const start = async (seat: number): Promise<TestGateway> => (seats[seat] = await TestGateway.start({ config }))
    const acknowledged: string[] = []
    let sending = true
    const send = async (body: string): Promise<boolean> => {
      const gateway = seats[Math.floor(Math.random() * 2)]
      if (!gateway) return false
      const url = `http://127.0.0.1:${gateway.port('http')}/v1/traces`
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(url, { method: 'POST', body, headers, signal: AbortSignal.timeout(3000) }).catch(() => undefined)
      return answer?.status === 200
    }
    const sender = async (workload: number): Promise<void> => {
      for (let number = 0; sending; number++) {
        const names = Array.from({ length: 5 }, (_, index) => `span <${workload}-${number}-${index}>`)
        const body = requestOf(names, workload)
        while (!(await send(body))) await sleep(100)
        acknowledged.push(...names)
        await sleep(40)
      }
    }
    const readers = (['read_committed', 'read_uncommitted'] as const).map(
      isolation => new TestMember(client, { group: uniqueName('group'), topics: [spans, logs], isolation }),
    )
    const [committed, everything] = readers as [TestMember, TestMember]
    const names = (member: TestMember): string[] =>
      member.records.filter(({ topic }) => topic === spans).flatMap(({ value }) => value!.toString('latin1').match(/span <[\d-]+>/g) ?? [])
    const events = (member: TestMember): string[] =>
      member.records
        .filter(({ topic }) => topic === logs)
        .flatMap(
          ({ value }) => toJson('logs', batchOf('logs', value!)).match(/(?<=ai_factory.event.id","value":\{"stringValue":")\w+/g) ?? [],
        )
    try {
      await Promise.all([start(0), start(1)])
      const senders = Array.from({ length: WORKLOADS }, (_, workload) => sender(workload))
      for (const [turn, how] of (['SIGKILL', 'SIGKILL', 'SIGSTOP', 'SIGTERM', 'SIGKILL'] as const).entries()) {
        await sleep(2500)
        const seat = turn % 2
        const gateway = seats[seat]!
        if (how === 'SIGSTOP') {
          process.kill(gateway.pid, 'SIGSTOP')
          await sleep(SESSION_MS + 3000)
          process.kill(gateway.pid, 'SIGCONT')
          continue
        }
        seats[seat] = undefined
        await gateway.stop(how)
        await start(seat)
      }
      await sleep(2000)
      sending = false
      await Promise.all(senders)
      await until('every span is committed', () => new Set(names(committed)).size === new Set(acknowledged).size, 60_000)
      const quiet = async (): Promise<boolean> => {
        const before = events(committed).length
        await sleep(5000)
        return events(committed).length === before
      }
      await until('no more events come', quiet, 60_000)
    } finally {
      sending = false
      await Promise.all(seats.map(gateway => gateway?.stop()))
      await Promise.all(readers.map(reader => reader.close()))
    }
    expect(acknowledged.length).toBeGreaterThan(1000)
    expect(names(committed).sort()).toEqual([...acknowledged].sort())
    const ids = events(committed)
    expect(ids.length).toBeGreaterThan(WORKLOADS * 10)
    expect(new Set(ids).size).toBe(ids.length)
    // Something was given up on the way, or nothing was proved.
    expect(names(everything).length + events(everything).length).toBeGreaterThan(names(committed).length + ids.length)
  }, 240_000)
})
