/** Avro's single-object encoding: C3 01 and the schema's CRC-64-AVRO before the value. avro.apache.org/docs/1.12.0/specification/#single-object-encoding */

const EMPTY = 0xc15d213aa4d7a795n
const LOW = 0xffn

const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let fingerprint = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) fingerprint = (fingerprint >> 1n) ^ (fingerprint & 1n ? EMPTY : 0n)
  return fingerprint
})

/** `canonical`: the schema in Parsing Canonical Form. */
export const singleObjectHeader = (canonical: string): Buffer => {
  let fingerprint = EMPTY
  for (const byte of Buffer.from(canonical)) fingerprint = (fingerprint >> 8n) ^ TABLE[Number((fingerprint ^ BigInt(byte)) & LOW)]!
  const header = Buffer.from([0xc3, 0x01, 0, 0, 0, 0, 0, 0, 0, 0])
  header.writeBigUInt64LE(fingerprint, 2)
  return header
}
