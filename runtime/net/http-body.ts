/** Reading the body of an HTTP request: reserved before it is held, limited on the wire and decompressed, and in time. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Admission } from '../admission.js'
import type { Buffers } from '../buffers.js'
import type { Clock } from '../component.js'
import { RetryableError } from '../errors.js'
import { Body } from './body.js'
import { decompress, encodingOf } from './decompress.js'

export interface HttpBodyOptions {
  readonly admission: Pick<Admission, 'reserve'>
  readonly clock: Clock
  /** Bytes, on the wire and again decompressed. */
  readonly limit: number
  readonly buffers: Buffers
  /** Milliseconds. */
  readonly readTimeout: number
}

/**
 * The decompressed body; the caller takes its bytes and releases it. Rejects with PermanentError (`too_large`, `malformed`,
 * `unsupported_encoding`) or RetryableError (`memory_pressure`, `body_timeout`, `cancelled`); nothing stays reserved then.
 */
export const readBody = async (request: IncomingMessage, response: ServerResponse, options: HttpBodyOptions): Promise<Body> => {
  const encoding = encodingOf(request.headers['content-encoding'])
  const body = new Body(options.admission, options.limit, options.buffers)
  try {
    const { 'content-length': length, expect } = request.headers
    if (length !== undefined) body.expect(Number(length))
    if (expect !== undefined) response.writeContinue()
    await receive(request, body, options)
    if (encoding === undefined) return body
    const decompressed = await decompress(body.take(), encoding, options.admission, options.limit, options.buffers)
    body.release()
    return decompressed
  } catch (error) {
    body.release()
    throw error
  }
}

const receive = (request: IncomingMessage, body: Body, { clock, readTimeout }: HttpBodyOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      cancelTimeout()
      request.off('data', take).off('end', settle).off('close', gone).off('error', gone)
      if (error === undefined) resolve()
      else {
        request.resume()
        reject(error)
      }
    }
    const take = (chunk: Uint8Array): void => {
      try {
        body.append(chunk)
      } catch (error) {
        settle(error)
      }
    }
    const gone = (): void => settle(new RetryableError('the sender went away', 'cancelled'))
    const late = (): void => settle(new RetryableError(`the body was not complete after ${readTimeout} ms`, 'body_timeout'))
    const cancelTimeout = clock.after(readTimeout, late)
    request.on('data', take).on('end', settle).on('close', gone).on('error', gone)
  })
