/** Certificates for tests, made on the spot: nothing secret lies in the repository and nothing expires (RFC 5280 4.1, ECDSA on P-256). */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export interface Pair {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
}

export interface Authority extends Pair {
  /** A pair signed by this authority, for `localhost` and 127.0.0.1; `days` from now until it expires. */
  issue(days?: number): Pair
}

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OID = 0x06
const UTF8 = 0x0c
const GENERALIZED_TIME = 0x18
const BOOLEAN = 0x01
const DAY = 86_400_000

const der = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents)
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const oid = (hex: string): Buffer => der(OID, Buffer.from(hex, 'hex'))

const ECDSA_WITH_SHA256 = der(SEQUENCE, oid('2a8648ce3d040302'))
const COMMON_NAME = oid('550403')
const BASIC_CONSTRAINTS = oid('551d13')
const SUBJECT_ALT_NAME = oid('551d11')

const nameOf = (text: string): Buffer => der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, Buffer.from(text)))))
const timeOf = (millis: number): Buffer =>
  der(GENERALIZED_TIME, Buffer.from(`${new Date(millis).toISOString().replace(/[-:T]|\..*/g, '')}Z`))
const TRUE = der(BOOLEAN, Buffer.from([0xff]))
const isAuthority = der(SEQUENCE, BASIC_CONSTRAINTS, TRUE, der(OCTET_STRING, der(SEQUENCE, TRUE)))
const forLocalhost = der(
  SEQUENCE,
  SUBJECT_ALT_NAME,
  der(OCTET_STRING, der(SEQUENCE, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))),
)

const certificate = (
  subject: string,
  publicKey: KeyObject,
  issuer: string,
  issuerKey: KeyObject,
  extension: Buffer,
  expires: number,
): string => {
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    der(SEQUENCE, timeOf(Math.min(Date.now(), expires) - 2 * DAY), timeOf(expires)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, extension)),
  )
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', body, issuerKey))
  const text = der(SEQUENCE, body, ECDSA_WITH_SHA256, signature).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
}

const keys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

export const makeAuthority = (name = 'test authority'): Authority => {
  const own = keys()
  return {
    cert: certificate(name, own.publicKey, name, own.privateKey, isAuthority, Date.now() + 30 * DAY),
    key: pemOf(own.privateKey),
    issue(days = 10) {
      const { publicKey, privateKey } = keys()
      return {
        cert: certificate('localhost', publicKey, name, own.privateKey, forLocalhost, Date.now() + days * DAY),
        key: pemOf(privateKey),
      }
    },
  }
}
