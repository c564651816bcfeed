/** A small HTTP server for pages that operators and their probes read: own metrics, health. GET and HEAD only. */
import type { IncomingMessage } from 'node:http'
import type { Clock, Lifecycle, Log } from './component.js'
import { type HttpReply, HttpServer } from './net/http-server.js'
import type { TlsFiles } from './net/tls.js'

export interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

const TEXT = 'text/plain; charset=utf-8'
const NOT_FOUND: Page = { status: 404, type: TEXT, body: 'not found\n' }
const NOT_ALLOWED: Page = { status: 405, type: TEXT, body: 'only GET and HEAD are answered here\n' }

/** Few read these pages, and none of them slowly. */
const LIMITS = {
  maxConnections: 100,
  readHeaderTimeout: 5_000,
  readTimeout: 5_000,
  writeTimeout: 10_000,
  idleTimeout: 120_000,
  maxDiscard: 1 << 16,
}

export interface PageServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly endpoint: string
  readonly tls?: TlsFiles | undefined
  /** The page at a path (without query) for what the reader accepts, or undefined where there is none. What it throws is logged and answered with 500. */
  readonly page: (path: string, accept: string) => Page | undefined
  readonly clock: Clock
  readonly log: Log
}

export class PageServer implements Lifecycle {
  private readonly server: HttpServer
  /** The port listened on; undefined before the start. */
  port: number | undefined

  constructor(private readonly options: PageServerOptions) {
    const { endpoint, tls, clock, log } = options
    this.server = new HttpServer({ ...LIMITS, endpoint, tls }, async request => this.answer(request), {
      clock,
      log,
      broken() {},
    })
  }

  async start(): Promise<void> {
    this.port = await this.server.start()
  }

  stop(deadline: AbortSignal): Promise<void> {
    return this.server.stop(deadline)
  }

  private answer({ method, url = '/', headers }: IncomingMessage): HttpReply {
    const readable = method === 'GET' || method === 'HEAD'
    const { status, type, body } = readable ? (this.options.page(url.split('?', 1)[0]!, headers.accept ?? '') ?? NOT_FOUND) : NOT_ALLOWED
    return { status, headers: { 'content-type': type, ...(!readable && { allow: 'GET, HEAD' }) }, body }
  }
}
