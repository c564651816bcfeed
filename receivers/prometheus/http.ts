/** Asks a target for its exposition and hands on the body piece by piece, never more of it than allowed. */
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ExpositionError } from '../../proto/exposition/error.js'
import type { Context } from '../../runtime/component.js'
import { type ClientTlsOptions, clientConnection, clientTlsOptions, TlsFiles } from '../../runtime/net/tls.js'
import { credentialHeaders } from './credentials.js'
import { codeOf, messageOf, ScrapeError } from './failure.js'
import { acceptHeader, formatOf } from './formats.js'
import type { JobOptions, JobTls } from './options.js'
import type { Target } from './target.js'

const CHUNK = 64 * 1024
const MOST_REDIRECTS = 10
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Who takes the body; the target waits for `chunk`. */
export interface BodyReader {
  begin(format: ReturnType<typeof formatOf>): void
  chunk(bytes: Buffer): Promise<void>
  /** `framed`: the transport said where the body ends. */
  end(framed: boolean): void
}

/** The HTTP side of one job: connections that are kept, TLS, credentials. */
export class HttpScraper {
  private readonly http = new HttpAgent({ keepAlive: true })
  private readonly https = new HttpsAgent({ keepAlive: true })
  private readonly tlsOptions: ClientTlsOptions
  private files: TlsFiles | undefined
  private readonly accept: string

  constructor(
    private readonly job: JobOptions,
    private readonly context: Context,
  ) {
    this.tlsOptions = tlsOptionsOf(job.tls_config)
    this.accept = acceptHeader(job.scrape_protocols)
  }

  /** Reads the TLS files. Rejects when they cannot be used. */
  async open(): Promise<void> {
    if (this.job.tls_config) this.files = await TlsFiles.ofClient(this.tlsOptions, this.context)
  }

  close(): void {
    this.files?.close()
    this.files = undefined
    this.http.destroy()
    this.https.destroy()
  }

  /** `answered` is called when the target has begun to answer. Rejects with ScrapeError, or with what `reader` throws. */
  async scrape(target: Target, reader: BodyReader, signal: AbortSignal, answered: () => void): Promise<void> {
    const headers: Record<string, string | string[]> = {
      accept: this.accept,
      'user-agent': 'ai-factory-gateway',
      'x-prometheus-scrape-timeout-seconds': String(target.timeout / 1000),
      ...(this.job.enable_compression && { 'accept-encoding': 'gzip' }),
      ...(await credentialHeaders(this.job)),
    }
    let { url } = target
    for (let redirects = 0; ; redirects++) {
      const response = await this.ask(url, headers, signal)
      answered()
      const { statusCode = 0 } = response
      const { location } = response.headers
      if (this.job.follow_redirects && REDIRECTS.has(statusCode) && location !== undefined) {
        response.destroy()
        if (redirects === MOST_REDIRECTS || !URL.canParse(location, url.href))
          throw new ScrapeError(`the target redirects without end, or to no URL`, 'status')
        const next = new URL(location, url.href)
        if (next.protocol !== 'http:' && next.protocol !== 'https:')
          throw new ScrapeError('the target redirects to no URL of HTTP', 'status')
        if (next.origin !== url.origin) delete headers.authorization
        url = next
        continue
      }
      if (statusCode !== 200) {
        response.destroy()
        throw new ScrapeError(`the target answered ${statusCode} ${response.statusMessage ?? ''}`.trim(), 'status')
      }
      await this.read(response, reader, signal)
      return
    }
  }

  private async read(response: IncomingMessage, reader: BodyReader, signal: AbortSignal): Promise<void> {
    const abort = (): void => {
      response.destroy(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    try {
      reader.begin(formatOf(response.headers['content-type'], this.job.fallback_scrape_protocol))
      const body = decoded(response)
      const { body_size_limit: limit } = this.job
      let size = 0
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (limit > 0 && size > limit) throw new ScrapeError(`the body is larger than body_size_limit, ${limit} bytes`, 'body_size_limit')
        await reader.chunk(chunk)
      }
      if (!response.complete) throw new ScrapeError('the connection ended before the body did', 'truncated')
      reader.end(response.headers['content-length'] !== undefined || response.headers['transfer-encoding'] !== undefined)
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOf(error)
    } finally {
      signal.removeEventListener('abort', abort)
      response.destroy()
    }
  }

  /** A kept connection that the target closed just now is not the target's fault: asked once more on another one. */
  private async ask(url: URL, headers: RequestOptions['headers'], signal: AbortSignal): Promise<IncomingMessage> {
    for (let attempt = 0; ; attempt++) {
      const { error, response, reused } = await this.askOnce(url, headers, signal)
      if (response) return response
      if (!reused || attempt === 3 || signal.aborted) throw failureOf(signal.aborted ? signal.reason : error)
    }
  }

  private askOnce(
    url: URL,
    headers: RequestOptions['headers'],
    signal: AbortSignal,
  ): Promise<{ response?: IncomingMessage; error?: unknown; reused: boolean }> {
    return new Promise(resolve => {
      const secure = url.protocol === 'https:'
      const options: RequestOptions = { headers: headers ?? {}, signal, agent: secure ? this.https : this.http }
      const request = secure
        ? requestHttps(url, { ...options, ...(this.files && clientConnection(this.tlsOptions, this.files)) })
        : requestHttp(url, options)
      request.once('response', response => {
        // An abort after this point reaches the body's reader.
        response.on('error', () => {})
        resolve({ response, reused: request.reusedSocket })
      })
      request.on('error', error => resolve({ error, reused: request.reusedSocket }))
      request.end()
    })
  }
}

/** The body without its compression. */
const decoded = (response: IncomingMessage): Readable => {
  const encoding = (response.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return response
  if (encoding !== 'gzip')
    throw new ScrapeError(
      `the target answered in the encoding ${JSON.stringify(encoding.slice(0, 40))}, which it was not asked for`,
      'encoding',
    )
  const gunzip = createGunzip({ chunkSize: CHUNK })
  // Errors of either stream end the loop that reads this one.
  pipeline(response, gunzip, () => {})
  return gunzip
}

const ENCODING_FAULTS: ReadonlySet<unknown> = new Set([
  'Z_DATA_ERROR',
  'Z_STREAM_ERROR',
  'Z_NEED_DICT',
  'ERR_TRAILING_JUNK_AFTER_STREAM_END',
])
const TRUNCATED: ReadonlySet<unknown> = new Set(['Z_BUF_ERROR', 'ERR_STREAM_PREMATURE_CLOSE'])

const failureOf = (error: unknown): unknown => {
  if (error instanceof ScrapeError || error instanceof ExpositionError) return error
  const code = codeOf(error)
  const options = { cause: error }
  if (ENCODING_FAULTS.has(code)) return new ScrapeError(`the gzip data is damaged: ${messageOf(error)}`, 'encoding', options)
  if (TRUNCATED.has(code) || (code === 'ECONNRESET' && messageOf(error) === 'aborted'))
    return new ScrapeError('the connection ended before the body did', 'truncated', options)
  return code === undefined ? error : new ScrapeError(`cannot reach the target: ${messageOf(error) || String(code)}`, 'connection', options)
}

/** Prometheus' words for what the gateway's TLS clients are told. */
const tlsOptionsOf = (tls: JobTls | undefined): ClientTlsOptions =>
  clientTlsOptions.parse({
    ca_pem: tls?.ca,
    ca_file: tls?.ca_file,
    cert_pem: tls?.cert,
    cert_file: tls?.cert_file,
    key_pem: tls?.key,
    key_file: tls?.key_file,
    server_name_override: tls?.server_name,
    insecure_skip_verify: tls?.insecure_skip_verify ?? false,
    ...(tls && { min_version: versionOf(tls.min_version) }),
    ...(tls?.max_version && { max_version: versionOf(tls.max_version) }),
  })
const versionOf = (version: 'TLS12' | 'TLS13'): string => (version === 'TLS12' ? '1.2' : '1.3')
