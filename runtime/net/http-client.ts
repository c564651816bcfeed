/** Posts bytes over HTTP/1.1: connections kept and bounded, answers read up to a limit. */
import http, { validateHeaderName, validateHeaderValue } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import { Buffers } from '../buffers.js'
import type { Context } from '../component.js'
import { PermanentError, RetryableError } from '../errors.js'
import { type ClientTlsOptions, clientConnection, TlsFiles } from './tls.js'

/** Larger answers are cut here. OTLP's recommended limit. */
export const LONGEST_ANSWER = 4 * 2 ** 20
/** TCP keepalive probes start after this time without a packet, milliseconds. */
const PROBE_AFTER = 10_000

export interface HttpClientOptions {
  readonly tls: ClientTlsOptions
  /** Most connections at the same time; further requests wait for one. */
  readonly connections: number
  /** Milliseconds a connection is kept without a request. */
  readonly idleTimeout: number
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** At most LONGEST_ANSWER bytes. */
  readonly body: Buffer
  /** The body was longer, or ended before it was whole. */
  readonly cut: boolean
}

type Headers = Readonly<Record<string, string | number>>

/** A header that HTTP cannot carry is told at start, without its value. */
export const checkHeaders = (headers: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch {
      throw new Error(`headers: "${name}" cannot be sent; names are letters, digits and dashes, values one line of text`)
    }
  }
}

export class HttpClient {
  private plain: http.Agent | undefined
  private secure: https.Agent | undefined
  private files: TlsFiles | undefined
  private readonly buffers = new Buffers()

  constructor(
    private readonly options: HttpClientOptions,
    private readonly context: Context,
  ) {}

  /** Reads the TLS files; rejects when they cannot be used. */
  async start(): Promise<void> {
    const { connections, idleTimeout, tls } = this.options
    const files = await TlsFiles.ofClient(tls, this.context)
    const agent = {
      keepAlive: true,
      keepAliveMsecs: PROBE_AFTER,
      maxSockets: connections,
      maxTotalSockets: connections,
      timeout: idleTimeout,
    }
    this.files = files
    this.plain = new http.Agent({ ...agent, scheduling: 'lifo' })
    this.secure = new FreshTlsAgent({ ...agent, scheduling: 'lifo', ...clientConnection(tls, files) }, files)
  }

  /** Closes every connection, busy ones too. */
  stop(): void {
    this.plain?.destroy()
    this.secure?.destroy()
    this.files?.close()
    this.plain = this.secure = this.files = undefined
  }

  /**
   * Resolves with whatever the peer answered. Rejects with RetryableError when there was no answer, or half of a good one.
   * A kept connection that the peer closed in the same moment is replaced once, at once.
   */
  async post(url: URL, headers: Headers, slices: readonly Uint8Array[], signal: AbortSignal): Promise<Answer> {
    const first = await this.attempt(url, headers, slices, signal)
    const last = first === 'stale' ? await this.attempt(url, headers, slices, signal) : first
    if (last === 'stale') throw new RetryableError(`${url.host} closes its connections before it answers`, 'connection')
    return last
  }

  private attempt(url: URL, headers: Headers, slices: readonly Uint8Array[], signal: AbortSignal): Promise<Answer | 'stale'> {
    const { plain, secure } = this
    if (!plain || !secure) return Promise.reject(new RetryableError('not started', 'shutdown'))
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const tls = url.protocol === 'https:'
      let request: http.ClientRequest
      try {
        const options = { method: 'POST', headers, agent: tls ? secure : plain, setDefaultHeaders: true }
        request = tls ? https.request(url, options) : http.request(url, options)
      } catch (error) {
        reject(new PermanentError(`cannot make a request to ${url.host}: ${messageOf(error)}`, 'bad_request', { cause: error }))
        return
      }
      const abort = (): void => {
        request.destroy(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      request.on('error', error => {
        if (signal.aborted) reject(signal.reason)
        else if (request.reusedSocket && isStale(error)) resolve('stale')
        else reject(new RetryableError(`no answer from ${url.host}: ${messageOf(error)}`, 'connection', undefined, { cause: error }))
      })
      let answered = false
      request.on('response', response => {
        answered = true
        read(response, url, resolve, reject)
      })
      // Answers to what nobody asked for: the connection is of no more use to us.
      request.on('upgrade', (response: http.IncomingMessage, socket: Duplex) => {
        socket.destroy()
        resolve({ status: response.statusCode ?? 101, headers: response.headers, body: Buffer.alloc(0), cut: false })
      })
      request.on('close', () => {
        signal.removeEventListener('abort', abort)
        if (!answered) reject(new RetryableError(`no answer from ${url.host}`, 'connection'))
      })
      write(request, slices, this.buffers)
    })
  }
}

/** Each new connection uses the TLS files as they are then. */
class FreshTlsAgent extends https.Agent {
  constructor(
    options: https.AgentOptions,
    private readonly files: TlsFiles,
  ) {
    super(options)
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const fresh = { ...options, secureContext: this.files.secureContext }
    return super.createConnection(fresh, callback)
  }
}

/**
 * In a buffer of our own: a request that was given up may still stand in the socket's queue when its bytes are used for something else.
 * It is used again only after all of it has left.
 */
const write = (request: http.ClientRequest, slices: readonly Uint8Array[], buffers: Buffers): void => {
  const { bytes, release } = buffers.gather(slices)
  request.once('finish', release)
  request.end(bytes)
}

const read = (
  response: http.IncomingMessage,
  url: URL,
  resolve: (answer: Answer) => void,
  reject: (error: RetryableError) => void,
): void => {
  const chunks: Buffer[] = []
  let length = 0
  const finish = (cut: boolean): void => {
    const { statusCode: status = 0, headers } = response
    resolve({ status, headers, body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), cut })
  }
  response.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= LONGEST_ANSWER) {
      chunks.push(chunk)
      return
    }
    finish(true)
    response.destroy()
  })
  response.on('end', () => finish(false))
  response.on('error', () => {})
  // A refusal is one even when its text was cut off; an acknowledgement has to be whole.
  response.on('close', () => {
    if (response.complete) return
    if ((response.statusCode ?? 0) >= 300) finish(true)
    else reject(new RetryableError(`${url.host} broke off its answer`, 'connection'))
  })
}

const isStale = (error: Error & { code?: string }): boolean => error.code === 'ECONNRESET' || error.code === 'EPIPE'
const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message || ((error as { code?: string }).code ?? error.name) : String(error)
