/**
 * Sends record batches so that each lies on the log once: producer id, epoch and a sequence number per partition, kept by us. A batch that is repeated,
 * over whatever connection, carries the same numbers. One request is under way per broker, one batch per partition.
 */
import type { Compression, OutgoingRecord } from './client.js'
import { KafkaError, kafkaError } from './errors.js'
import { keyOf, Link, protocolError } from './link.js'
import type { KafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { type EncodedBatch, type ProducedPartition, produceRequest } from './produce.js'
import { encodeBatch } from './record_batch.js'
import { Backoff, sleep, within } from './wait.js'

const DUPLICATE_SEQUENCE_NUMBER = 46
const SEQUENCES = 2 ** 31
const RETRY_FIRST_MS = 20
const RETRY_MOST_MS = 500

export interface Identity {
  readonly producerId: string
  readonly producerEpoch: number
}

interface Sending extends EncodedBatch {
  readonly key: string
  readonly count: number
}

export interface SequencedOptions {
  readonly compression: Compression
  readonly transactionalId: string | null
}

/** Whether a failed batch certainly does not lie on the log, so that its sequence numbers are free again. */
const refused = (error: KafkaError): boolean => error.kind === 'permanent'

export class Sequenced {
  private link: Link | undefined
  private readonly topics = new Set<string>()
  private readonly sequences = new Map<string, number>()
  private closed = false

  constructor(
    private readonly config: KafkajsConfig,
    private readonly options: SequencedOptions,
    private readonly ports: Ports,
  ) {}

  /** Numbers begin anew: for a new producer id or epoch. */
  reset(): void {
    this.sequences.clear()
  }

  close(): void {
    this.closed = true
    this.drop()
  }

  /** What is under way over the connections of now ends; the next request makes new ones. */
  drop(): void {
    this.link?.close()
    this.link = undefined
  }

  /** Connected, with the leaders of `topics` known. */
  async connected(topics: Iterable<string> = []): Promise<Link> {
    if (this.closed) throw new KafkaError('the producer is closed', 'retryable', 'CLOSED')
    const fresh = Array.from(topics).filter(topic => !this.topics.has(topic))
    for (const topic of fresh) this.topics.add(topic)
    if (this.link && fresh.length === 0) return this.link
    const link = (this.link ??= new Link(this.config, this.ports.log))
    try {
      await link.open([...this.topics])
    } catch (error) {
      // One topic that cannot be had must not spoil the connection for the others.
      for (const topic of fresh) this.topics.delete(topic)
      if (kafkaError('', error).code === 'CONNECTION') this.drop()
      throw error
    }
    return link
  }

  /**
   * One batch per partition, repeated until `deadline` (monotonic). Resolves with the partitions that failed; with `unsure`, whether the batch lies on the
   * log is unknown, and the identity must not be used any more.
   */
  async send(
    records: ReadonlyMap<string, readonly OutgoingRecord[]>,
    identity: Identity,
    deadline: number,
  ): Promise<{ failed: Map<string, KafkaError>; unsure: boolean }> {
    const { clock } = this.ports
    const failed = new Map<string, KafkaError>()
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MOST_MS)
    let left = this.encoded(records, identity, failed)
    /** The last that says more than that the time was over. */
    const causes = new Map<string, KafkaError>()
    let tried = false
    for (;;) {
      if (left.length === 0) return { failed, unsure: false }
      const remaining = deadline - clock.monotonic()
      if (remaining <= 0 || this.closed) break
      tried = true
      const last = await this.attempt(left, remaining)
      for (const [key, error] of last) if (error.code !== 'TIMEOUT' || !causes.has(key)) causes.set(key, error)
      for (const batch of left) {
        const error = last.get(batch.key)
        if (!error) this.sequences.set(batch.key, (this.sequence(batch.key) + batch.count) % SEQUENCES)
        else if (refused(error) || error.kind === 'fenced') failed.set(batch.key, error)
      }
      left = left.filter(({ key }) => last.has(key) && !failed.has(key))
      // The numbers are unknown to the broker: no repetition mends that.
      if ([...last.values()].some(({ code }) => LOST_NUMBERS.has(code))) break
      if (left.length > 0) await sleep(clock, Math.min(backoff.delay(), Math.max(0, deadline - clock.monotonic())))
    }
    const late = this.closed
      ? new KafkaError('the producer was closed before the records were acknowledged', 'retryable', 'CLOSED')
      : new KafkaError('cannot write: the time was over before it was the records’ turn', 'retryable', 'TIMEOUT')
    for (const { key } of left) failed.set(key, causes.get(key) ?? late)
    if (tried) this.drop()
    return { failed, unsure: tried }
  }

  private sequence(key: string): number {
    return this.sequences.get(key) ?? 0
  }

  private encoded(records: ReadonlyMap<string, readonly OutgoingRecord[]>, identity: Identity, failed: Map<string, KafkaError>): Sending[] {
    const { compression, transactionalId } = this.options
    const now = this.ports.clock.now()
    const batches: Sending[] = []
    for (const [key, list] of records) {
      const state = {
        producerId: identity.producerId,
        epoch: identity.producerEpoch,
        sequence: this.sequence(key),
        transactional: transactionalId !== null,
      }
      const { topic, partition } = list[0]!
      try {
        batches.push({ topic, partition, key, count: list.length, bytes: encodeBatch(list, compression, now, state) })
      } catch (error) {
        failed.set(
          key,
          error instanceof KafkaError ? error : new KafkaError(`cannot encode records: ${String(error)}`, 'permanent', 'INVALID_RECORD'),
        )
      }
    }
    return batches
  }

  /** The errors of one try, by partition. */
  private async attempt(batches: readonly Sending[], remaining: number): Promise<Map<string, KafkaError>> {
    const errors = new Map<string, KafkaError>()
    const fail = (some: readonly Sending[], error: unknown): void => {
      for (const { key, topic, partition } of some) errors.set(key, kafkaError(`write to ${topic}, partition ${partition}`, error))
    }
    try {
      const link = await within(this.ports.clock, remaining, 'connect', this.connected(batches.map(({ topic }) => topic)))
      const leaders = link.byLeader(batches)
      const led = new Set([...leaders.values()].flat())
      const leaderless = batches.filter(batch => !led.has(batch))
      if (leaderless.length > 0) fail(leaderless, protocolError(LEADER_NOT_AVAILABLE))
      await Promise.all(
        Array.from(leaders, ([nodeId, some]) => this.ask(link, nodeId, some, remaining, errors).catch(error => fail(some, error))),
      )
      if (errors.size > 0) await this.recover(link, errors, remaining)
    } catch (error) {
      fail(batches, error)
      if (errors.size > 0 && [...errors.values()].some(({ kind }) => kind === 'retryable')) this.drop()
    }
    return errors
  }

  private async ask(
    link: Link,
    nodeId: number,
    batches: readonly Sending[],
    remaining: number,
    errors: Map<string, KafkaError>,
  ): Promise<void> {
    const request = produceRequest(batches, this.options.transactionalId, Math.min(remaining, this.config.requestTimeout))
    const answer = (await within(this.ports.clock, remaining, 'write', link.send(nodeId, request))) as readonly ProducedPartition[]
    const answered = new Map(answer.map(each => [keyOf(each), each.errorCode]))
    for (const { key, topic, partition } of batches) {
      const code = answered.get(key) ?? UNKNOWN_SERVER_ERROR
      if (code !== 0 && code !== DUPLICATE_SEQUENCE_NUMBER)
        errors.set(key, kafkaError(`write to ${topic}, partition ${partition}`, protocolError(code)))
    }
  }

  /** Leaders may have moved, connections may be gone. */
  private async recover(link: Link, errors: ReadonlyMap<string, KafkaError>, remaining: number): Promise<void> {
    const kinds = [...errors.values()]
    if (kinds.some(({ code }) => code === 'CONNECTION' || code === 'TIMEOUT')) this.drop()
    else if (kinds.some(({ kind }) => kind === 'retryable'))
      await within(this.ports.clock, remaining, 'refresh', link.refresh()).catch(() => this.drop())
  }
}

const UNKNOWN_SERVER_ERROR = -1
const LEADER_NOT_AVAILABLE = 5
const LOST_NUMBERS = new Set([
  'UNKNOWN_PRODUCER_ID',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_ID_MAPPING',
  'INVALID_PRODUCER_EPOCH',
])
