/** Bodies as they were before their sender compressed them; cut off at the limit while they unfold. */
import { createGunzip, createInflate } from 'node:zlib'
import { readUint32 } from '../../proto/wire.js'
import type { Admission } from '../admission.js'
import type { Buffers } from '../buffers.js'
import { PermanentError } from '../errors.js'
import { Body } from './body.js'

export type Encoding = 'gzip' | 'deflate'

/** Names by which senders ask for them (RFC 9110 8.4.1; `zlib` is the Collector's word for deflate). */
const ENCODINGS: Record<string, Encoding> = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', zlib: 'deflate' }
/** Output is taken in chunks of this size: large ones cost less, small bodies do not need them. */
const SMALLEST_CHUNK = 4 << 10
const USUAL_CHUNK = 64 << 10
const LARGEST_CHUNK = 256 << 10

/** Undefined for `identity` and an absent header. Throws PermanentError `unsupported_encoding` for what is not known. */
export const encodingOf = (header: string | undefined): Encoding | undefined => {
  const name = (header ?? '').trim().toLowerCase()
  if (name === '' || name === 'identity') return undefined
  const encoding = ENCODINGS[name]
  if (encoding === undefined || !Object.hasOwn(ENCODINGS, name))
    throw new PermanentError(`the encoding "${name.slice(0, 64)}" is not supported; send gzip, deflate or identity`, 'unsupported_encoding')
  return encoding
}

/**
 * Unfolds `compressed` into a new Body, which the caller releases. Rejects with PermanentError (`malformed`, `too_large`) or
 * RetryableError (`memory_pressure`); nothing stays reserved then.
 */
export const decompress = (
  compressed: Uint8Array,
  encoding: Encoding,
  admission: Pick<Admission, 'reserve'>,
  limit: number,
  buffers: Buffers,
): Promise<Body> =>
  new Promise((resolve, reject) => {
    const body = new Body(admission, limit, buffers)
    const promised = encoding === 'gzip' ? sizeInTrailer(compressed) : undefined
    const chunkSize = Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, promised ?? USUAL_CHUNK))
    const stream = encoding === 'gzip' ? createGunzip({ chunkSize }) : createInflate({ chunkSize })
    const fail = (error: unknown): void => {
      stream.destroy()
      body.release()
      reject(error)
    }
    stream.on('error', error =>
      fail(new PermanentError(`the ${encoding} data is damaged: ${error.message}`, 'malformed', { cause: error })),
    )
    stream.on('data', (chunk: Uint8Array) => {
      try {
        body.append(chunk)
      } catch (error) {
        fail(error)
      }
    })
    stream.on('end', () => resolve(body))
    try {
      if (promised !== undefined) body.expect(Math.min(promised, limit))
      stream.end(compressed)
    } catch (error) {
      fail(error)
    }
  })

/** The decompressed size modulo 2^32 as the last gzip member states it (RFC 1952 2.3.1, ISIZE). A hint: anybody can write anything there. */
const sizeInTrailer = (compressed: Uint8Array): number | undefined =>
  compressed.length < 18 ? undefined : readUint32(compressed, compressed.length - 4)
