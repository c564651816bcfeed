/** One unary gRPC call on an HTTP/2 session. Source: grpc/grpc doc/PROTOCOL-HTTP2.md, http-grpc-status-mapping.md. */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2'
import { gunzipSync } from 'node:zlib'
import { decodeStatus } from '../../proto/rpc-status.js'
import type { Buffers } from '../buffers.js'
import { RetryableError } from '../errors.js'

/** Largest answer that is read. */
export const LONGEST_ANSWER = 4 * 2 ** 20
const PREFIX = 5
const COMPRESSED = 1
/** Codes of HTTP answers that carry no gRPC status: what a proxy says when it cannot reach the server. */
const CODE_OF_HTTP: Readonly<Record<number, number>> = { 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14 }
const UNKNOWN = 2

/** What the server answered. */
export interface GrpcAnswer {
  readonly code: number
  readonly message: string
  /** Milliseconds of RetryInfo, when the server sent one. */
  readonly retryDelay: number | undefined
  /** The response message, decompressed; empty when it could not be read: then `fault` says why. */
  readonly body: Uint8Array
  readonly fault: string | undefined
}

export interface GrpcRequest {
  readonly path: string
  readonly metadata: Readonly<Record<string, string>>
  /** Laid end to end, the request message. */
  readonly slices: readonly Uint8Array[]
  readonly compressed: boolean
}

/** The stream was refused before the server looked at it: the call may be made again at once. */
export class RefusedStream extends Error {
  override readonly name = 'RefusedStream'
}

/**
 * Resolves with the server's verdict, whatever it is. Rejects when there is none: RefusedStream, RetryableError, or the signal's reason.
 * Nothing is left behind in either case.
 */
export const call = (
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  request: GrpcRequest,
  signal: AbortSignal,
  buffers: Buffers,
): Promise<GrpcAnswer> =>
  new Promise((resolve, reject) => {
    const stream = open(session, { ...headers, ...request.metadata, ':path': request.path })
    const answer = new Answer()
    let failure: Error | undefined
    const abort = (): void => stream.close(constants.NGHTTP2_CANCEL)
    signal.addEventListener('abort', abort, { once: true })
    stream.on('response', head => answer.head(head))
    stream.on('data', (chunk: Buffer) => {
      if (!answer.add(chunk)) stream.close(constants.NGHTTP2_CANCEL)
    })
    stream.on('trailers', trailers => answer.end(trailers))
    // A verdict may come before the request was read to its end: the rest is not wanted.
    stream.on('end', () => {
      if (!stream.writableFinished) stream.close(constants.NGHTTP2_NO_ERROR)
    })
    stream.on('error', error => {
      failure = error
    })
    stream.on('close', () => {
      signal.removeEventListener('abort', abort)
      const verdict = answer.verdict()
      if (verdict) resolve(verdict)
      else if (signal.aborted) reject(signal.reason)
      else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) reject(new RefusedStream())
      else
        reject(
          new RetryableError(`no answer: ${failure?.message || 'the stream ended without a status'}`, 'connection', undefined, {
            cause: failure,
          }),
        )
    })
    write(stream, request, buffers)
  })

/** Throws RetryableError when the session has just ended. */
const open = (session: ClientHttp2Session, headers: OutgoingHttpHeaders): ClientHttp2Stream => {
  try {
    return session.request(headers)
  } catch (error) {
    throw new RetryableError(`no call can be made: ${error instanceof Error ? error.message : String(error)}`, 'connection', undefined, {
      cause: error,
    })
  }
}

/**
 * In a buffer of our own: a call that was given up may still stand in the session's queue when the request's bytes are used for something else.
 * It is used again only after all of it has left.
 */
const write = (stream: ClientHttp2Stream, { slices, compressed }: GrpcRequest, buffers: Buffers): void => {
  const { bytes, release } = buffers.gather(slices, PREFIX)
  bytes[0] = compressed ? COMPRESSED : 0
  bytes.writeUInt32BE(bytes.length - PREFIX, 1)
  stream.once('finish', release)
  stream.end(bytes)
}

/** Headers, message and trailers as they come. */
class Answer {
  private status: IncomingHttpHeaders | undefined
  private encoding: string | undefined
  private httpCode: number | undefined
  private readonly chunks: Buffer[] = []
  private length = 0
  private tooLong = false

  /** An answer whose header block ends the stream (trailers only) has its status here. */
  head(headers: IncomingHttpHeaders & { ':status'?: number | undefined }): void {
    const type = headers['content-type'] ?? ''
    const isGrpc = type.startsWith('application/grpc')
    if (headers['grpc-status'] !== undefined) this.status = headers
    else if (headers[':status'] !== 200 || !isGrpc) this.httpCode = headers[':status'] ?? 0
    const encoding = headers['grpc-encoding']
    this.encoding = typeof encoding === 'string' ? encoding : undefined
  }

  /** False when the answer has become too long to be read. */
  add(chunk: Buffer): boolean {
    this.length += chunk.length
    this.tooLong = this.length > LONGEST_ANSWER + PREFIX
    if (!this.tooLong) this.chunks.push(chunk)
    return !this.tooLong
  }

  end(trailers: IncomingHttpHeaders): void {
    if (trailers['grpc-status'] !== undefined) this.status = trailers
  }

  /** Undefined when the server gave none. */
  verdict(): GrpcAnswer | undefined {
    if (this.tooLong) return { code: 0, message: '', retryDelay: undefined, body: EMPTY, fault: 'it is larger than 4 MiB' }
    if (!this.status) {
      if (this.httpCode === undefined) return undefined
      const message = `the peer answered HTTP ${this.httpCode} without a gRPC status`
      return { code: CODE_OF_HTTP[this.httpCode] ?? UNKNOWN, message, retryDelay: undefined, body: EMPTY, fault: undefined }
    }
    const text = String(this.status['grpc-status'])
    const code = /^\d+$/.test(text) ? Number(text) : UNKNOWN
    const retryDelay = retryDelayOf(this.status['grpc-status-details-bin'])
    return { code, message: unescapeMessage(this.status['grpc-message']), retryDelay, ...(code === 0 ? this.message() : NO_MESSAGE) }
  }

  private message(): { body: Uint8Array; fault: string | undefined } {
    const bytes = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks)
    if (bytes.length < PREFIX || bytes.length !== PREFIX + bytes.readUInt32BE(1)) return { body: EMPTY, fault: 'its length is wrong' }
    const body = bytes.subarray(PREFIX)
    if (bytes[0] === 0) return { body, fault: undefined }
    if (this.encoding !== 'gzip') return { body: EMPTY, fault: `its encoding is ${this.encoding ?? 'unnamed'}` }
    try {
      return { body: gunzipSync(body, { maxOutputLength: LONGEST_ANSWER }), fault: undefined }
    } catch {
      return { body: EMPTY, fault: 'its gzip is broken, or longer than 4 MiB' }
    }
  }
}

const EMPTY = new Uint8Array(0)
const NO_MESSAGE = { body: EMPTY, fault: undefined }

/** grpc-message is percent-encoded UTF-8; one that is not is taken as it stands. */
const unescapeMessage = (text: string | string[] | undefined): string => {
  const escaped = String(text ?? '')
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped
  }
}

/** The wait asked for by RetryInfo in `grpc-status-details-bin` (base64 of google.rpc.Status); what cannot be read asks for nothing. */
const retryDelayOf = (header: string | string[] | undefined): number | undefined => {
  if (header === undefined) return undefined
  try {
    return decodeStatus(Buffer.from(String(header), 'base64')).retryDelay
  } catch {
    return undefined
  }
}
