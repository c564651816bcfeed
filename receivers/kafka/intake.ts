/** The member of the consumer group: partitions come and go, what is fetched goes to their lanes, what they are done with is committed. */
import type { AssignedPartition, FetchedBatch, Gap, GroupMember, KafkaClient, MemberListener, Unreadable } from '../../kafka/index.js'
import { KafkaError } from '../../kafka/index.js'
import type { Admission } from '../../runtime/admission.js'
import type { Upstream } from '../../runtime/component.js'
import { RetryableError } from '../../runtime/errors.js'
import { type Handle, Lane } from './lane.js'
import type { Options } from './options.js'
import type { Telemetry } from './telemetry.js'

/** Part of rebalance_timeout that what is under way may take when partitions are given up; the rest is the group's. */
const PART_OF_REBALANCE = 0.25
const SHORT_OF_MEMORY_MS = 1000

const keyOf = ({ topic, partition }: { topic: string; partition: number }): string => `${topic}/${partition}`

export class Intake implements MemberListener {
  private readonly member: GroupMember
  private readonly lanes = new Map<string, Lane>()
  /** Committed offsets of the lanes of now. */
  private readonly committed = new Map<Lane, number>()
  private committing: Promise<void> = Promise.resolve()
  private cancelTick: () => void = () => {}
  private stopping = false
  private deadline: AbortSignal | undefined
  private readonly reading: Promise<void>

  constructor(
    client: KafkaClient,
    topics: readonly string[],
    private readonly options: Options,
    private readonly handle: Handle,
    private readonly telemetry: Telemetry,
    private readonly admission: Admission,
    private readonly context: Pick<Upstream, 'clock' | 'log'>,
    /** Nothing is read any more until the gateway is restarted. */
    private readonly ended: (error: Error) => void,
  ) {
    this.member = client.member(
      {
        group: options.group_id,
        topics,
        sessionTimeout: options.session_timeout,
        rebalanceTimeout: options.rebalance_timeout,
        initialOffset: options.initial_offset,
        maxBytes: options.max_fetch_size,
        maxPartitionBytes: options.max_partition_fetch_size,
        maxWait: options.max_fetch_wait,
        ...(options.group_instance_id === '' ? {} : { instanceId: options.group_instance_id }),
      },
      this,
    )
    this.reading = this.read()
    this.tick()
  }

  /** What is under way may finish until the deadline; its offsets are committed and the group is left. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.stopping = true
    this.deadline = deadline
    this.cancelTick()
    await this.member.close()
    await this.reading
  }

  assigned(generation: number, partitions: readonly AssignedPartition[]): void {
    const { lanes, member, options } = this
    for (const { topic, partition, position } of partitions) {
      const place = { topic, partition }
      const lane = new Lane(
        place,
        generation,
        position,
        { inFlight: options.max_in_flight, maxBytes: options.max_partition_fetch_size },
        this.handle,
        {
          pause: () => member.pause([place]),
          resume: () => member.resume([place]),
        },
      )
      lanes.set(keyOf(place), lane)
      this.committed.set(lane, position)
      this.telemetry.started(
        place,
        () => lane.position,
        () => member.lag(place),
      )
    }
    const { group_id: group } = this.options
    this.context.log.info('reads partitions', { group, generation, partitions: partitions.map(keyOf) })
  }

  async revoked(_generation: number, lost: boolean): Promise<void> {
    const lanes = [...this.lanes.values()]
    this.lanes.clear()
    const ended = Promise.all(lanes.map(lane => lane.end()))
    if (!lost) {
      await this.inTime(ended)
      await this.commit(lanes)
    }
    for (const lane of lanes) {
      this.committed.delete(lane)
      this.telemetry.closed(lane.partition)
    }
  }

  gap({ reason, wanted, logStart, logEnd, ...place }: Gap): void {
    this.telemetry.undeliverable(place, reason, 'skipped', Math.max(0, logStart - wanted))
    this.context.log.error('records that were not read yet are gone; reading goes on where the log begins', {
      ...place,
      reason,
      wanted,
      logStart,
      logEnd,
    })
  }

  unreadable({ offset, end, error, ...place }: Unreadable): 'skip' {
    this.telemetry.undeliverable(place, 'unreadable_batch', 'skipped', end - offset)
    this.context.log.error('skipped a record batch that cannot be read', { ...place, offset, end, error: error.message })
    return 'skip'
  }

  failing(error: Error): void {
    this.context.log.warn('cannot read from Kafka; it is tried again', { group: this.options.group_id, error: error.message })
  }

  recovered(): void {
    this.context.log.info('reads from Kafka again', { group: this.options.group_id })
  }

  replaced(error: Error): void {
    this.context.log.error('nothing is read from Kafka any more', { group: this.options.group_id, error: error.message })
    this.ended(error)
  }

  private async read(): Promise<void> {
    while (!this.stopping) for (const batch of await this.member.poll()) this.take(batch)
  }

  private take(batch: FetchedBatch): void {
    const lane = this.lanes.get(keyOf(batch))
    if (!lane || lane.generation !== batch.generation || lane.onHold) {
      batch.release()
      return
    }
    let bytes = 0
    for (const { key, value } of batch.records) bytes += (key?.length ?? 0) + (value?.length ?? 0)
    let release: () => void
    try {
      release = this.admission.reserve(bytes)
    } catch (error) {
      this.postpone(lane, batch, error)
      batch.release()
      return
    }
    this.telemetry.received(lane.partition, batch.records.length, bytes)
    lane.offer(batch, () => {
      release()
      // When the lane has ended, some of it may be on its way still.
      if (!lane.ended) batch.release()
    })
  }

  /** Memory is short: it stays at the broker until there is room. */
  private postpone(lane: Lane, batch: FetchedBatch, error: unknown): void {
    const { member } = this
    const wait = error instanceof RetryableError ? (error.after ?? SHORT_OF_MEMORY_MS) : SHORT_OF_MEMORY_MS
    this.context.log.warn('memory is short: a partition waits', { ...lane.partition, wait_ms: wait })
    member.seek(lane.partition, batch.records[0]?.offset ?? batch.next)
    lane.hold()
    this.context.clock.after(wait, () => lane.letGo())
  }

  private tick(): void {
    this.cancelTick = this.context.clock.after(this.options.autocommit.interval, () => {
      void this.commit([...this.lanes.values()]).finally(() => {
        if (!this.stopping) this.tick()
      })
    })
  }

  /** One at a time: an older offset must not overtake a newer one. Never rejects. */
  private commit(lanes: readonly Lane[]): Promise<void> {
    this.committing = this.committing.then(async () => {
      const moved = lanes.filter(lane => lane.position > (this.committed.get(lane) ?? lane.position))
      const [first] = moved
      if (!first) return
      const offsets = moved.map(lane => ({ lane, offset: lane.position }))
      try {
        await this.member.commit(
          first.generation,
          offsets.map(({ lane, offset }) => ({ ...lane.partition, offset, metadata: '' })),
        )
        for (const { lane, offset } of offsets) if (this.committed.has(lane)) this.committed.set(lane, offset)
      } catch (error) {
        const fenced = error instanceof KafkaError && error.kind === 'fenced'
        const words = fenced
          ? 'others own the partitions now and read again what was not committed'
          : 'cannot commit offsets; it is tried again'
        this.context.log.warn(words, { group: this.options.group_id, error: String(error) })
      }
    })
    return this.committing
  }

  private inTime(ended: Promise<unknown>): Promise<unknown> {
    const { clock } = this.context
    let cancel: () => void = () => {}
    const late = new Promise<void>(resolve => {
      cancel = clock.after(this.options.rebalance_timeout * PART_OF_REBALANCE, resolve)
      if (this.deadline?.aborted) resolve()
      this.deadline?.addEventListener('abort', () => resolve(), { once: true })
    })
    return Promise.race([ended, late]).finally(cancel)
  }
}
