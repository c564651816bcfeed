/** OTLP/HTTP: three paths; answers as the specification and the Collector give them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OtlpSignal, PartialSuccess } from '../../proto/services.js'
import type { Admission } from '../../runtime/admission.js'
import { Buffers } from '../../runtime/buffers.js'
import type { Context, Lifecycle } from '../../runtime/component.js'
import { RetryableError } from '../../runtime/errors.js'
import { readBody } from '../../runtime/net/http-body.js'
import { type HttpReply, HttpServer } from '../../runtime/net/http-server.js'
import { type Refusal, refusalOf, rpcStatusOf } from '../../runtime/net/status.js'
import { TlsFiles } from '../../runtime/net/tls.js'
import type { Door } from './door.js'
import { type Encoding, encodingFor, MEDIA_TYPES } from './encoding.js'
import type { HttpOptions } from './options.js'

export class OtlpHttp implements Lifecycle {
  private server: HttpServer | undefined
  private tls: TlsFiles | undefined
  private readonly buffers = new Buffers()
  private readonly paths: ReadonlyMap<string, OtlpSignal>

  constructor(
    private readonly options: HttpOptions,
    private readonly door: Door,
    private readonly admission: Admission,
    private readonly context: Pick<Context, 'id' | 'clock' | 'log' | 'meter'>,
  ) {
    this.paths = new Map([
      [options.traces_url_path, 'traces'],
      [options.metrics_url_path, 'metrics'],
      [options.logs_url_path, 'logs'],
    ])
  }

  async start(): Promise<void> {
    const { options, context } = this
    this.tls = options.tls && (await TlsFiles.ofServer(options.tls, context))
    this.server = new HttpServer(
      {
        endpoint: options.endpoint,
        maxConnections: options.max_connections,
        readHeaderTimeout: options.read_header_timeout,
        readTimeout: options.read_timeout,
        writeTimeout: options.write_timeout,
        idleTimeout: options.idle_timeout,
        maxDiscard: options.max_request_body_size,
        tls: this.tls,
      },
      (request, response) => this.answer(request, response),
      {
        clock: context.clock,
        log: context.log,
        broken: code =>
          this.door.refused({ reason: code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'header_timeout' : 'bad_http', message: code }, 'unknown'),
      },
    )
    try {
      const port = await this.server.start()
      context.log.info('listening', { protocol: 'http', endpoint: options.endpoint, port, tls: this.tls !== undefined })
    } catch (error) {
      this.tls?.close()
      throw error
    }
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.server?.stop(deadline)
    this.tls?.close()
    this.server = undefined
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<HttpReply> {
    const signal = this.paths.get(pathOf(request.url))
    if (signal === undefined) return this.misdirected(404, 'unknown_path', '404 page not found')
    if (request.method !== 'POST') return this.misdirected(405, 'bad_method', '405 method not allowed, supported: [POST]', signal)
    const encoding = encodingFor(request.headers['content-type'])
    if (encoding === undefined)
      return this.misdirected(415, 'unsupported_media_type', `415 unsupported media type, supported: [${MEDIA_TYPES.join(', ')}]`, signal)
    const { admission, context, options } = this
    try {
      if (this.server?.stopping ?? true) throw new RetryableError('the gateway is shutting down; send again', 'shutting_down')
      const body = await readBody(request, response, {
        admission,
        clock: context.clock,
        limit: options.max_request_body_size,
        readTimeout: options.read_timeout,
        buffers: this.buffers,
      })
      let partial: PartialSuccess | undefined
      try {
        partial = await this.door.enter(signal, this.read(signal, encoding, body.take()))
      } finally {
        body.release()
      }
      return replyIn(encoding, 200, encoding.accepted(signal, partial))
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.reason === 'internal') context.log.error('a request failed for an unexpected reason', { signal, error: String(error) })
      this.door.refused(refusal, signal)
      return replyIn(encoding, refusal.http, encoding.status(rpcStatusOf(refusal)), retryAfter(refusal))
    }
  }

  /** An empty body is an empty request, in either encoding. */
  private read(signal: OtlpSignal, encoding: Encoding, body: Uint8Array): Uint8Array {
    if (body.length === 0) return body
    const release = this.admission.reserve(body.length * encoding.weight)
    try {
      return encoding.read(signal, body)
    } finally {
      release()
    }
  }

  private misdirected(status: number, reason: string, text: string, signal: OtlpSignal | 'unknown' = 'unknown'): HttpReply {
    this.door.refused({ reason, message: text }, signal)
    return { status, headers: { 'content-type': 'text/plain', ...(status === 405 && { allow: 'POST' }) }, body: text }
  }
}

const replyIn = (
  encoding: Encoding,
  status: number,
  body: Uint8Array | string,
  headers: Readonly<Record<string, string>> = {},
): HttpReply => ({
  status,
  headers: { ...headers, 'content-type': encoding.mediaType },
  body,
})

const pathOf = (url = ''): string => {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

const retryAfter = ({ after, http }: Refusal): Record<string, string> =>
  after !== undefined && (http === 503 || http === 429) ? { 'retry-after': String(Math.max(1, Math.ceil(after / 1_000))) } : {}
