/** Values of the wire format, read where they lie. */
export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

/** A 64-bit value in steps of 7 bits. */
const MAX_VARINT = 10

/** The bytes are not protobuf. `offset` counts from the start of the buffer being read. */
export class WireError extends Error {
  override readonly name = 'WireError'
  constructor(
    what: string,
    readonly offset: number,
  ) {
    super(`malformed protobuf at byte ${offset}: ${what}`)
  }
}

/**
 * The varint at `at` as a number: exact up to 2^53, rounded above (which as a tag or a length is too much in any case).
 * Throws WireError when it does not end before `limit` or within 10 bytes.
 */
export const varintAt = (bytes: Uint8Array, at: number, limit: number): number => {
  let value = 0
  let scale = 1
  const last = Math.min(limit, at + MAX_VARINT)
  for (let next = at; next < last; next++) {
    const byte = bytes[next]!
    if (byte < 0x80) return value + byte * scale
    value += (byte & 0x7f) * scale
    scale *= 128
  }
  throw unended(at, limit)
}

/** Where the varint at `at` ends. Throws as `varintAt` does. */
export const afterVarint = (bytes: Uint8Array, at: number, limit: number): number => {
  if (at < limit && bytes[at]! < 0x80) return at + 1
  const last = Math.min(limit, at + MAX_VARINT)
  for (let next = at; next < last; next++) if (bytes[next]! < 0x80) return next + 1
  throw unended(at, limit)
}

const unended = (at: number, limit: number) =>
  new WireError(limit - at < MAX_VARINT ? 'a varint ends outside its message' : `a varint is longer than ${MAX_VARINT} bytes`, at)

/** The int64 varint `bytes[start, end)` as a number: exact up to ±2^53, rounded beyond. */
export const intAt = (bytes: Uint8Array, start: number, end: number): number =>
  end - start > 7 ? Number(int64At(bytes, start, end)) : varintAt(bytes, start, end)

/** The varint `bytes[start, end)` as a signed 64-bit integer. */
export const int64At = (bytes: Uint8Array, start: number, end: number): bigint => {
  let value = 0n
  let shift = 0n
  for (let at = start; at < end; at++) {
    value |= BigInt(bytes[at]! & 0x7f) << shift
    shift += 7n
  }
  return BigInt.asIntN(64, value)
}

export const readUint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/** The fixed64 at `at` as a number: exact up to 2^53, rounded above. */
export const readUint64 = (bytes: Uint8Array, at: number): number => readUint32(bytes, at + 4) * 0x1_0000_0000 + readUint32(bytes, at)

/** The fixed64 of nanoseconds at `at` as milliseconds: whole ones exact, others to the nearest double (about 0.25 µs today). */
export const readMillis = (bytes: Uint8Array, at: number): number => {
  // 2^32 ns = 4294 ms + 967296 ns, so that no step is beyond 2^53.
  const high = readUint32(bytes, at + 4)
  const nanos = high * 967_296 + readUint32(bytes, at)
  const whole = Math.floor(nanos / 1e6)
  return high * 4294 + whole + (nanos - whole * 1e6) / 1e6
}

/** The fixed64 at `at`, exact. */
export const readBigUint64 = (bytes: Uint8Array, at: number): bigint =>
  (BigInt(readUint32(bytes, at + 4)) << 32n) | BigInt(readUint32(bytes, at))

const scratch = new DataView(new ArrayBuffer(8))
export const readDouble = (bytes: Uint8Array, at: number): number => {
  scratch.setUint32(0, readUint32(bytes, at), true)
  scratch.setUint32(4, readUint32(bytes, at + 4), true)
  return scratch.getFloat64(0, true)
}

const decoder = new TextDecoder()

/** UTF-8 text; invalid bytes are read as U+FFFD. */
export const readString = (bytes: Uint8Array, start: number, end: number): string => {
  const length = end - start
  // Pieces put together to 13 characters and more stay a chain in V8, an object a character, for as long as the text lives.
  if (length < 13) {
    let text = ''
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte > 0x7f) return decoder.decode(bytes.subarray(start, end))
      text += String.fromCharCode(byte)
    }
    return text
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('utf8')
}

/** Whether `bytes[start, end)` equals `expected`, byte for byte: how keys are compared without making a string. */
export const equalsAt = (bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean =>
  sameBytes(bytes, start, end, expected, 0, expected.length)

/** What is longer than this is quicker compared by a call, where the bytes can be called. */
const LONG = 64

/** Whether two stretches of bytes are equal. */
export const sameBytes = (a: Uint8Array, aStart: number, aEnd: number, b: Uint8Array, bStart: number, bEnd: number): boolean => {
  const length = aEnd - aStart
  if (length !== bEnd - bStart) return false
  if (length > LONG && a instanceof Buffer) return a.compare(b, bStart, bEnd, aStart, aEnd) === 0
  // From the end: keys of one exporter share their beginnings.
  for (let i = length - 1; i >= 0; i--) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}
