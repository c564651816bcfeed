/** Requests of one job, to its targets or to what names them: connections that are kept, TLS, credentials, redirects. */
import { Agent as HttpAgent, type IncomingMessage, type RequestOptions, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Context } from '../../runtime/component.js'
import { type ClientTlsOptions, clientConnection, clientTlsOptions, TlsFiles } from '../../runtime/net/tls.js'
import type { Tls } from './client_options.js'
import { credentialHeaders, type Who } from './credentials.js'
import { ScrapeError } from './failure.js'
import { failureOf } from './http_failure.js'

const MOST_REDIRECTS = 10
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Prometheus' HTTP client options, as far as they decide how something is asked. */
export interface ClientOptions extends Who {
  readonly tls_config?: Tls | undefined
  readonly follow_redirects: boolean
}

export class Requests {
  private readonly http = new HttpAgent({ keepAlive: true })
  private readonly https = new HttpsAgent({ keepAlive: true })
  private readonly tlsOptions: ClientTlsOptions
  private files: TlsFiles | undefined

  constructor(
    private readonly options: ClientOptions,
    private readonly context: Context,
  ) {
    this.tlsOptions = tlsOptionsOf(options.tls_config)
  }

  /** Reads the TLS files. Rejects when they cannot be used. */
  async open(): Promise<void> {
    if (this.options.tls_config) this.files = await TlsFiles.ofClient(this.tlsOptions, this.context)
  }

  close(): void {
    this.files?.close()
    this.files = undefined
    this.http.destroy()
    this.https.destroy()
  }

  /** Resolves with an answer of status 200, its body unread; `answered` is called when an answer begins. Rejects with ScrapeError. */
  async get(
    url: URL,
    headers: Readonly<Record<string, string | string[]>>,
    signal: AbortSignal,
    answered: () => void = () => {},
  ): Promise<IncomingMessage> {
    const all: Record<string, string | string[]> = {
      'user-agent': 'ai-factory-gateway',
      ...headers,
      ...(await credentialHeaders(this.options)),
    }
    let place = url
    for (let redirects = 0; ; redirects++) {
      const response = await this.ask(place, all, signal)
      answered()
      const { statusCode = 0 } = response
      const { location } = response.headers
      if (this.options.follow_redirects && REDIRECTS.has(statusCode) && location !== undefined) {
        response.destroy()
        if (redirects === MOST_REDIRECTS || !URL.canParse(location, place.href))
          throw new ScrapeError(`${url.host} redirects without end, or to no URL`, 'status')
        const next = new URL(location, place.href)
        if (next.protocol !== 'http:' && next.protocol !== 'https:')
          throw new ScrapeError(`${url.host} redirects to no URL of HTTP`, 'status')
        if (next.origin !== place.origin) delete all.authorization
        place = next
        continue
      }
      if (statusCode !== 200) {
        response.destroy()
        throw new ScrapeError(`${url.host} answered ${statusCode} ${response.statusMessage ?? ''}`.trim(), 'status')
      }
      return response
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

/** Prometheus' words for what the gateway's TLS clients are told. */
const tlsOptionsOf = (tls: Tls | undefined): ClientTlsOptions =>
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
