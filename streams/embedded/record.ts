/**
 * A stream record in the body of a log record, little endian:
 *
 *     0  u16  partition
 *     2  u8   kind
 *     3  u8   bit 0: a fingerprint follows
 *     4  u16  part, from 0
 *     6  u16  parts
 *     8  f64  append time
 *    16  f64  first event time
 *    24  f64  last event time
 *    32  u16  length of the key
 *    34       16 bytes of fingerprint, if any; key; value
 */
import type { Frame } from '../../storage/index.js'
import type { Outgoing, Raw } from '../driver.js'

const HEAD = 34
const FINGERPRINT = 16
const HAS_FINGERPRINT = 1

/** Everything before the value. */
export const writeHead = (record: Outgoing, appendTime: number): Buffer => {
  const { key, fingerprint } = record
  const keyAt = HEAD + (fingerprint ? FINGERPRINT : 0)
  const head = Buffer.allocUnsafe(keyAt + key.length)
  head.writeUInt16LE(record.partition, 0)
  head[2] = record.kind
  head[3] = fingerprint ? HAS_FINGERPRINT : 0
  head.writeUInt16LE(record.part, 4)
  head.writeUInt16LE(record.parts, 6)
  head.writeDoubleLE(appendTime, 8)
  head.writeDoubleLE(record.firstTime, 16)
  head.writeDoubleLE(record.lastTime, 24)
  head.writeUInt16LE(key.length, 32)
  if (fingerprint) head.set(fingerprint, HEAD)
  head.set(key, keyAt)
  return head
}

/** Undefined when the body is none of ours. */
export const readRecord = ({ body, position, end, items }: Frame): Raw | undefined => {
  if (body.length < HEAD) return undefined
  const fingerprintEnd = HEAD + ((body[3]! & HAS_FINGERPRINT) !== 0 ? FINGERPRINT : 0)
  const valueAt = fingerprintEnd + body.readUInt16LE(32)
  if (valueAt > body.length) return undefined
  return {
    partition: body.readUInt16LE(0),
    offset: position,
    end,
    appendTime: body.readDoubleLE(8),
    key: body.toString('utf8', fingerprintEnd, valueAt),
    kind: body[2]!,
    firstTime: body.readDoubleLE(16),
    lastTime: body.readDoubleLE(24),
    items,
    fingerprint: fingerprintEnd > HEAD ? body.subarray(HEAD, fingerprintEnd) : undefined,
    value: body.subarray(valueAt),
    part: body.readUInt16LE(4),
    parts: body.readUInt16LE(6),
    sender: 0,
  }
}
