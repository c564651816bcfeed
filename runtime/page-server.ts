/** A small HTTP server for pages that operators and their probes read: own metrics, health. GET and HEAD only, no request body, bounded in every direction. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { parseEndpoint } from '../config/options.js'
import type { Lifecycle } from './component.js'

export interface Page {
  readonly status: number
  readonly type: string
  readonly body: string
}

const NOT_FOUND: Page = { status: 404, type: 'text/plain; charset=utf-8', body: 'not found\n' }
const NOT_ALLOWED: Page = { status: 405, type: 'text/plain; charset=utf-8', body: 'only GET and HEAD are answered here\n' }
const FAILED: Page = { status: 500, type: 'text/plain; charset=utf-8', body: 'this page could not be made; the log says why\n' }

export interface PageServerOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly endpoint: string
  /** The option to name when the port is taken. */
  readonly option: string
  /** The page at a path (without query), or undefined where there is none. */
  readonly page: (path: string) => Page | undefined
  /** Told of a page that threw. */
  readonly failed: (error: unknown) => void
}

export class PageServer implements Lifecycle {
  private server: Server | undefined

  constructor(private readonly options: PageServerOptions) {}

  /** The port listened on; undefined when stopped. */
  get port(): number | undefined {
    const address = this.server?.address()
    return address !== null && typeof address === 'object' ? address.port : undefined
  }

  async start(): Promise<void> {
    const { endpoint, option } = this.options
    const address = parseEndpoint(endpoint)
    if (!address) throw new Error(`${option}: "${endpoint}" is not host:port`)
    const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 60_000 }, (request, response) =>
      this.answer(request, response),
    )
    server.maxConnections = 100
    server.on('clientError', (_, socket) => socket.destroy())
    const listening = once(server, 'listening')
    server.listen(address.port, address.host || undefined)
    try {
      await listening
    } catch (error) {
      throw new Error(explain(error, endpoint, option), { cause: error })
    }
    // Once it listens, an accept that fails (too many open files) costs that connection only.
    server.on('error', this.options.failed)
    this.server = server
  }

  async stop(): Promise<void> {
    const { server } = this
    this.server = undefined
    if (!server) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    request.resume()
    request.on('error', () => {})
    response.on('error', () => {})
    const { status, type, body } = this.pageFor(request)
    const bytes = Buffer.from(body)
    response.writeHead(status, { 'content-type': type, 'content-length': bytes.length, ...(status === 405 ? { allow: 'GET, HEAD' } : {}) })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  }

  private pageFor({ method, url = '/' }: IncomingMessage): Page {
    if (method !== 'GET' && method !== 'HEAD') return NOT_ALLOWED
    try {
      return this.options.page(url.split('?', 1)[0]!) ?? NOT_FOUND
    } catch (error) {
      this.options.failed(error)
      return FAILED
    }
  }
}

const explain = (error: unknown, endpoint: string, option: string): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return `cannot listen on ${endpoint}: another process has this port; stop it or set ${option}`
  if (code === 'EACCES') return `cannot listen on ${endpoint}: this user may not; take a port from 1024 up in ${option}`
  return `cannot listen on ${endpoint} (${option}): ${error instanceof Error ? error.message : String(error)}`
}
