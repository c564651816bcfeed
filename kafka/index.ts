/** Kafka for the gateway: `connect` says where and how, and the result makes producers, group members and admins. Opens nothing by itself. */
import { KafkaAdmin } from './admin.js'
import type { KafkaClient } from './client.js'
import { KafkaGroupMember } from './member.js'
import { type ConnectOptions, kafkajsConfig } from './options.js'
import type { Ports } from './ports.js'
import { IdempotentProducer } from './producer.js'
import { KafkaTransactionalProducer } from './transactions.js'

export * from './client.js'
export { type ErrorKind, KafkaError } from './errors.js'
export { compressBlock, decompressBlock, type Place } from './lz4_block.js'
export type { ConnectOptions, SaslOptions, TlsOptions } from './options.js'
export type { Clock, Log, Ports } from './ports.js'

/** Throws when the options cannot be right. */
export const connect = (options: ConnectOptions, ports: Ports): KafkaClient => {
  const config = kafkajsConfig(options)
  return {
    admin: () => new KafkaAdmin(config, ports),
    producer: given => new IdempotentProducer(config, given, ports),
    transactional: given => KafkaTransactionalProducer.open(config, given, ports),
    member: (given, listener) => new KafkaGroupMember(config, given, listener, ports, options.rack ?? ''),
  }
}
