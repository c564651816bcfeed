import { KafkaError } from '../../kafka/index.js'
import { type Batch, SIGNALS } from '../../proto/batch.js'
import { OTLP_SIGNALS } from '../../proto/services.js'
import { component } from '../../runtime/component.js'
import { deliver, deliverAtOnce, type Send } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError, refusingUnreadable } from '../../runtime/errors.js'
import { TRANSACTION, TRANSACTIONS, type Transaction } from '../../runtime/transactions.js'
import { EventParcels } from './events/index.js'
import { type Options, options } from './options.js'
import { Outgoing } from './outgoing.js'
import { type Parcel, Shipment, TOO_LARGE, type Write } from './shipment.js'
import { Sorter } from './sort.js'

/** Room for a value that a record must have. */
const LEAST_BYTES = 512

const headerBytes = ({ record_headers: headers }: Options): number =>
  Object.entries(headers).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)

export default component({
  kind: 'exporter',
  type: 'kafka',
  summary: 'Writes traces, metrics and logs to Kafka topics, as the Collector’s Kafka receiver reads them.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  transactional: true,
  config: options,
  examples: {
    'Three topics, records keyed by workload': 'brokers: [localhost:9092]\nproducer:\n  compression: lz4\n',
    'Partitions as Java’s clients choose them, by another attribute':
      'brokers: [localhost:9092]\nkey_from_attribute: service.name\nrecord_partitioner:\n  sticky_key:\n    hasher: murmur2\n',
    'Correlated events as Avro, their schema in a registry':
      'brokers: [localhost:9092]\nevents:\n  encoding: avro\n  schema_registry:\n    urls: [http://localhost:8081]\n',
    'With TLS and SCRAM':
      'brokers: [kafka-1:9093, kafka-2:9093]\ntls: {}\nauth:\n  sasl:\n    mechanism: SCRAM-SHA-512\n    username: gateway\n    password: secret\n',
  },
  create(config, context) {
    const sorter = new Sorter(config)
    let maxBytes = config.producer.max_message_bytes - headerBytes(config)
    if (maxBytes < LEAST_BYTES) throw new Error('record_headers leave no room for a value: raise producer.max_message_bytes')
    const events = config.events && new EventParcels(config.events)
    let outgoing: Outgoing | undefined
    let turns = 0
    let under = new WeakMap<Batch, Shipment>()

    const inTurn = (parts: readonly Omit<Parcel, 'turn'>[]): Parcel[] => {
      const turn = turns++
      const each = config.record_partitioner.round_robin !== undefined
      return parts.map(part => ({ ...part, turn: each ? turns++ : turn }))
    }
    const parcelsOf = (batch: Batch): Parcel[] => refusingUnreadable('bad_data', () => inTurn(sorter.sort(batch)))
    const shipmentOf = async (batch: Batch, write: Write, signal: AbortSignal): Promise<Shipment> => {
      if (batch.signal !== 'events') return new Shipment(parcelsOf(batch), { encoding: config[batch.signal].encoding, maxBytes }, write)
      if (!events) throw new PermanentError('no topic for correlated events: set events', 'no_topic')
      const parcels = inTurn(await events.parcels(batch))
      // A slow registry outlives an attempt, and the next one has begun: two shipments of one batch would write it twice.
      signal.throwIfAborted()
      return new Shipment(parcels, { encoding: 'otlp_proto', maxBytes }, write)
    }
    const writeInto =
      (transaction?: Transaction): Write =>
      async (parcel, value) => {
        if (!outgoing) throw new RetryableError('the exporter is not started', 'shutting_down')
        await outgoing.write(parcel, value, transaction)
      }
    /** A refused record ends its transaction: the next one gets smaller records. */
    const writeWithin =
      (transaction: Transaction): Write =>
      async (parcel, value) => {
        try {
          await writeInto(transaction)(parcel, value)
        } catch (error) {
          if (error instanceof KafkaError && TOO_LARGE.has(error.code))
            maxBytes = Math.max(LEAST_BYTES, Math.min(maxBytes, value.length / 2))
          throw new RetryableError(String(error), 'transaction', undefined, { cause: error })
        }
      }
    const send: Send = async (batch, signal) => {
      const shipment = under.get(batch) ?? (await shipmentOf(batch, writeInto(), signal))
      under.set(batch, shipment)
      return shipment.send()
    }
    /** A queue would acknowledge what its transaction has not, and merge what belongs to several. */
    const sendWithin: Send = async (batch, signal) => {
      const transaction = context.host.get(TRANSACTIONS).get(batch.metadata[TRANSACTION] ?? '')
      if (!transaction) throw new RetryableError('its transaction is over', 'transaction')
      return (await shipmentOf(batch, writeWithin(transaction), signal)).send()
    }
    const delivery = deliver(config, send, context)
    const within = deliverAtOnce(config.timeout, sendWithin, context)
    return {
      consume: batch => (TRANSACTION in batch.metadata ? within(batch) : delivery.consume(batch)),
      temporality: config.temporality,
      signals: (events ? SIGNALS : OTLP_SIGNALS).filter(signal => config.signals.includes(signal)),
      async start() {
        outgoing = await Outgoing.open(config, context)
        under = new WeakMap()
        await delivery.start?.()
      },
      async stop(deadline) {
        await delivery.stop?.(deadline)
        const closing = outgoing
        outgoing = undefined
        await closing?.close()
      },
    }
  },
})
