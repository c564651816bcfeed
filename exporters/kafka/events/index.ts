/** Correlated events on a topic of their own: one record an event, its key the workload, so that a workload's windows stay in order. */
import type { Batch } from '../../../proto/batch.js'
import { decodeEvents, eventsBatch } from '../../../proto/events/codec.js'
import type { CorrelatedEvent } from '../../../proto/events/event.js'
import { PermanentError, refusingUnreadable } from '../../../runtime/errors.js'
import type { Parcel } from '../shipment.js'
import { type EncodeEvent, eventEncoder } from './encoding.js'
import type { EventOptions } from './options.js'
import { SchemaRegistry } from './registry.js'

export class EventParcels {
  private encode: Promise<EncodeEvent> | undefined

  constructor(private readonly options: EventOptions) {}

  /** Rejects with RetryableError while their schema cannot be had, with PermanentError when the batch cannot be read. */
  async parcels(batch: Batch): Promise<Omit<Parcel, 'turn'>[]> {
    const { topic, schema_registry: registry } = this.options
    this.encode ??= eventEncoder(this.options, registry && new SchemaRegistry(registry, topic))
    const encode = await this.encode
    return Promise.all(
      read(batch).map(async event => ({
        topic,
        key: Buffer.from(event.workloadId),
        batch: eventsBatch([event], batch.metadata),
        value: await encode(event).catch(refusal),
      })),
    )
  }
}

/** An event that cannot be encoded is refused alone; what may pass concerns them all. */
const refusal = (error: unknown): PermanentError => {
  if (error instanceof PermanentError) return error
  throw error
}

const read = (batch: Batch): CorrelatedEvent[] =>
  refusingUnreadable('bad_data', () => decodeEvents(batch), 'unreadable correlated events: ')
