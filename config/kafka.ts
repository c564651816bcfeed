/** How a Kafka cluster is reached, in the Collector's words; streams, the receiver and the exporter share it. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { secret } from './options.js'

const password = z.strictObject({
  mechanism: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).describe('What the listener of the brokers offers.'),
  username: z.string().min(1).describe('The user; its rights on topic and group are the cluster’s.'),
  password: secret().describe('Its password; best from `${env:…}`.'),
})
const token = z.strictObject({
  mechanism: z.literal('OAUTHBEARER'),
  token_file: z.string().min(1).describe('File with the token, read at each authentication; whoever renews the token writes it anew.'),
})

/** Keys to spread into an options object. */
export const kafkaConnection = {
  brokers: z
    .array(z.string().regex(/^[^:\s]+:\d{1,5}$/, 'a broker is host:port, and an IPv6 host is named by its name'))
    .min(1)
    .default(['localhost:9092'])
    .describe('`host:port` of some brokers; the others are found from them.'),
  client_id: z.string().min(1).default('ai-factory-gateway').describe('What the brokers call this client in their logs and quotas.'),
  tls: z
    .strictObject({
      ca_file: z.string().optional().describe('PEM file with the authorities of the brokers’ certificates; absent = the well-known ones.'),
      cert_file: z.string().optional().describe('PEM file with a certificate of our own, where brokers ask for one.'),
      key_file: z.string().optional().describe('PEM file with its private key.'),
      server_name_override: z.string().optional().describe('Name the brokers’ certificates are checked against, instead of their hosts.'),
      insecure_skip_verify: z.boolean().default(false).describe('Accept any certificate. Only for tests.'),
    })
    .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
      error: 'a client certificate needs its key, and a key its certificate: set both cert_file and key_file, or neither',
    })
    .optional()
    .describe('Speak TLS to the brokers; `{}` with the well-known authorities.'),
  auth: z
    .strictObject({ sasl: z.discriminatedUnion('mechanism', [password, token]).describe('Who we are, by SASL.') })
    .optional()
    .describe('How to authenticate.'),
}
const connection = z.object(kafkaConnection)
export type KafkaConnection = z.infer<typeof connection>

/** The options of `connect` in kafka/, files read. Rejects, naming the file, when one cannot be. */
export const readKafkaConnection = async ({ brokers, client_id, tls, auth }: KafkaConnection) => ({
  brokers,
  clientId: client_id,
  ...(tls && {
    tls: {
      ...(tls.ca_file !== undefined && { ca: await readFile(tls.ca_file) }),
      ...(tls.cert_file !== undefined && { cert: await readFile(tls.cert_file) }),
      ...(tls.key_file !== undefined && { key: await readFile(tls.key_file) }),
      ...(tls.server_name_override !== undefined && { serverName: tls.server_name_override }),
      insecureSkipVerify: tls.insecure_skip_verify,
    },
  }),
  ...(auth && { sasl: saslOf(auth.sasl) }),
})

const saslOf = (sasl: NonNullable<KafkaConnection['auth']>['sasl']) => {
  if (sasl.mechanism !== 'OAUTHBEARER') return sasl
  const { mechanism, token_file } = sasl
  return { mechanism, token: async () => (await readFile(token_file, 'utf8')).trim() }
}
