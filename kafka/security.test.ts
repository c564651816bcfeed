import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeAuthority } from '../runtime/testing/certificates.js'
import { failure, newTopic, type TestClient, TestMember, testClient, uniqueName } from '../test/support/kafka/client.js'
import { describeKafka, KafkaBroker } from '../test/support/kafka/index.js'
import { until } from '../test/support/until.js'
import type { ConnectOptions, SaslOptions } from './index.js'

const USER = 'gateway'
const PASSWORD = 'right-Passw0rd'
const WRONG = 'wrong-Passw0rd'
const PLAIN_MODULE = 'org.apache.kafka.common.security.plain.PlainLoginModule'
const SCRAM_MODULE = 'org.apache.kafka.common.security.scram.ScramLoginModule'
const OAUTH_MODULE = 'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule'
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const

/** A token that the broker's unsecured validator takes, valid for `seconds`. */
const token = (seconds: number): string => {
  const part = (content: object): string => Buffer.from(JSON.stringify(content)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: USER, iat: now - 10, exp: now + seconds })}.`
}

describeKafka(
  'security',
  () => {
    const authority = makeAuthority()
    let broker: KafkaBroker
    let folder: string
    let listeners: Readonly<Record<string, string>>
    const connects = (listener: string, options: Partial<ConnectOptions>): TestClient => testClient([listeners[listener]!], options)
    const saslOf = (mechanism: (typeof MECHANISMS)[number], password = PASSWORD): SaslOptions =>
      mechanism === 'OAUTHBEARER' ? { mechanism, token: async () => token(600) } : { mechanism, username: USER, password }
    /** Writes, joins a group and reads; and nothing of it says the password. */
    const works = async (client: TestClient): Promise<void> => {
      const topic = await newTopic(client)
      const producer = client.producer({ timeout: 10_000 })
      await producer.send([{ topic, partition: 0, key: null, value: Buffer.from('x') }])
      const member = new TestMember(client, { group: uniqueName('group'), topics: [topic] })
      await member.has(1)
      await Promise.all([member.close(), producer.close()])
      expect(client.log.lines.join('\n')).not.toContain(PASSWORD)
    }

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'kafka-'))
      const { cert, key } = authority.issue()
      // Beside the broker's data, which is removed with it.
      const [keystore, truststore] = [join(folder, 'keystore.pem'), join(folder, 'truststore.pem')]
      writeFileSync(keystore, key + cert)
      writeFileSync(truststore, authority.cert)
      const jaas = ['sasl', 'sasltls'].flatMap(listener => [
        `listener.name.${listener}.plain.sasl.jaas.config=${PLAIN_MODULE} required user_${USER}="${PASSWORD}";`,
        `listener.name.${listener}.scram-sha-256.sasl.jaas.config=${SCRAM_MODULE} required;`,
        `listener.name.${listener}.scram-sha-512.sasl.jaas.config=${SCRAM_MODULE} required;`,
        `listener.name.${listener}.oauthbearer.sasl.jaas.config=${OAUTH_MODULE} required unsecuredLoginStringClaim_sub="broker";`,
      ])
      broker = await KafkaBroker.start({
        folder,
        listeners: { SASL: 'SASL_PLAINTEXT', SASLTLS: 'SASL_SSL', TLS: 'SSL', MTLS: 'SSL' },
        properties: [
          ...jaas,
          `sasl.enabled.mechanisms=${MECHANISMS.join()}`,
          'ssl.keystore.type=PEM',
          `ssl.keystore.location=${keystore}`,
          'ssl.truststore.type=PEM',
          `ssl.truststore.location=${truststore}`,
          'listener.name.mtls.ssl.client.auth=required',
          'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'allow.everyone.if.no.acl.found=true',
          'super.users=User:ANONYMOUS',
        ],
      })
      ;({ listeners } = broker)
      for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
        // One mechanism a call: of two in one, the broker takes one.
        const credentials = `${mechanism}=[password=${PASSWORD}]`
        const user = ['--alter', '--entity-type', 'users', '--entity-name', USER, '--add-config', credentials]
        await broker.tool('kafka.admin.ConfigCommand', '--bootstrap-server', broker.brokers[0]!, ...user)
      }
    }, 400_000)
    afterAll(() => broker?.stop())

    test.each(MECHANISMS)(
      'SASL %s: writes, joins and reads',
      async mechanism => {
        await works(connects('SASL', { sasl: saslOf(mechanism) }))
      },
      40_000,
    )

    test('SASL over TLS, TLS alone, and TLS with a certificate of our own', async () => {
      const ca = authority.cert
      await works(connects('SASLTLS', { sasl: saslOf('SCRAM-SHA-512'), tls: { ca } }))
      await works(connects('TLS', { tls: { ca } }))
      await works(connects('MTLS', { tls: { ca, ...authority.issue() } }))
    }, 60_000)

    test.each(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
      '%s with a wrong password: a permanent error at once, with its remedy and without the password; a member says so and stays',
      async mechanism => {
        const client = connects('SASL', { sasl: saslOf(mechanism, WRONG) })
        const wanted = { kind: 'permanent', code: 'SASL_AUTHENTICATION_FAILED', message: expect.stringContaining('under sasl') }
        const producer = client.producer({ timeout: 15_000 })
        const start = Date.now()
        const refused = await failure(producer.send([{ topic: 't', partition: 0, key: null, value: null }]))
        expect(refused).toMatchObject(wanted)
        expect(Date.now() - start).toBeLessThan(5000)
        expect(await failure(client.admin().describeTopic('t'))).toMatchObject(wanted)
        const member = new TestMember(client, { group: uniqueName('group'), topics: ['t'] })
        await until('it is told', () => member.failures.length > 0)
        expect(member.failures).toMatchObject([wanted])
        await Promise.all([member.close(), producer.close()])
        const said = [refused.message, String(refused.cause), ...client.log.lines].join('\n')
        expect(said).not.toContain(WRONG)
        expect(said).not.toContain(Buffer.from(WRONG).toString('base64'))
      },
      40_000,
    )

    test('an expired token is refused as permanent, without the token in it', async () => {
      const expired = token(-5)
      const client = connects('SASL', { sasl: { mechanism: 'OAUTHBEARER', token: async () => expired } })
      const error = await failure(client.admin().describeTopic('t'))
      expect(error).toMatchObject({
        kind: 'permanent',
        code: 'SASL_AUTHENTICATION_FAILED',
        message: expect.stringContaining('invalid_token'),
      })
      expect([error.message, ...client.log.lines].join('\n')).not.toContain(expired)
    })

    test('a topic that may not be read is told once, with its remedy; the other topic goes on, and it works once it may', async () => {
      const client = connects('SASL', { sasl: saslOf('PLAIN') })
      const [open, denied] = [await newTopic(client), await newTopic(client)]
      const producer = client.producer({ timeout: 10_000 })
      const send = (topic: string): Promise<void> => producer.send([{ topic, partition: 0, key: null, value: Buffer.from(topic) }])
      await send(denied)
      const acl = (action: 'add' | 'remove'): Promise<string> =>
        broker.tool(join(__dirname, '../test/support/kafka/Deny.java'), broker.brokers[0]!, action, USER, denied, 'READ')
      await acl('add')
      const member = new TestMember(client, { group: uniqueName('group'), topics: [open, denied] })
      await until('it is told', () => member.failures.length > 0)
      expect(member.failures).toMatchObject([
        { kind: 'permanent', code: 'TOPIC_AUTHORIZATION_FAILED', message: expect.stringContaining('grant this user Read') },
      ])
      for (let count = 1; count <= 12; count++) {
        await send(open)
        await member.has(count)
        await new Promise(resolve => setTimeout(resolve, 500))
      }
      expect(member.told).toEqual(['assigned 0,0', 'failing'])
      await acl('remove')
      await member.has(13)
      await until('it works', () => member.told.includes('recovered'))
      expect(member.told).toEqual(['assigned 0,0', 'failing', 'recovered'])
      await Promise.all([member.close(), producer.close()])
    }, 60_000)

    test('a broker whose certificate nobody vouches for is not spoken to, and the error says why', async () => {
      const error = await failure(
        connects('TLS', { tls: { ca: makeAuthority('stranger').cert } })
          .admin()
          .describeTopic('t'),
      )
      expect(error.message).toMatch(/certificate/i)
      const other = { ca: authority.cert, serverName: 'elsewhere.example' }
      expect((await failure(connects('TLS', { tls: other }).admin().describeTopic('t'))).message).toMatch(/altnames|certificate/i)
    }, 40_000)

    test('what the listener does not offer: no TLS, no SASL', async () => {
      const plain = await failure(
        testClient(broker.brokers, { tls: { ca: authority.cert }, connectionTimeout: 1000 })
          .admin()
          .describeTopic('t'),
      )
      expect(plain).toMatchObject({ message: expect.stringContaining('TLS') })
      const bare = connects('SASL', { requestTimeout: 2000 })
      expect(await failure(bare.admin().describeTopic('t'))).toMatchObject({ message: expect.stringMatching(/SASL|TLS/) })
    }, 40_000)
  },
  { own: true },
)
