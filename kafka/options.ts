/** How to reach a cluster. */
import type { ConnectionOptions as TlsSocketOptions } from 'node:tls'
import { KafkaError } from './errors.js'
import { oauthBearerProvider } from './oauth.js'

export interface TlsOptions {
  /** PEM. */
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  /** Name in the server's certificate, when it is not the broker's host. */
  readonly serverName?: string
  /** Any certificate will do: for tests only. */
  readonly insecureSkipVerify?: boolean
}

export type SaslOptions =
  | { readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; readonly username: string; readonly password: string }
  /** `token` is asked at each authentication and answers with one that is still valid. */
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: () => Promise<string>; readonly extensions?: Readonly<Record<string, string>> }

export interface ConnectOptions {
  /** `host:port`; any of them will do to find the others. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly tls?: TlsOptions
  readonly sasl?: SaslOptions
  readonly connectionTimeout?: number
  /** A request that is not answered within this time counts as failed. */
  readonly requestTimeout?: number
  readonly rack?: string
}

/** What kafkajs calls them. */
export interface KafkajsConfig {
  readonly brokers: string[]
  readonly clientId: string
  readonly ssl: TlsSocketOptions | undefined
  readonly sasl: object | undefined
  readonly connectionTimeout: number
  readonly authenticationTimeout: number
  readonly requestTimeout: number
}

const CONNECTION_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 15_000

const tlsConfig = ({ ca, cert, key, serverName, insecureSkipVerify }: TlsOptions): TlsSocketOptions => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  ...(serverName === undefined ? {} : { servername: serverName }),
  rejectUnauthorized: !insecureSkipVerify,
})

const saslConfig = (sasl: SaslOptions): object =>
  sasl.mechanism === 'OAUTHBEARER'
    ? { mechanism: 'oauthbearer', authenticationProvider: oauthBearerProvider(sasl.token, sasl.extensions) }
    : { mechanism: sasl.mechanism.toLowerCase(), username: sasl.username, password: sasl.password }

export const kafkajsConfig = (options: ConnectOptions): KafkajsConfig => {
  // kafkajs splits at the first colon: an IPv6 address would become another host.
  const wrong = options.brokers.find(broker => !/^[^:\s]+:\d{1,5}$/.test(broker))
  if (wrong !== undefined || options.brokers.length === 0)
    throw new KafkaError(
      `brokers must be a list of host:port, not "${wrong ?? ''}"; name an IPv6 host by its name`,
      'permanent',
      'INVALID_BROKERS',
    )
  const connectionTimeout = options.connectionTimeout ?? CONNECTION_TIMEOUT_MS
  return {
    brokers: [...options.brokers],
    clientId: options.clientId,
    ssl: options.tls && tlsConfig(options.tls),
    sasl: options.sasl && saslConfig(options.sasl),
    connectionTimeout,
    authenticationTimeout: connectionTimeout,
    requestTimeout: options.requestTimeout ?? REQUEST_TIMEOUT_MS,
  }
}
