/** Asks a target for its exposition and hands on the body piece by piece, never more of it than allowed. */
import type { IncomingMessage } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Context } from '../../runtime/component.js'
import { ScrapeError } from './failure.js'
import { acceptHeader, formatOf } from './formats.js'
import { failureOf } from './http_failure.js'
import type { JobOptions } from './options.js'
import { Requests } from './requests.js'
import type { Target } from './target.js'

const CHUNK = 64 * 1024

/** Who takes the body; the target waits for `chunk`. */
export interface BodyReader {
  begin(format: ReturnType<typeof formatOf>): void
  chunk(bytes: Buffer): Promise<void>
  /** `framed`: the transport said where the body ends. */
  end(framed: boolean): void
}

/** The HTTP side of one job. */
export class HttpScraper {
  private readonly requests: Requests
  private readonly accept: string

  constructor(
    private readonly job: JobOptions,
    context: Context,
  ) {
    this.requests = new Requests(job, context)
    this.accept = acceptHeader(job.scrape_protocols)
  }

  /** Reads the TLS files. Rejects when they cannot be used. */
  open(): Promise<void> {
    return this.requests.open()
  }

  close(): void {
    this.requests.close()
  }

  /** `answered` is called when the target has begun to answer. Rejects with ScrapeError, or with what `reader` throws. */
  async scrape(target: Target, reader: BodyReader, signal: AbortSignal, answered: () => void): Promise<void> {
    const headers = {
      accept: this.accept,
      'x-prometheus-scrape-timeout-seconds': String(target.timeout / 1000),
      ...(this.job.enable_compression && { 'accept-encoding': 'gzip' }),
    }
    await this.read(await this.requests.get(target.url, headers, signal, answered), reader, signal)
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
