/**
 * A member of a consumer group: joins, keeps its place by heartbeats of its own (whatever its user is busy with), gives everything up at a rebalance and
 * joins again. Written over the protocol instead of kafkajs's consumer, whose loop crashes, stalls or skips in ways that cannot be steered from outside.
 */
import type { AssignedPartition, CommitOffset, FetchedBatch, GroupMember, MemberListener, MemberOptions, TopicPartition } from './client.js'
import { Connection } from './connection.js'
import { KafkaError, kafkaError } from './errors.js'
import { type Generation, Group } from './group.js'
import { Health } from './health.js'
import type { KafkajsConfig } from './options.js'
import { placesOf } from './places.js'
import type { Ports } from './ports.js'
import { Reader } from './reader.js'
import { Backoff, sleep, within } from './wait.js'
import { watch } from './watchdog.js'

const SESSION_TIMEOUT_MS = 10_000
const REBALANCE_TIMEOUT_MS = 30_000
const MAX_BYTES = 8 * 1024 * 1024
const MAX_PARTITION_BYTES = 1024 * 1024
const MAX_WAIT_MS = 500
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
const LEAVE_WITHIN_MS = 2_000

/** The listener failed when it was given its partitions. */
const UNREADY = 'LISTENER_FAILED'
const REPLACED = 'FENCED_INSTANCE_ID'

/** Why a generation ended. */
interface Loss {
  readonly code: string
  /** Others may own the partitions already. */
  readonly lost: boolean
}

export class KafkaGroupMember implements GroupMember {
  lastHeartbeat: number
  private readonly group: Group
  private readonly reader: Reader
  private readonly watched: Parameters<typeof watch>[2]
  private readonly sessionTimeout: number
  private readonly rebalanceTimeout: number
  private readonly connection: Connection
  private readonly health: Health
  private current: Generation | undefined
  private lose: (loss: Loss) => void = () => {}
  private cancelPause = (): void => {}
  private closing = false
  private readonly running: Promise<void>

  constructor(
    private readonly config: KafkajsConfig,
    private readonly options: MemberOptions,
    private readonly listener: MemberListener,
    private readonly ports: Ports,
    rack: string,
  ) {
    const { clock } = ports
    this.sessionTimeout = options.sessionTimeout ?? SESSION_TIMEOUT_MS
    this.rebalanceTimeout = options.rebalanceTimeout ?? REBALANCE_TIMEOUT_MS
    this.lastHeartbeat = clock.monotonic()
    const { group, topics, instanceId } = options
    const { sessionTimeout, rebalanceTimeout } = this
    this.health = new Health(clock, listener)
    this.connection = new Connection(config, topics, ports, error => this.failing(error))
    this.group = new Group({ group, topics, sessionTimeout, rebalanceTimeout, instanceId })
    const isolation = options.isolation === 'read_uncommitted' ? 0 : 1
    this.watched = { group, sessionTimeout, isolation }
    this.reader = new Reader(
      {
        isolation,
        maxWait: options.maxWait ?? MAX_WAIT_MS,
        maxBytes: options.maxBytes ?? MAX_BYTES,
        maxPartitionBytes: options.maxPartitionBytes ?? MAX_PARTITION_BYTES,
        maxDecompressedBytes: options.maxDecompressedBytes ?? MAX_DECOMPRESSED_BYTES,
        fetchInterval: options.fetchInterval ?? 0,
        requestTimeout: config.requestTimeout,
        rack,
      },
      {
        link: () => this.connection.link(),
        broken: (link, error) => {
          this.failing(error)
          this.connection.discard(link)
        },
        failing: error => this.failing(error),
        recovered: () => this.health.recovered(),
        gap: gap => listener.gap(gap),
        unreadable: unreadable => listener.unreadable(unreadable),
      },
      clock,
    )
    this.running = this.run()
  }

  get generation(): number | undefined {
    return this.current?.id
  }

  get memberId(): string {
    return this.group.memberId
  }

  get caughtUp(): boolean {
    return this.current !== undefined && this.reader.caughtUp
  }

  atEnd(partition: TopicPartition): boolean {
    return this.current !== undefined && this.reader.atEnd(partition)
  }

  lag(partition: TopicPartition): number {
    return this.reader.lag(partition)
  }

  poll(): Promise<readonly FetchedBatch[]> {
    return this.closing ? Promise.resolve([]) : this.reader.poll()
  }

  wake(): void {
    this.reader.wake()
  }

  seek(partition: TopicPartition, offset: number): void {
    this.reader.seek(partition, offset)
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.reader.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.reader.resume(partitions)
  }

  async commit(generation: number, offsets: readonly CommitOffset[]): Promise<void> {
    const what = `commit offsets of group ${this.options.group}`
    const deadline = this.ports.clock.monotonic() + this.sessionTimeout
    for (const backoff = new Backoff(50, 1000); ; ) {
      const { current } = this
      if (current?.id !== generation)
        throw new KafkaError(
          `cannot ${what}: generation ${generation} is over and its partitions may be others'`,
          'fenced',
          'ILLEGAL_GENERATION',
        )
      try {
        await this.connection.ask(what, link => this.group.commit(link, current, offsets))
        return
      } catch (error) {
        const failure = kafkaError(what, error)
        if (failure.kind === 'fenced') this.lose({ code: failure.code, lost: failure.code !== 'REBALANCE_IN_PROGRESS' })
        if (failure.kind !== 'retryable' || this.ports.clock.monotonic() > deadline) throw failure
        await sleep(this.ports.clock, backoff.delay())
      }
    }
  }

  async close(): Promise<void> {
    if (!this.closing) {
      this.closing = true
      this.health.stop()
      // A join can take as long as the slowest other member.
      if (!this.current) this.connection.close()
      this.cancelPause()
      this.lose({ code: 'CLOSED', lost: false })
      this.reader.wake()
    }
    await this.running
  }

  private async run(): Promise<void> {
    const backoff = new Backoff(100, 2_000)
    while (!this.closing) {
      try {
        const joining = this.rebalanceTimeout + this.config.requestTimeout
        const generation = await this.connection.ask(`join group ${this.options.group}`, link => this.group.join(link), joining)
        const { code } = await this.own(generation)
        if (code === REPLACED || (code === 'UNKNOWN_MEMBER_ID' && (await this.wasReplaced(generation)))) {
          this.replaced()
          break
        }
        if (code === 'UNKNOWN_MEMBER_ID') this.group.forget()
        if (code === UNREADY && !this.closing) await this.pauseFor(backoff.delay())
        else backoff.reset()
      } catch (error) {
        const failure = kafkaError(`join group ${this.options.group}`, error)
        if (failure.code === REPLACED) {
          this.replaced()
          break
        }
        if (failure.code === 'UNKNOWN_MEMBER_ID') this.group.forget()
        if (failure.kind !== 'fenced') this.failing(failure)
        // Another rebalance began while this one ended: nothing is wrong.
        if (failure.code !== 'REBALANCE_IN_PROGRESS' && !this.closing) await this.pauseFor(backoff.delay())
      }
    }
    await this.connection.ask('leave the group', link => this.group.leave(link), LEAVE_WITHIN_MS).catch(() => {})
    this.connection.close()
  }

  /** One generation, from assignment to the end of it. */
  private async own(generation: Generation): Promise<Loss> {
    this.lastHeartbeat = this.ports.clock.monotonic()
    let over = false
    const loss = new Promise<Loss>(resolve => {
      this.lose = why => {
        over = true
        resolve(why)
      }
    })
    if (this.closing) this.lose({ code: 'CLOSED', lost: false })
    this.current = generation
    void this.heartbeats(generation, () => over)
    const partitions = await this.places(generation, () => over)
    if (partitions && !over) {
      // One that is not ready for the records gets none: the group is joined again.
      if (!(await this.told('assigned', () => this.listener.assigned(generation.id, partitions)))) this.lose({ code: UNREADY, lost: false })
      if (!over) {
        this.reader.start(generation.id, partitions)
        void watch(this.reader, this.connection, this.watched, this.ports, () => over)
      }
      this.health.recovered()
    }
    const why = await loss
    this.ports.log.debug('partitions are given up', { group: this.options.group, generation: generation.id, code: why.code })
    this.reader.stop()
    if (why.lost) this.current = undefined
    if (partitions) await this.told('revoked', () => this.listener.revoked(generation.id, why.lost))
    this.current = undefined
    this.lose = () => {}
    return why
  }

  /** Only a heartbeat names the instance: everything else calls a replaced member unknown, as one whose session has expired. */
  private async wasReplaced(generation: Generation): Promise<boolean> {
    if (this.options.instanceId === undefined || this.closing) return false
    try {
      await this.connection.ask('send a heartbeat', link => this.group.heartbeat(link, generation), this.sessionTimeout / 2)
      return false
    } catch (error) {
      return kafkaError('send a heartbeat', error).code === REPLACED
    }
  }

  private replaced(): void {
    const { group, instanceId } = this.options
    this.health.stop()
    this.listener.replaced(
      new KafkaError(
        `another process has joined group ${group} as instance ${instanceId}: give each its own group_instance_id, or none, and start this one again`,
        'fenced',
        REPLACED,
      ),
    )
  }

  /** Whether the listener did what it had to, in time: the group would throw out a member that waits longer for it. */
  private async told(what: 'assigned' | 'revoked', tell: () => Promise<void> | void): Promise<boolean> {
    const { clock, log } = this.ports
    // While partitions are given up no heartbeat goes out.
    const most = (what === 'assigned' ? this.rebalanceTimeout : Math.min(this.sessionTimeout, this.rebalanceTimeout)) / 2
    try {
      await within(clock, most, `wait until partitions are ${what}`, Promise.resolve(tell()))
      return true
    } catch (error) {
      log.error(`the user of a consumer group failed when its partitions were ${what}`, { group: this.options.group, error: String(error) })
      return false
    }
  }

  private async heartbeats(generation: Generation, over: () => boolean): Promise<void> {
    const { clock } = this.ports
    let wait = this.sessionTimeout / 4
    while (!over()) {
      await sleep(clock, wait)
      if (over()) return
      const asked = clock.monotonic()
      try {
        await this.connection.ask('send a heartbeat', link => this.group.heartbeat(link, generation), this.sessionTimeout / 2)
        this.lastHeartbeat = asked
        wait = this.sessionTimeout / 4
      } catch (error) {
        const failure = kafkaError('send a heartbeat', error)
        if (failure.kind === 'fenced') this.lose({ code: failure.code, lost: failure.code !== 'REBALANCE_IN_PROGRESS' })
        else if (clock.monotonic() - this.lastHeartbeat > this.sessionTimeout) this.lose({ code: 'SILENT', lost: true })
        wait = Math.min(500, this.sessionTimeout / 10)
      }
    }
  }

  /** Where to begin in each partition; undefined when the generation ended meanwhile. */
  private async places(generation: Generation, over: () => boolean): Promise<AssignedPartition[] | undefined> {
    const { initialOffset = 'earliest' } = this.options
    const backoff = new Backoff(100, 2_000)
    while (!over()) {
      try {
        return await this.connection.ask('read committed offsets', link =>
          placesOf(link, this.group, generation, initialOffset, gap => this.listener.gap(gap)),
        )
      } catch (error) {
        this.failing(kafkaError('read committed offsets', error))
        await sleep(this.ports.clock, backoff.delay())
      }
    }
    return undefined
  }

  private pauseFor(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.cancelPause = resolve
      this.ports.clock.after(ms, resolve)
    })
  }

  private failing(error: KafkaError): void {
    if (!this.closing) this.health.failing(error)
  }
}
