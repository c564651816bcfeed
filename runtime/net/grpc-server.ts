/**
 * Unary gRPC over HTTP/2, as much of it as a receiver needs (grpc/grpc doc/PROTOCOL-HTTP2.md).
 *
 * Why not the server of @grpc/grpc-js: it holds a whole message before anybody can refuse it, its flow-control windows cannot be set, and
 * it bounds neither a half-sent message nor headers. Here every byte is reserved before it is held, and one copy is made of a message.
 */
import { constants, createSecureServer, createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { encodeStatus } from '../../proto/rpc-status.js'
import type { Admission } from '../admission.js'
import { Buffers } from '../buffers.js'
import type { Clock, Log } from '../component.js'
import { PermanentError, RetryableError } from '../errors.js'
import { GrpcConnections, type KeepaliveOptions } from './grpc-connections.js'
import { GrpcRequest } from './grpc-request.js'
import { listen } from './listen.js'
import { GRPC, type Refusal, refusalOf, rpcStatusOf } from './status.js'
import type { TlsFiles } from './tls.js'

/** Gets the message, which is good until the promise settles; gives the response message. Rejects with what `refusalOf` understands. */
export type UnaryMethod = (message: Uint8Array) => Promise<Uint8Array>

/** Sizes in bytes, times in milliseconds. */
export interface GrpcServerOptions {
  readonly endpoint: string
  readonly maxMessage: number
  readonly maxStreams: number
  readonly maxConnections: number
  /** A message must be there this long after its headers. */
  readonly readTimeout: number
  readonly keepalive: KeepaliveOptions
  readonly tls: TlsFiles | undefined
}

export interface GrpcServerContext {
  readonly admission: Pick<Admission, 'reserve'>
  readonly clock: Clock
  readonly log: Log
  /** Told about every refusal: `method` is its path, or undefined when there is no such method. */
  refused(refusal: Refusal, method: string | undefined): void
}

/** Room for a few requests of a megabyte on one stream's way, and for many streams on one connection's. */
const STREAM_WINDOW = 4 << 20
const CONNECTION_WINDOW = 32 << 20
const MAX_HEADER_LIST = 16 << 10
const MAX_HEADERS = 64

export class GrpcServer {
  private server: Http2Server | undefined
  private connections: GrpcConnections | undefined
  private readonly open = new Set<GrpcRequest>()
  private readonly buffers = new Buffers()
  private stopping = false
  private whenIdle: (() => void) | undefined

  constructor(
    private readonly options: GrpcServerOptions,
    private readonly methods: ReadonlyMap<string, UnaryMethod>,
    private readonly context: GrpcServerContext,
  ) {}

  /** Resolves with the port once it listens; rejects when it cannot. */
  async start(): Promise<number> {
    const { tls, maxStreams, maxConnections, endpoint, keepalive } = this.options
    const settings = {
      settings: {
        initialWindowSize: STREAM_WINDOW,
        maxConcurrentStreams: maxStreams,
        maxHeaderListSize: MAX_HEADER_LIST,
        enablePush: false,
      },
      maxHeaderListPairs: MAX_HEADERS,
      maxSettings: 16,
      // Off, as in @grpc/grpc-js: what a session holds is bounded by its streams and by admission, not by resets of good streams.
      maxSessionMemory: 1_000_000,
      unknownProtocolTimeout: 1_000,
    }
    const server = tls ? createSecureServer({ ...settings, ...tls.server, handshakeTimeout: 10_000 }) : createServer(settings)
    tls?.onChange(material => (server as ReturnType<typeof createSecureServer>).setSecureContext(material))
    server.maxConnections = maxConnections
    const connections = new GrpcConnections(keepalive, this.context.clock)
    server.on('session', session => {
      connections.add(session)
      session.setLocalWindowSize(CONNECTION_WINDOW)
    })
    server.on('stream', (stream, headers) => this.accept(stream, headers))
    server.on('sessionError', error => this.context.log.debug('a gRPC connection failed', { error: error.message }))
    this.stopping = false
    this.server = server
    this.connections = connections
    try {
      const port = await listen(server, endpoint)
      server.on('error', error => this.context.log.error('the gRPC listener failed', { error: error.message }))
      return port
    } catch (error) {
      this.server = undefined
      throw error
    }
  }

  /** Answers what is in flight, refuses what is new, closes every connection; what is left at `deadline` is cut. */
  async stop(deadline: AbortSignal): Promise<void> {
    const { server, connections } = this
    if (!server || !connections) return
    this.server = undefined
    this.stopping = true
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    connections.announceEnd()
    for (const request of this.open) request.abandonReading(shuttingDown())
    await this.idle(deadline)
    await connections.close(deadline)
    for (const request of this.open) request.drop()
    await closed
  }

  private idle(deadline: AbortSignal): Promise<void> {
    if (this.open.size === 0 || deadline.aborted) return Promise.resolve()
    return new Promise(resolve => {
      this.whenIdle = resolve
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  private accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', error => this.context.log.debug('a gRPC stream failed', { error: error.message }))
    if (headers[':method'] !== 'POST' || !/^application\/grpc($|[+;])/.test(headers['content-type'] ?? '')) {
      answerHttp(stream, headers[':method'] === 'POST' ? 415 : 405)
      this.discardRest(stream)
      return
    }
    const path = headers[':path'] ?? ''
    const method = this.methods.get(path)
    const refuse = (error: unknown): void => {
      const refusal = refusalOf(error)
      if (refusal.reason === 'internal')
        this.context.log.error('a request failed for an unexpected reason', { method: path, error: String(error) })
      this.context.refused(refusal, method && path)
      answerRefusal(stream, refusal)
      this.discardRest(stream)
    }
    try {
      if (!method) throw new PermanentError(`this server has no method ${path.slice(0, 256)}`, 'unknown_method')
      if (this.stopping) throw shuttingDown()
      const request = new GrpcRequest(
        stream,
        headers['grpc-encoding'] as string | undefined,
        this.options.maxMessage,
        this.context.admission,
        this.buffers,
      )
      this.follow(stream, request, method, refuse)
    } catch (error) {
      refuse(error)
    }
  }

  /**
   * Reads on after an early answer, into nothing, so that the sender sees the answer and not a reset: most of a request is under way by then,
   * and a plain Node client whose session memory is full hangs on a reset (seen on 20.20). What exceeds a whole further message, or takes
   * too long, is cut.
   */
  private discardRest(stream: ServerHttp2Stream): void {
    if (stream.destroyed || stream.readableEnded) return
    let discarded = 0
    const cut = (): void => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    const cancelCut = this.context.clock.after(this.options.readTimeout, cut)
    stream.on('close', cancelCut)
    stream.on('data', (chunk: Uint8Array) => {
      discarded += chunk.length
      if (discarded > this.options.maxMessage) cut()
    })
  }

  private follow(stream: ServerHttp2Stream, request: GrpcRequest, method: UnaryMethod, refuse: (error: unknown) => void): void {
    this.open.add(request)
    const { readTimeout } = this.options
    const cancelTimeout = this.context.clock.after(readTimeout, () =>
      request.abandonReading(new RetryableError(`the message was not complete after ${readTimeout} ms`, 'body_timeout')),
    )
    request
      .message()
      .then(message => {
        cancelTimeout()
        return method(message)
      })
      .then(response => answer(stream, response), refuse)
      .catch(error => this.context.log.debug('a gRPC answer could not be sent', { error: String(error) }))
      .finally(() => {
        cancelTimeout()
        request.release()
        this.open.delete(request)
        if (this.open.size === 0) this.whenIdle?.()
      })
  }
}

const shuttingDown = (): RetryableError => new RetryableError('the gateway is shutting down; send again', 'shutting_down')

const RESPONSE_HEADERS = { ':status': 200, 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity,deflate,gzip' }

const answer = (stream: ServerHttp2Stream, response: Uint8Array): void => {
  if (stream.destroyed || stream.closed) return
  stream.respond(RESPONSE_HEADERS, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC.ok) }))
  const frame = Buffer.allocUnsafe(5 + response.length)
  frame.writeUInt8(0, 0)
  frame.writeUInt32BE(response.length, 1)
  frame.set(response, 5)
  stream.end(frame)
}

/** A trailers-only response. */
const answerRefusal = (stream: ServerHttp2Stream, refusal: Refusal): void => {
  if (stream.destroyed || stream.closed) return
  stream.respond(
    {
      ...RESPONSE_HEADERS,
      'grpc-status': String(refusal.grpc),
      'grpc-message': percentEncode(refusal.message),
      'grpc-status-details-bin': Buffer.from(encodeStatus(rpcStatusOf(refusal)))
        .toString('base64')
        .replace(/=+$/, ''),
    },
    { endStream: true },
  )
}

const answerHttp = (stream: ServerHttp2Stream, status: number): void => {
  if (stream.destroyed || stream.closed) return
  stream.respond({ ':status': status }, { endStream: true })
}

/** `grpc-message`: printable ASCII as it is, everything else and % percent-encoded as UTF-8. */
const percentEncode = (text: string): string =>
  text.replace(/[^\x20-\x24\x26-\x7e]/gu, character =>
    [...Buffer.from(character, 'utf8')].map(byte => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
