/**
 * Exactly once: records and the offsets they came from, in one transaction. A producer that met an error is done with: its state at the broker is unknown,
 * and a new one under the same id settles it (InitProducerId).
 */
import type { CommitOffset, OutgoingRecord, Transaction, TransactionalOptions, TransactionalProducer } from './client.js'
import { KafkaError, kafkaError } from './errors.js'
import { byTopic, keyOf, type Link } from './link.js'
import type { KafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { recordBytes } from './record_batch.js'
import { type Identity, Sequenced } from './sequenced.js'
import { Backoff, sleep, within } from './wait.js'

const MAX_BATCH_BYTES = 1_000_000
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const TRANSACTION_TIMEOUT_MS = 60_000
/** The markers of the transaction before are still being written: a matter of milliseconds. */
const RETRY_FIRST_MS = 2
const RETRY_MOST_MS = 200

export class KafkaTransactionalProducer implements TransactionalProducer {
  private identity: Identity | undefined
  private current: OpenTransaction | undefined
  private broken: KafkaError | undefined
  private batchBytes: number

  private constructor(
    private readonly sequenced: Sequenced,
    private readonly options: TransactionalOptions,
    private readonly ports: Ports,
  ) {
    this.batchBytes = options.maxBatchBytes ?? MAX_BATCH_BYTES
  }

  static async open(config: KafkajsConfig, options: TransactionalOptions, ports: Ports): Promise<KafkaTransactionalProducer> {
    const { compression = 'none', transactionalId } = options
    const producer = new KafkaTransactionalProducer(new Sequenced(config, { compression, transactionalId }, ports), options, ports)
    try {
      const transactionTimeout = options.transactionTimeout ?? TRANSACTION_TIMEOUT_MS
      producer.identity = await producer.persistently('open the transactional producer', async link => {
        const coordinator = await link.transactionCoordinator(transactionalId)
        return coordinator.initProducerId({ transactionalId, transactionTimeout })
      })
      return producer
    } catch (error) {
      await producer.close()
      throw error
    }
  }

  begin(): Transaction {
    if (this.broken) throw this.broken
    if (!this.identity || this.current?.open)
      throw new KafkaError('a transaction is under way: commit or abort it first', 'permanent', 'INVALID_TXN_STATE')
    this.current = new OpenTransaction(this, this.options, this.identity)
    return this.current
  }

  async close(): Promise<void> {
    this.broken ??= new KafkaError('the transactional producer is closed', 'retryable', 'CLOSED')
    this.sequenced.close()
  }

  /** Runs a step; any failure is the end of this producer. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    if (this.broken) throw this.broken
    try {
      return await work()
    } catch (error) {
      this.broken = kafkaError('go on with the transaction', error)
      this.sequenced.close()
      throw this.broken
    }
  }

  /** Repeats a request to the coordinator while it is only busy or moving. */
  async persistently<T>(what: string, request: (link: Link) => Promise<T>): Promise<T> {
    const { clock } = this.ports
    const deadline = clock.monotonic() + this.options.timeout
    const backoff = new Backoff(RETRY_FIRST_MS, RETRY_MOST_MS)
    for (;;) {
      const remaining = deadline - clock.monotonic()
      try {
        return await within(clock, remaining, what, this.sequenced.connected().then(request))
      } catch (error) {
        const failure = kafkaError(what, error)
        if (failure.code === 'CONNECTION' || failure.code === 'TIMEOUT') this.sequenced.drop()
        if (failure.kind !== 'retryable' || deadline <= clock.monotonic()) throw failure
        await sleep(clock, Math.min(backoff.delay(), Math.max(0, deadline - clock.monotonic())))
      }
    }
  }

  /** Requests of at most one batch a partition, in order. A batch that its topic finds too large goes in halves; a record that it does rejects. */
  async write(records: readonly OutgoingRecord[], identity: Identity): Promise<void> {
    for (const batches of cutIntoBatches(records, this.batchBytes)) {
      const { failed } = await this.sequenced.send(batches, identity, this.ports.clock.monotonic() + this.options.timeout)
      for (const [key, error] of failed) {
        const batch = batches.get(key) ?? []
        if (!TOO_LARGE.has(error.code) || batch.length < 2) throw error
        this.batchBytes = batch.reduce((sum, record) => sum + recordBytes(record), 0) / 2
        await this.write(batch, identity)
      }
    }
  }
}

const cutIntoBatches = (records: readonly OutgoingRecord[], limit: number): Map<string, OutgoingRecord[]>[] => {
  const rounds: Map<string, OutgoingRecord[]>[] = []
  const at = new Map<string, { round: number; bytes: number }>()
  for (const record of records) {
    const key = keyOf(record)
    const bytes = recordBytes(record)
    const last = at.get(key) ?? { round: 0, bytes: 0 }
    const place =
      last.bytes > 0 && last.bytes + bytes > limit ? { round: last.round + 1, bytes } : { round: last.round, bytes: last.bytes + bytes }
    at.set(key, place)
    const round = (rounds[place.round] ??= new Map())
    const batch = round.get(key)
    if (batch) batch.push(record)
    else round.set(key, [record])
  }
  return rounds
}

class OpenTransaction implements Transaction {
  open = true
  private readonly partitions = new Set<string>()
  private readonly groups = new Set<string>()
  /** Sends that wait for the one under way: they go together. */
  private waiting: OutgoingRecord[] = []
  private sending: Promise<void> | undefined

  constructor(
    private readonly producer: KafkaTransactionalProducer,
    private readonly options: TransactionalOptions,
    private readonly identity: Identity,
  ) {}

  send(records: readonly OutgoingRecord[]): Promise<void> {
    for (const record of records) this.waiting.push(record)
    if (this.waiting.length === records.length) {
      const before = this.sending ?? Promise.resolve()
      this.sending = before.then(() => this.sendWaiting())
    }
    return this.sending ?? Promise.resolve()
  }

  private sendWaiting(): Promise<void> {
    const records = this.waiting
    this.waiting = []
    return this.step(async () => {
      const fresh = new Map<string, OutgoingRecord>()
      for (const record of records) if (!this.partitions.has(keyOf(record))) fresh.set(keyOf(record), record)
      if (fresh.size > 0) {
        const topics = byTopic([...fresh.values()], ({ partition }) => partition)
        await this.ask('add partitions to the transaction', broker => broker.addPartitionsToTxn({ ...this.ids, topics }))
        for (const key of fresh.keys()) this.partitions.add(key)
      }
      await this.producer.write(records, this.identity)
    })
  }

  sendOffsets(group: string, offsets: readonly CommitOffset[]): Promise<void> {
    return this.step(async () => {
      if (!this.groups.has(group))
        await this.ask('add offsets to the transaction', broker => broker.addOffsetsToTxn({ ...this.ids, groupId: group }))
      this.groups.add(group)
      const topics = byTopic(offsets, ({ partition, offset, metadata }) => ({ partition, offset: String(offset), metadata }))
      await this.producer.persistently('commit offsets in the transaction', async link => {
        const coordinator = await link.groupCoordinator(group)
        await coordinator.txnOffsetCommit({ ...this.ids, groupId: group, topics })
      })
    })
  }

  commit(): Promise<void> {
    return this.end(true)
  }

  abort(): Promise<void> {
    return this.end(false)
  }

  private get ids() {
    const { producerId, producerEpoch } = this.identity
    return { transactionalId: this.options.transactionalId, producerId, producerEpoch }
  }

  private end(transactionResult: boolean): Promise<void> {
    return this.step(async () => {
      // Where nothing was added, the broker knows of no transaction.
      if (this.partitions.size + this.groups.size > 0)
        await this.ask(`${transactionResult ? 'commit' : 'abort'} the transaction`, broker =>
          broker.endTxn({ ...this.ids, transactionResult }),
        )
      this.open = false
    })
  }

  private step(work: () => Promise<void>): Promise<void> {
    if (!this.open) return Promise.reject(new KafkaError('the transaction has ended', 'permanent', 'INVALID_TXN_STATE'))
    return this.producer.step(work)
  }

  private async ask(
    what: string,
    request: (coordinator: Awaited<ReturnType<Link['transactionCoordinator']>>) => Promise<unknown>,
  ): Promise<void> {
    await this.producer.persistently(what, async link => request(await link.transactionCoordinator(this.options.transactionalId)))
  }
}
