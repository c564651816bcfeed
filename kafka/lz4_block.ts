/**
 * An LZ4 block behind the four bytes of its length when decompressed, little endian: what Python's `lz4.block` and Rust's `lz4_flex` write by default.
 * Values of a stream lie so, each by itself, and are read twice. Reading is ours: it costs 1.5 times what native code does, but puts the bytes into memory
 * that is used again, where native code leaves every value to the garbage collector, at five times the cost of decompressing it (docs/decisions/0040).
 */
import { compressSync } from 'lz4-napi'

const LENGTH_BYTES = 4
/** Four bytes are copied at a time, so that up to three behind the last are written over: a place has so many more. */
const SPARE = 3
/** A match is at least so long. */
const LEAST_MATCH = 4
/** A nibble of the token that says: more of the length follows. */
const MORE = 15
/** From here on the call of a native copy pays. */
const LONG = 64

export const compressBlock = (bytes: Buffer): Buffer => compressSync(bytes)

/** A place for at least `size` bytes, from its beginning. */
export type Place = (size: number) => Buffer

/** The bytes, at the `place` asked for. Throws RangeError when they are damaged, or more than `limit` would come out. */
export const decompressBlock = (bytes: Buffer, limit: number, place: Place = Buffer.allocUnsafe): Buffer => {
  const length = bytes.length < LENGTH_BYTES ? -1 : bytes.readUInt32LE(0)
  if (length < 0 || length > limit) throw new RangeError(`an LZ4 block of ${length} bytes, where at most ${limit} may be`)
  const into = place(length + SPARE)
  const made = decompress(bytes, into, length)
  if (made !== length) throw new RangeError(`an LZ4 block has ${made} bytes and says ${length}`)
  return into.subarray(0, length)
}

const damaged = (): RangeError => new RangeError('an LZ4 block is damaged')

/** How many bytes came out. Sequences of (token, literals, offset, match), the last without a match: LZ4 block format, revision 1.6.3. */
const decompress = (from: Buffer, into: Buffer, length: number): number => {
  const source = new DataView(from.buffer, from.byteOffset, from.length)
  const target = new DataView(into.buffer, into.byteOffset, into.length)
  const sourceEnd = from.length
  let read = LENGTH_BYTES
  let written = 0
  while (read < sourceEnd) {
    const token = from[read++]!
    let literals = token >>> 4
    if (literals === MORE) {
      let more: number
      do {
        more = from[read++] ?? 0
        literals += more
      } while (more === 255)
    }
    const literalsEnd = written + literals
    if (read + literals > sourceEnd || literalsEnd > length) throw damaged()
    if (literals > LONG || read + literals + SPARE > sourceEnd) into.set(from.subarray(read, read + literals), written)
    else for (let at = read; written < literalsEnd; written += 4, at += 4) target.setUint32(written, source.getUint32(at, true), true)
    written = literalsEnd
    read += literals
    if (read === sourceEnd) return written
    if (read + 2 > sourceEnd) throw damaged()
    const offset = source.getUint16(read, true)
    read += 2
    let match = token & MORE
    if (match === MORE) {
      let more: number
      do {
        more = from[read++] ?? 0
        match += more
      } while (more === 255)
    }
    match += LEAST_MATCH
    const matchEnd = written + match
    let at = written - offset
    if (offset === 0 || at < 0 || matchEnd > length) throw damaged()
    if (offset < 4) while (written < matchEnd) into[written++] = into[at++]!
    else if (match > LONG && offset >= match) into.copyWithin(written, at, at + match)
    else for (; written < matchEnd; written += 4, at += 4) target.setUint32(written, target.getUint32(at, true), true)
    written = matchEnd
  }
  // A block ends with literals.
  throw damaged()
}
