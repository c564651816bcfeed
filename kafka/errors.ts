/** Every failure as one kind of error: what to do about it, in code and in words. */

/** `retryable`: later it may work. `permanent`: the same request never will. `fenced`: somebody else owns this now. */
export type ErrorKind = 'retryable' | 'permanent' | 'fenced'

export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  constructor(
    message: string,
    readonly kind: ErrorKind,
    /** The protocol's name for it, such as MESSAGE_TOO_LARGE, or ours: TIMEOUT, CONNECTION, CLOSED, OVERLOADED, TOPIC_MISMATCH. */
    readonly code: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** Codes that kafkajs 2.2.4 does not know by name. */
const LATER_CODES: Readonly<Record<number, string>> = {
  87: 'INVALID_RECORD',
  90: 'PRODUCER_FENCED',
  100: 'UNKNOWN_TOPIC_ID',
  120: 'TRANSACTION_ABORTABLE',
}

const FENCED = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'REBALANCE_IN_PROGRESS',
  'FENCED_INSTANCE_ID',
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'TRANSACTION_COORDINATOR_FENCED',
])

/** Retryable though kafkajs does not say so: all of them pass by themselves. */
const PASSING = new Set([
  'BROKER_NOT_AVAILABLE',
  'STALE_CONTROLLER_EPOCH',
  'STALE_BROKER_EPOCH',
  'REASSIGNMENT_IN_PROGRESS',
  'UNKNOWN_TOPIC_ID',
  'UNKNOWN_PRODUCER_ID',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_ID_MAPPING',
  'POLICY_VIOLATION',
])

/** Names of kafkajs's own errors that mean the network. */
const NETWORK =
  /^KafkaJS(Connection|ConnectionClosed|RequestTimeout|BrokerNotFound|LockTimeout|GroupCoordinatorNotFound|NoBrokerAvailable|MetadataNotLoaded|TopicMetadataNotLoaded)/

/** What a person can do about it. */
const REMEDIES: Readonly<Record<string, string>> = {
  TOPIC_AUTHORIZATION_FAILED: 'grant this user Read, Write and Describe on the topic',
  GROUP_AUTHORIZATION_FAILED: 'grant this user Read on the consumer group',
  CLUSTER_AUTHORIZATION_FAILED: 'grant this user IdempotentWrite (to produce) or Create (to make topics) on the cluster',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'grant this user Write and Describe on the transactional id',
  SASL_AUTHENTICATION_FAILED: 'check mechanism, user name and password (or token) under sasl',
  UNSUPPORTED_SASL_MECHANISM: 'use a sasl mechanism that the listener offers',
  MESSAGE_TOO_LARGE: "raise the topic's max.message.bytes, or send smaller records",
  RECORD_LIST_TOO_LARGE: "raise the topic's max.message.bytes, or send smaller records",
  OFFSET_METADATA_TOO_LARGE: "the broker's offset.metadata.max.bytes is smaller than 4096: set it back",
  UNKNOWN_TOPIC_OR_PARTITION: 'create the topic, or check its name and that this user may Describe it',
  INVALID_REPLICATION_FACTOR: 'ask for at most as many replicas as there are brokers',
  INVALID_SESSION_TIMEOUT: "choose a session timeout between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
  CONNECTION: 'check brokers, port and whether the listener wants TLS or SASL',
}

/** What kafkajs throws, read in the shape it has; nothing of it is relied upon. */
interface Thrown {
  readonly name?: unknown
  readonly type?: unknown
  readonly code?: unknown
  readonly message?: unknown
  readonly retriable?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
  readonly broker?: unknown
}

const asThrown = (error: unknown): Thrown => (typeof error === 'object' && error !== null ? (error as Thrown) : { message: String(error) })

const codeOf = ({ name, type, code, message }: Thrown): string => {
  if (type === 'KAFKAJS_UNKNOWN_ERROR_CODE' && typeof code === 'number') return LATER_CODES[code] ?? `ERROR_${code}`
  if (typeof type === 'string') return type
  if (name === 'KafkaJSRequestTimeoutError') return 'TIMEOUT'
  if (name === 'KafkaJSSASLAuthenticationError') return 'SASL_AUTHENTICATION_FAILED'
  if (typeof code === 'string' || (typeof name === 'string' && NETWORK.test(name))) return 'CONNECTION'
  return typeof message === 'string' && /sasl/i.test(message) ? 'SASL_AUTHENTICATION_FAILED' : 'UNKNOWN'
}

const kindOf = (code: string, thrown: Thrown): ErrorKind => {
  if (FENCED.has(code)) return 'fenced'
  if (PASSING.has(code) || code === 'TIMEOUT' || code === 'CONNECTION') return 'retryable'
  return thrown.retriable === true ? 'retryable' : 'permanent'
}

/** The innermost error that kafkajs wrapped; of several (one a topic) the first. */
const innermost = (error: unknown): Thrown => {
  let thrown = asThrown(error)
  for (let depth = 0; depth < 5 && thrown.name !== 'KafkaJSProtocolError'; depth++) {
    const wrapped: unknown = Array.isArray(thrown.errors) ? thrown.errors[0] : thrown.cause
    if (!wrapped || wrapped === thrown) break
    const cause = asThrown(wrapped)
    if (typeof cause.name !== 'string' || !cause.name.startsWith('KafkaJS')) break
    thrown = cause
  }
  return thrown
}

/** `what`: what was being done, as in "cannot join group g". */
export const kafkaError = (what: string, error: unknown): KafkaError => {
  if (error instanceof KafkaError) return error
  const thrown = innermost(error)
  const code = codeOf(thrown)
  const where = typeof thrown.broker === 'string' ? ` (${thrown.broker})` : ''
  const words = typeof thrown.message === 'string' ? thrown.message : String(error)
  const remedy = REMEDIES[code] ? `; ${REMEDIES[code]}` : ''
  return new KafkaError(`cannot ${what}: ${words}${where}${remedy}`, kindOf(code, thrown), code, { cause: error })
}
