/** The idempotent producer: what is sent while a request is under way goes together in the next one. */
import type { OutgoingRecord, Producer, ProducerOptions } from './client.js'
import { KafkaError, kafkaError } from './errors.js'
import { keyOf } from './link.js'
import type { KafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { recordBytes } from './record_batch.js'
import { type Identity, Sequenced } from './sequenced.js'
import { Backoff, sleep, within } from './wait.js'

const MAX_BATCH_BYTES = 1_000_000
const MAX_PENDING_BYTES = 64 * 1024 * 1024
/** Below the broker's socket.request.max.bytes (100 MiB) by far. */
const MAX_REQUEST_BYTES = 16 * 1024 * 1024
const NO_TRANSACTION_TIMEOUT = 60_000

/** Refusals of a batch that may be for one of its records. */
const OF_ONE_RECORD = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_TIMESTAMP', 'INVALID_RECORD'])

/** Records of one call to `send`. */
interface Job {
  readonly deadline: number
  readonly bytes: number
  /** By partition, what is not acknowledged yet. */
  readonly left: Map<string, OutgoingRecord[]>
  error: KafkaError | undefined
  settle(): void
}

export class IdempotentProducer implements Producer {
  private readonly sequenced: Sequenced
  private readonly jobs: Job[] = []
  /** Bytes of a batch, for partitions whose broker refused a larger one. */
  private readonly limits = new Map<string, number>()
  private identity: Identity | undefined
  private pendingBytes = 0
  private lastRequest = Number.NEGATIVE_INFINITY
  private working = false
  private closed = false

  constructor(
    config: KafkajsConfig,
    private readonly options: ProducerOptions,
    private readonly ports: Ports,
  ) {
    this.sequenced = new Sequenced(config, { compression: options.compression ?? 'none', transactionalId: null }, ports)
  }

  send(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.closed) return Promise.reject(new KafkaError('the producer is closed', 'retryable', 'CLOSED'))
    if (records.length === 0) return Promise.resolve()
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0)
    if (this.pendingBytes > 0 && this.pendingBytes + bytes > (this.options.maxPendingBytes ?? MAX_PENDING_BYTES))
      return Promise.reject(new KafkaError(`too much waits for Kafka: ${this.pendingBytes} bytes`, 'retryable', 'OVERLOADED'))
    const left = new Map<string, OutgoingRecord[]>()
    for (const record of records) {
      const key = keyOf(record)
      const list = left.get(key)
      if (list) list.push(record)
      else left.set(key, [record])
    }
    this.pendingBytes += bytes
    return new Promise((resolve, reject) => {
      const job: Job = {
        deadline: this.ports.clock.monotonic() + this.options.timeout,
        bytes,
        left,
        error: undefined,
        settle: () => {
          this.pendingBytes -= bytes
          if (job.error) reject(job.error)
          else resolve()
        },
      }
      this.jobs.push(job)
      if (!this.working) void this.work()
    })
  }

  async close(): Promise<void> {
    this.closed = true
    this.sequenced.close()
    while (this.working) await sleep(this.ports.clock, 1)
  }

  private async work(): Promise<void> {
    this.working = true
    // Sends of the same turn go together.
    await Promise.resolve()
    while (this.jobs.length > 0) {
      await this.linger()
      const round = this.round()
      const { failed, unsure } = await this.deliver(round.records, round.deadline)
      if (unsure) this.identity = undefined
      for (const [key, taken] of round.taken) {
        const error = failed.get(key)
        if (error && this.split(key, round.records.get(key)!, error)) continue
        for (const { job, count } of taken) this.settlePart(job, key, count, error)
      }
      for (const job of this.jobs.filter(({ error, left }) => error || left.size === 0)) {
        this.jobs.splice(this.jobs.indexOf(job), 1)
        job.settle()
      }
    }
    this.working = false
  }

  /** One that comes alone goes at once; while more keep coming, requests go `linger` apart. */
  private async linger(): Promise<void> {
    const { clock } = this.ports
    const wait = this.lastRequest + (this.options.linger ?? 0) - clock.monotonic()
    if (wait > 0 && this.pendingBytes < MAX_REQUEST_BYTES && !this.closed) await sleep(clock, wait)
    this.lastRequest = clock.monotonic()
  }

  /** The next request: the oldest jobs first, one batch per partition. It is given up when the first of them is. */
  private round(): {
    records: Map<string, OutgoingRecord[]>
    taken: Map<string, { job: Job; count: number }[]>
    deadline: number
  } {
    const records = new Map<string, OutgoingRecord[]>()
    const taken = new Map<string, { job: Job; count: number }[]>()
    const batchBytes = new Map<string, number>()
    const limit = this.options.maxBatchBytes ?? MAX_BATCH_BYTES
    const full = new Set<string>()
    let total = 0
    let deadline = Infinity
    for (const job of this.jobs) {
      for (const [key, list] of job.left) {
        let count = 0
        for (const record of full.has(key) ? [] : list) {
          const bytes = recordBytes(record)
          const before = batchBytes.get(key) ?? 0
          if ((before > 0 && before + bytes > (this.limits.get(key) ?? limit)) || (total > 0 && total + bytes > MAX_REQUEST_BYTES)) {
            // What follows in this partition waits too: order is kept.
            full.add(key)
            break
          }
          batchBytes.set(key, before + bytes)
          total += bytes
          count++
        }
        if (count === 0) continue
        const batch = records.get(key) ?? []
        for (let index = 0; index < count; index++) batch.push(list[index]!)
        records.set(key, batch)
        taken.set(key, [...(taken.get(key) ?? []), { job, count }])
        deadline = Math.min(deadline, job.deadline)
      }
    }
    return { records, taken, deadline }
  }

  private async deliver(
    records: Map<string, OutgoingRecord[]>,
    deadline: number,
  ): Promise<{ failed: Map<string, KafkaError>; unsure: boolean }> {
    try {
      this.identity ??= await this.identify(deadline)
      return await this.sequenced.send(records, this.identity, deadline)
    } catch (error) {
      const failure = kafkaError('write', error)
      return { failed: new Map([...records.keys()].map(key => [key, failure])), unsure: true }
    }
  }

  private async identify(deadline: number): Promise<Identity> {
    const { clock } = this.ports
    const backoff = new Backoff(50, 1000)
    let cause: KafkaError | undefined
    for (;;) {
      const remaining = deadline - clock.monotonic()
      try {
        const ask = async (): Promise<Identity> => {
          const link = await this.sequenced.connected()
          const broker = await link.controller()
          return broker.initProducerId({ transactionTimeout: NO_TRANSACTION_TIMEOUT })
        }
        const identity = await within(clock, remaining, 'get a producer id', ask())
        this.sequenced.reset()
        return identity
      } catch (error) {
        const failure = kafkaError('get a producer id', error)
        this.sequenced.drop()
        if (failure.kind === 'permanent' || this.closed) throw failure
        // That the time is over says nothing; why it was not enough does.
        if (!cause || failure.code !== 'TIMEOUT') cause = failure
        if (remaining <= 0) throw cause
        await sleep(clock, Math.min(backoff.delay(), Math.max(0, remaining)))
      }
    }
  }

  /** A batch refused for one record in it goes in halves, so that only that record is refused in the end. */
  private split(key: string, records: readonly OutgoingRecord[], { code }: KafkaError): boolean {
    if (!OF_ONE_RECORD.has(code) || records.length < 2) {
      if (OF_ONE_RECORD.has(code)) this.limits.delete(key)
      return false
    }
    this.limits.set(key, records.reduce((sum, record) => sum + recordBytes(record), 0) / 2)
    return true
  }

  private settlePart(job: Job, key: string, count: number, error: KafkaError | undefined): void {
    if (error) {
      job.error ??= error
      return
    }
    const list = job.left.get(key)
    if (!list) return
    if (count >= list.length) job.left.delete(key)
    else job.left.set(key, list.slice(count))
  }
}
