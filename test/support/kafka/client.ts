/** Our client on a test's cluster: real time, log lines kept, topics of the test's own. */
import { randomUUID } from 'node:crypto'
import type {
  Clock,
  Gap,
  GroupMember,
  IncomingRecord,
  KafkaClient,
  KafkaError,
  Log,
  MemberListener,
  MemberOptions,
  Unreadable,
} from '../../../kafka/index.js'
import { type ConnectOptions, connect } from '../../../kafka/index.js'
import { until } from '../until.js'

export const realClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
  after: (ms, task) => {
    const timer = setTimeout(task, ms).unref()
    return () => clearTimeout(timer)
  },
}

/** Whoever lives by it stands still while it is frozen, as a stopped process does: time passes, and nothing that was to happen happens. */
export class FreezableClock implements Clock {
  readonly now = realClock.now
  readonly monotonic = realClock.monotonic
  private held: (() => void)[] | undefined

  after(ms: number, task: () => void): () => void {
    let cancelled = false
    const run = (): void => {
      if (!cancelled) task()
    }
    const cancel = realClock.after(ms, () => {
      if (this.held) this.held.push(run)
      else run()
    })
    return () => {
      cancelled = true
      cancel()
    }
  }

  freeze(): void {
    this.held = []
  }

  thaw(): void {
    const { held = [] } = this
    this.held = undefined
    for (const run of held) run()
  }
}

export class KeptLog implements Log {
  readonly lines: string[] = []
  debug = (message: string, fields?: Record<string, unknown>): void => this.keep('debug', message, fields)
  info = (message: string, fields?: Record<string, unknown>): void => this.keep('info', message, fields)
  warn = (message: string, fields?: Record<string, unknown>): void => this.keep('warn', message, fields)
  error = (message: string, fields?: Record<string, unknown>): void => this.keep('error', message, fields)

  private keep(level: string, message: string, fields: Record<string, unknown> = {}): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  }
}

export interface TestClient extends KafkaClient {
  readonly log: KeptLog
}

export const testClient = (brokers: readonly string[], options: Partial<ConnectOptions> = {}, clock = realClock): TestClient => {
  const log = new KeptLog()
  return { ...connect({ brokers, clientId: 'test', ...options }, { clock, log }), log }
}

export const uniqueName = (what: string): string => `${what}-${randomUUID()}`

export const newTopic = async (client: KafkaClient, partitions = 1, config: Readonly<Record<string, string>> = {}): Promise<string> => {
  const topic = uniqueName('topic')
  await client.admin().ensureTopic({ topic, partitions, config })
  return topic
}

/** What it fails with; fails itself when it does not. */
export const failure = (work: Promise<unknown>): Promise<KafkaError> =>
  work.then(
    () => Promise.reject(new Error('it did not fail')),
    error => error,
  )

/** A member that reads as long as it lives, and everything that it was told. */
export class TestMember implements MemberListener {
  readonly records: (IncomingRecord & { topic: string; partition: number })[] = []
  readonly told: string[] = []
  readonly gaps: Gap[] = []
  readonly damaged: Unreadable[] = []
  readonly failures: Error[] = []
  partitions: number[] = []
  generation = -1
  verdict: 'skip' | 'wait' = 'wait'
  onRevoked: (generation: number, lost: boolean) => Promise<void> = async () => {}
  readonly member: GroupMember
  private reading: Promise<void>
  private ended = false

  constructor(client: KafkaClient, options: MemberOptions) {
    this.member = client.member({ sessionTimeout: 3000, rebalanceTimeout: 5000, ...options }, this)
    this.reading = this.read()
  }

  assigned: MemberListener['assigned'] = (generation, partitions) => {
    this.generation = generation
    this.partitions = partitions.map(({ partition }) => partition)
    this.told.push(`assigned ${this.partitions.join()}`)
  }
  revoked: MemberListener['revoked'] = async (generation, lost) => {
    await this.onRevoked(generation, lost)
    this.partitions = []
    this.told.push(lost ? 'lost' : 'revoked')
  }
  gap: MemberListener['gap'] = gap => void this.gaps.push(gap)
  unreadable: MemberListener['unreadable'] = unreadable => {
    this.damaged.push(unreadable)
    return this.verdict
  }
  failing: MemberListener['failing'] = error => {
    this.failures.push(error)
    this.told.push('failing')
  }
  recovered: MemberListener['recovered'] = () => void this.told.push('recovered')
  replaced: MemberListener['replaced'] = error => void this.told.push(`replaced: ${error.message}`)

  get values(): string[] {
    return this.records.map(({ value }) => value?.toString() ?? '')
  }

  has(count: number, ms = 15_000): Promise<void> {
    return until(`${count} records are read`, () => this.records.length >= count, ms)
  }

  owns(count: number, ms = 15_000): Promise<void> {
    return until(`${count} partitions are owned`, () => this.partitions.length === count, ms)
  }

  async close(): Promise<void> {
    this.ended = true
    await this.member.close()
    await this.reading
  }

  private async read(): Promise<void> {
    while (!this.ended)
      for (const { topic, partition, records } of await this.member.poll())
        for (const record of records) this.records.push({ ...record, topic, partition })
  }
}
