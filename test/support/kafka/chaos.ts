/** Gateways that share a stream on Kafka and send to Kafka are killed, frozen and stopped at random, while senders repeat until they are acknowledged. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { toJson } from '../../../proto/json/index.js'
import { WORKLOAD_ID } from '../../../proto/vocabulary/attributes.js'
import { TestGateway } from '../gateway.js'
import { until } from '../until.js'
import { newTopic, TestMember, testClient, uniqueName } from './client.js'
import { batchOf } from './telemetry.js'

export type Blow = 'SIGKILL' | 'SIGSTOP' | 'SIGTERM'

export interface ChaosOptions {
  readonly brokers: readonly string[]
  readonly gateways: number
  /** One after the other, each on the next gateway. */
  readonly blows: readonly Blow[]
  /** Milliseconds that a gateway stands still at SIGSTOP. */
  readonly freeze: number
  readonly exactlyOnce: boolean
}

/** One span or event as it came out, and when. */
interface Sighting {
  readonly content: string
  readonly at: number
}

const WORKLOADS = 6
const SESSION_MS = 6000
const COMMIT_MS = 300
/** A gateway that thaws lays on the log what senders have long sent to another one: known as a copy as far back as `history`. */
const HISTORY_MS = 30_000
/** Around a blow: what was emitted since the last checkpoint, and until those who go on have settled. */
const BEFORE_MS = 2000
const AFTER_MS = 2 * SESSION_MS

export class Chaos {
  readonly acknowledged: string[] = []
  private readonly seats: (TestGateway | undefined)[]
  private readonly readers: TestMember[] = []
  private readonly blows: { readonly from: number; to: number }[] = []
  private readonly logs: string[] = []
  private sending = true

  private constructor(
    private readonly options: ChaosOptions,
    private readonly config: string,
    private readonly topics: { readonly spans: string; readonly logs: string },
  ) {
    this.seats = Array.from({ length: options.gateways }, () => undefined)
  }

  static async prepare(options: ChaosOptions): Promise<Chaos> {
    const { brokers, exactlyOnce, freeze } = options
    const client = testClient(brokers)
    const [spans, metrics, logs] = [await newTopic(client, 3), await newTopic(client, 1), await newTopic(client, 1)]
    const cluster = `driver: kafka, brokers: ${JSON.stringify(brokers)}, topic: ${uniqueName('stream')}, partitions: 6`
    const times = `session_timeout: ${SESSION_MS}ms, commit_interval: ${COMMIT_MS}ms, tick: 500ms`
    const config = `
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}}
processors: {workload_join: {window: 1s, grace: 2s, max_gap: 2s, history: ${freeze + HISTORY_MS}ms}}
exporters: {kafka: {brokers: ${JSON.stringify(brokers)}, traces: {topic: ${spans}}, metrics: {topic: ${metrics}}, logs: {topic: ${logs}}}}
streams: {workloads: {${cluster}, ${times}, exactly_once: ${exactlyOnce}}}
service: {pipelines: {factory: {receivers: [otlp], processors: [workload_join], exporters: [kafka]}}}
`
    const chaos = new Chaos(options, config, { spans, logs })
    for (const isolation of ['read_committed', 'read_uncommitted'] as const)
      chaos.readers.push(new TestMember(client, { group: uniqueName('group'), topics: [spans, logs], isolation }))
    return chaos
  }

  /** Resolves when everything acknowledged has come out and no more events come. */
  async run(): Promise<void> {
    // They are ready before the group has settled, and partitions move meanwhile.
    const starting = this.begin()
    await Promise.all(this.seats.map((_, seat) => this.start(seat)))
    starting.to = Date.now()
    const senders = Array.from({ length: WORKLOADS }, (_, workload) => this.send(workload))
    for (const [turn, blow] of this.options.blows.entries()) {
      await sleep(1500 + Math.random() * 2000)
      await this.strike(turn % this.seats.length, blow)
    }
    await sleep(2000)
    this.sending = false
    await Promise.all(senders)
    await until('everything acknowledged has come out', () => this.seen('committed', 'spans').size >= this.acknowledged.length, 90_000)
    const quiet = async (): Promise<boolean> => {
      const before = this.seen('committed', 'events').size
      await sleep(5000)
      return this.seen('committed', 'events').size === before
    }
    await until('no more events come', quiet, 90_000)
  }

  /** Every sighting of each span, by name, or event, by id; by a reader of what is committed, or of everything. */
  seen(by: 'committed' | 'everything', what: 'spans' | 'events'): Map<string, Sighting[]> {
    const reader = this.readers[by === 'committed' ? 0 : 1]!
    const found = new Map<string, Sighting[]>()
    const topic = what === 'spans' ? this.topics.spans : this.topics.logs
    for (const record of reader.records.filter(each => each.topic === topic))
      for (const [id, content] of itemsOf(what, record.value!)) found.set(id, [...(found.get(id) ?? []), { content, at: record.timestamp }])
    return found
  }

  /** Copies that came out at a time no blow explains. */
  unexplained(sightings: ReadonlyMap<string, readonly Sighting[]>): string[] {
    return [...sightings].flatMap(([id, [first, ...copies]]) =>
      copies.length === 0 || this.blows.some(({ from, to }) => first!.at > from - BEFORE_MS && first!.at < to + AFTER_MS) ? [] : [id],
    )
  }

  /** Lines that no gateway should ever say. */
  get strange(): string[] {
    const lines = [...this.logs, ...this.seats.map(gateway => gateway?.words ?? '')].flatMap(words => words.split('\n'))
    return lines.filter(line => /DeprecationWarning|unhandled|TimeoutNegativeWarning|KafkaJS(?!.*"error")|\tbug/i.test(line))
  }

  async end(): Promise<void> {
    this.sending = false
    await Promise.all(this.seats.map(gateway => gateway?.stop()))
    await Promise.all(this.readers.map(reader => reader.close()))
  }

  private async start(seat: number): Promise<void> {
    this.seats[seat] = await TestGateway.start({ config: this.config })
  }

  private async strike(seat: number, blow: Blow): Promise<void> {
    const gateway = this.seats[seat]!
    const times = this.begin()
    if (blow === 'SIGSTOP') {
      process.kill(gateway.pid, 'SIGSTOP')
      await sleep(this.options.freeze)
      process.kill(gateway.pid, 'SIGCONT')
    } else {
      this.seats[seat] = undefined
      await gateway.stop(blow)
      this.logs.push(gateway.words)
      await this.start(seat)
    }
    times.to = Date.now()
  }

  private begin(): { from: number; to: number } {
    const times = { from: Date.now(), to: Number.POSITIVE_INFINITY }
    this.blows.push(times)
    return times
  }

  private async send(workload: number): Promise<void> {
    for (let number = 0; this.sending; number++) {
      const names = Array.from({ length: 5 }, (_, index) => `span ${workload}-${number}-${index}`)
      const body = spansRequest(names, workload)
      while (!(await this.post(body))) await sleep(100)
      this.acknowledged.push(...names)
      await sleep(40)
    }
  }

  /** To any gateway; whether it was acknowledged. */
  private async post(body: string): Promise<boolean> {
    const gateway = this.seats[Math.floor(Math.random() * this.seats.length)]
    if (!gateway) return false
    const headers = { 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(3000)
    const answer = await fetch(`http://127.0.0.1:${gateway.port('http')}/v1/traces`, { method: 'POST', body, headers, signal }).catch(
      () => undefined,
    )
    return answer?.status === 200
  }
}

/** Spans of one request, all of one workload, that end now; the same bytes each time it is sent. */
export const spansRequest = (names: readonly string[], workload: number): string => {
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

interface Requests {
  readonly resourceSpans?: readonly { readonly scopeSpans: readonly { readonly spans: readonly { readonly name: string }[] }[] }[]
  readonly resourceLogs?: readonly { readonly scopeLogs: readonly { readonly logRecords: readonly object[] }[] }[]
}

const itemsOf = (what: 'spans' | 'events', value: Buffer): [id: string, content: string][] => {
  const signal = what === 'spans' ? 'traces' : 'logs'
  const { resourceSpans = [], resourceLogs = [] } = JSON.parse(toJson(signal, batchOf(signal, value))) as Requests
  const spans = resourceSpans.flatMap(group => group.scopeSpans.flatMap(scope => scope.spans))
  const logs = resourceLogs.flatMap(group => group.scopeLogs.flatMap(scope => scope.logRecords)).map(record => JSON.stringify(record))
  return [
    ...spans.map((span): [string, string] => [span.name, JSON.stringify(span)]),
    ...logs.flatMap((text): [string, string][] => {
      const id = /"ai_factory.event.id","value":\{"stringValue":"(\w+)"/.exec(text)?.[1]
      return id === undefined ? [] : [[id, text]]
    }),
  ]
}
