/**
 * OAUTHBEARER for kafkajs, whose own does not look at the answer: a token that is refused looks there like a connection that broke (RFC 7628: the broker
 * says why, and waits for a word before it closes).
 */
import errors from 'kafkajs/src/errors.js'
import oauthBearer from 'kafkajs/src/protocol/sasl/oauthBearer/index.js'

export interface SaslExchange {
  saslAuthenticate(exchange: {
    request: unknown
    response?: { decode(bytes: unknown): Promise<unknown>; parse(data: unknown): Promise<unknown> }
  }): Promise<unknown>
}

export const oauthBearerProvider =
  (token: () => Promise<string>, extensions: Readonly<Record<string, string>> | undefined) =>
  ({ saslAuthenticate }: SaslExchange) => ({
    authenticate: async (): Promise<void> => {
      const request = await oauthBearer.request({}, { value: await token(), ...(extensions ? { extensions } : {}) })
      const refusal = await saslAuthenticate({ request, response: { decode: async bytes => bytes, parse: async data => data } })
      // The answer's length comes first; a token that is taken is answered with nothing.
      if (Buffer.isBuffer(refusal) && refusal.length > 4)
        throw new errors.KafkaJSSASLAuthenticationError(`SASL OAUTHBEARER authentication failed: the broker answered ${reasonIn(refusal)}`)
    },
  })

/** Only the status that the RFC names: whatever else a broker may say could repeat the token. */
const reasonIn = (refusal: Buffer): string => /"status"\s*:\s*"([\w .-]{1,60})"/.exec(refusal.toString('latin1'))?.[1] ?? 'no'
