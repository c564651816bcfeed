/** Certificates made on the spot, so that no key lies in the repository. Source of the structure: RFC 5280; encoding: ITU-T X.690 (DER). */
import { generateKeyPairSync, sign } from 'node:crypto'

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OBJECT_ID = 0x06
const UTF8 = 0x0c
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const SET = 0x31
const VERSION = 0xa0
const EXTENSIONS = 0xa3
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87

const element = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents)
  const { length } = body
  const head = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), body])
}

const objectId = (hex: string): Buffer => element(OBJECT_ID, Buffer.from(hex, 'hex'))
const ECDSA_WITH_SHA256 = element(SEQUENCE, objectId('2a8648ce3d040302'))
const COMMON_NAME = objectId('550403')
const SUBJECT_ALT_NAME = objectId('551d11')
const BASIC_CONSTRAINTS = objectId('551d13')
const AUTHORITY = Buffer.from([0x30, 0x03, 0x01, 0x01, 0xff])

const time = (date: Date): Buffer => element(GENERALIZED_TIME, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))

/** A certificate for localhost and 127.0.0.1, signed by itself, and its key, as PEM. Whoever trusts it as an authority trusts the server. */
export const selfSigned = (name = 'localhost'): { cert: string; key: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const who = element(SEQUENCE, element(SET, element(SEQUENCE, COMMON_NAME, element(UTF8, Buffer.from(name)))))
  const names = element(SEQUENCE, element(DNS_NAME, Buffer.from(name)), element(IP_ADDRESS, Buffer.from([127, 0, 0, 1])))
  const day = 86_400_000
  const body = element(
    SEQUENCE,
    element(VERSION, element(INTEGER, Buffer.of(2))),
    element(INTEGER, Buffer.of(1)),
    ECDSA_WITH_SHA256,
    who,
    element(SEQUENCE, time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    who,
    publicKey.export({ type: 'spki', format: 'der' }),
    element(
      EXTENSIONS,
      element(
        SEQUENCE,
        element(SEQUENCE, SUBJECT_ALT_NAME, element(OCTET_STRING, names)),
        element(SEQUENCE, BASIC_CONSTRAINTS, element(OCTET_STRING, AUTHORITY)),
      ),
    ),
  )
  const signature = element(BIT_STRING, Buffer.of(0), sign('sha256', body, privateKey))
  const der = element(SEQUENCE, body, ECDSA_WITH_SHA256, signature)
  const lines = der
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  }
}
