/** One batch on its way: its records, which of them Kafka has, and which it will never take. A repeated attempt sends only what is left. */

import { KafkaError } from '../../kafka/index.js'
import type { Batch } from '../../proto/batch.js'
import { toJson } from '../../proto/json/index.js'
import type { PartialSuccess } from '../../proto/services.js'
import { halve } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError, refusingUnreadable } from '../../runtime/errors.js'
import type { Part } from './sort.js'

/** A part with its turn among those without a key: taken once, so that a repeated attempt goes to the same partition. */
export interface Parcel extends Part {
  readonly turn: number
  /** Encoded already: correlated events are. An error: it has no value in the chosen encoding, and is refused alone. */
  readonly value?: Buffer | PermanentError
}

export type Write = (parcel: Parcel, value: Buffer) => Promise<void>

export interface ShipmentOptions {
  readonly encoding: 'otlp_proto' | 'otlp_json'
  /** Bytes that a record's key and value may have. */
  readonly maxBytes: number
}

/** Refusals of a record for its size: by the topic's own limit, which may be less than ours. */
export const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** Refusals of a record that no repetition mends. Everything else passes when somebody has mended topic, rights or credentials. */
const NEVER = new Set(['INVALID_RECORD', 'INVALID_TIMESTAMP'])

/** A copy: whoever handed the batch over uses its memory again when an attempt has timed out, while the producer may still be writing. */
const encode = (batch: Batch, encoding: ShipmentOptions['encoding']): Buffer =>
  refusingUnreadable(
    'bad_data',
    () => (encoding === 'otlp_json' ? Buffer.from(toJson(batch.signal, batch)) : Buffer.concat(batch.slices as Uint8Array[])),
    'not to be written as JSON: ',
  )

export class Shipment {
  private readonly left: Set<Parcel>
  /** An attempt may have timed out while its records are still being written: the next one waits for those instead of writing them twice. */
  private readonly underway = new Map<Parcel, Promise<void>>()
  private rejected = 0
  /** A fixed text: it is a label of a counter. */
  private why = ''

  constructor(
    parcels: readonly Parcel[],
    private readonly options: ShipmentOptions,
    private readonly write: Write,
  ) {
    this.left = new Set(parcels)
  }

  /** Sends what is left. Resolves with what Kafka will never take, if anything; rejects with RetryableError while something may still be taken. */
  async send(): Promise<PartialSuccess | undefined> {
    const outcomes = await Promise.allSettled([...this.left].map(parcel => this.shipOnce(parcel)))
    const failure = outcomes.find(outcome => outcome.status === 'rejected')
    if (failure) throw retryable(failure.reason)
    return this.rejected > 0 ? { rejected: this.rejected, message: this.why } : undefined
  }

  private shipOnce(parcel: Parcel): Promise<void> {
    const begun = this.underway.get(parcel)
    if (begun) return begun
    const shipping = this.ship(parcel).finally(() => this.underway.delete(parcel))
    this.underway.set(parcel, shipping)
    return shipping
  }

  private async ship(parcel: Parcel): Promise<void> {
    const { key, batch } = parcel
    try {
      if (parcel.value instanceof PermanentError) throw parcel.value
      const value = parcel.value ?? encode(batch, this.options.encoding)
      const bytes = value.length + (key?.length ?? 0)
      if (bytes > this.options.maxBytes)
        return await this.halves(parcel, 'an item is too large for a record: raise producer.max_message_bytes')
      await this.write(parcel, value)
      this.left.delete(parcel)
    } catch (error) {
      if (error instanceof KafkaError && TOO_LARGE.has(error.code))
        return await this.halves(parcel, "an item is too large for its topic: raise the topic's max.message.bytes")
      if (error instanceof PermanentError || (error instanceof KafkaError && NEVER.has(error.code)))
        return this.reject(parcel, error instanceof KafkaError ? error.code.toLowerCase() : error.reason)
      throw error
    }
  }

  private async halves(parcel: Parcel, why: string): Promise<void> {
    const halves = halve(parcel.batch).map((batch): Parcel => ({ ...parcel, batch }))
    if (halves.length < 2) return this.reject(parcel, why)
    this.left.delete(parcel)
    for (const half of halves) this.left.add(half)
    const outcomes = await Promise.allSettled(halves.map(half => this.shipOnce(half)))
    const failure = outcomes.find(outcome => outcome.status === 'rejected')
    if (failure) throw failure.reason
  }

  private reject(parcel: Parcel, why: string): void {
    this.left.delete(parcel)
    this.rejected += parcel.batch.items
    this.why = why
  }
}

const retryable = (error: unknown): unknown =>
  error instanceof KafkaError ? new RetryableError(error.message, error.code.toLowerCase(), undefined, { cause: error }) : error
