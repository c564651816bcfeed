/** An HTTP/1.1 server with limits on everything a peer can hold open, and a stop that answers what is in flight. */
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Clock, Log } from '../component.js'
import { listen } from './listen.js'
import type { TlsFiles } from './tls.js'

/** Times in milliseconds. */
export interface HttpServerOptions {
  readonly endpoint: string
  readonly maxConnections: number
  /** Headers must be there this long after the connection or the previous request. */
  readonly readHeaderTimeout: number
  /** The body must be there this long after the headers. */
  readonly readTimeout: number
  /** How long a peer may take to read its answer. */
  readonly writeTimeout: number
  /** How long a connection may wait for its next request. */
  readonly idleTimeout: number
  /** Bytes of an unwanted body that are read and thrown away to keep the connection. */
  readonly maxDiscard: number
  readonly tls: TlsFiles | undefined
}

export interface HttpServerContext {
  readonly clock: Clock
  readonly log: Log
  /** Told about peers that do not speak HTTP: the parser's code. */
  broken(code: string): void
}

export interface HttpReply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Uint8Array | string
}

/** `response` is there for an interim answer (`100 Continue`); the reply is written by the server. A rejection is answered with 500. */
export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => Promise<HttpReply>

const MAX_HEADER_SIZE = 16 << 10
const MAX_HEADERS = 64
const TIMEOUT_CHECK = 1_000
/** After the last answer, a peer has this long to take it before its connection is cut. */
const FAREWELL = 1_000

export class HttpServer {
  private server: Server | SecureServer | undefined
  private readonly open = new Set<ServerResponse>()
  private whenIdle: (() => void) | undefined
  private stopped = true

  constructor(
    private readonly options: HttpServerOptions,
    private readonly handler: HttpHandler,
    private readonly context: HttpServerContext,
  ) {}

  /** True from the call of `stop`: new requests are to be refused. */
  get stopping(): boolean {
    return this.stopped
  }

  /** Resolves with the port once it listens; rejects when it cannot. */
  async start(): Promise<number> {
    const { tls, readHeaderTimeout, readTimeout, idleTimeout, maxConnections, endpoint } = this.options
    const settings = {
      maxHeaderSize: MAX_HEADER_SIZE,
      headersTimeout: readHeaderTimeout,
      requestTimeout: readHeaderTimeout + readTimeout * 2,
      keepAliveTimeout: idleTimeout,
      connectionsCheckingInterval: Math.min(TIMEOUT_CHECK, readHeaderTimeout),
      noDelay: true,
    }
    const server = tls ? createSecureServer({ ...settings, ...tls.server, handshakeTimeout: 10_000 }) : createServer(settings)
    tls?.onChange(material => (server as SecureServer).setSecureContext(material))
    server.maxConnections = maxConnections
    server.maxHeadersCount = MAX_HEADERS
    server.on('request', (request, response) => this.accept(request, response))
    server.on('checkContinue', (request, response) => this.accept(request, response))
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.refuseBroken(error, socket as Socket))
    const port = await listen(server, endpoint)
    server.on('error', error => this.context.log.error('the HTTP listener failed', { error: error.message }))
    this.server = server
    this.stopped = false
    return port
  }

  /** Answers what is in flight, closes every connection; what is left at `deadline` is cut. */
  async stop(deadline: AbortSignal): Promise<void> {
    const { server } = this
    if (!server) return
    this.server = undefined
    this.stopped = true
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    await this.idle(deadline)
    server.closeIdleConnections()
    await this.farewell(closed, deadline)
    server.closeAllConnections()
    await closed
  }

  private accept(request: IncomingMessage, response: ServerResponse): void {
    this.open.add(response)
    const log = (error: Error): void => this.context.log.debug('an HTTP request failed', { error: error.message })
    request.on('error', log)
    response.on('error', log)
    response.on('close', () => {
      this.open.delete(response)
      if (this.open.size === 0) this.whenIdle?.()
    })
    this.handler(request, response)
      .then(reply => this.reply(request, response, reply))
      .catch(error => {
        this.context.log.error('a request failed for an unexpected reason', { path: request.url, error: String(error) })
        if (!response.headersSent) response.writeHead(500)
        response.end()
      })
  }

  private reply(request: IncomingMessage, response: ServerResponse, { status, headers, body }: HttpReply): void {
    if (response.destroyed) return
    const { socket } = request
    const cancelWrite = this.context.clock.after(this.options.writeTimeout, () => socket.destroy())
    response.on('close', cancelWrite)
    if (this.stopped) response.shouldKeepAlive = false
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
    if (request.complete) {
      response.end(body)
      return
    }
    this.discard(request)
    if (response.shouldKeepAlive) response.end(body)
    else {
      // Closing a connection with bytes unread resets it, and the peer may lose the answer: write it now, and close when the peer has sent all.
      response.write(body)
      request.once('end', () => response.end())
    }
  }

  /** What a peer still sends of a body nobody wants is read only up to a limit, and not for long. */
  private discard(request: IncomingMessage): void {
    const { readTimeout, maxDiscard } = this.options
    let discarded = 0
    const cancel = this.context.clock.after(readTimeout, () => request.socket.destroy())
    request.once('end', cancel).once('close', cancel)
    request.on('data', (chunk: Uint8Array) => {
      discarded += chunk.length
      if (discarded > maxDiscard) request.socket.destroy()
    })
  }

  private refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
    const code = error.code ?? 'unknown'
    this.context.broken(code)
    this.context.log.debug('a peer does not speak HTTP', { code })
    const status = STATUS_OF_BROKEN[code] ?? '400 Bad Request'
    if (socket.writable && code !== 'ECONNRESET') socket.write(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    socket.destroySoon()
  }

  private idle(deadline: AbortSignal): Promise<void> {
    if (this.open.size === 0 || deadline.aborted) return Promise.resolve()
    return new Promise(resolve => {
      this.whenIdle = resolve
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  private async farewell(closed: Promise<void>, deadline: AbortSignal): Promise<void> {
    if (deadline.aborted) return
    let cancel = (): void => {}
    const waited = new Promise<void>(resolve => {
      cancel = this.context.clock.after(FAREWELL, resolve)
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([closed, waited])
    cancel()
  }
}

const STATUS_OF_BROKEN: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}
