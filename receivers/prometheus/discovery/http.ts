/** `http_sd_configs`: lists of targets that a URL answers with, asked again and again. Source: prometheus/prometheus discovery/http/http.go. */
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { Context, Counter } from '../../../runtime/component.js'
import { messageOf, ScrapeError } from '../failure.js'
import { failureOf } from '../http_failure.js'
import type { Labels } from '../relabel/relabel.js'
import { Requests } from '../requests.js'
import type { Discovery } from './discovery.js'
import type { HttpOptions } from './options.js'
import { labelSets, targetGroups } from './static.js'

const JSON_TYPE = /^application\/json(;\s*charset="?utf-8"?)?$/i
/** Largest list taken: some hundred thousand targets. */
const LONGEST = 64 * 2 ** 20

export class HttpDiscovery implements Discovery {
  private readonly requests: Requests
  private cancelRefresh: (() => void) | undefined
  private abort = new AbortController()
  private asking: Promise<void> = Promise.resolve()
  private stopped = true
  private last = ''
  private lastFault = ''

  constructor(
    private readonly options: HttpOptions,
    private readonly job: string,
    private readonly context: Context,
    private readonly failures: Counter,
  ) {
    this.requests = new Requests(options, context)
  }

  start(found: (labelSets: readonly Labels[]) => void): void {
    this.stopped = false
    this.abort = new AbortController()
    this.last = ''
    this.refresh(found, this.requests.open())
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.cancelRefresh?.()
    this.abort.abort(new ScrapeError('the gateway stops', 'stopped'))
    await this.asking
    this.requests.close()
  }

  private refresh(found: (labelSets: readonly Labels[]) => void, opened: Promise<void>): void {
    if (this.stopped) return
    this.asking = this.ask(found, opened).finally(() => {
      if (this.stopped) return
      // TLS files that could not be read are tried anew with the list.
      const again = (): void => this.refresh(found, this.lastFault === '' ? opened : opened.catch(() => this.requests.open()))
      this.cancelRefresh = this.context.clock.after(this.options.refresh_interval, again)
    })
  }

  private async ask(found: (labelSets: readonly Labels[]) => void, opened: Promise<void>): Promise<void> {
    try {
      await opened
      const text = await this.fetch()
      if (text !== this.last) {
        const sets = labelSets(groupsOf(text), { __meta_url: this.options.url })
        if (this.stopped) return
        this.last = text
        found(sets)
      }
      if (this.lastFault !== '') this.context.log.info('the list of targets is fetched again', { job: this.job, url: this.place })
      this.lastFault = ''
    } catch (error) {
      if (this.stopped) return
      this.failures.add(1)
      this.tell(messageOf(error))
    }
  }

  /** The body as text. Rejects with ScrapeError. */
  private async fetch(): Promise<string> {
    const { refresh_interval: interval, url } = this.options
    const attempt = new AbortController()
    const giveUp = (): void => attempt.abort(this.abort.signal.reason)
    this.abort.signal.addEventListener('abort', giveUp, { once: true })
    const late = new ScrapeError(`no whole answer within refresh_interval, ${interval} ms`, 'timeout')
    const cancel = this.context.clock.after(interval, () => attempt.abort(late))
    try {
      const headers = { accept: 'application/json', 'x-prometheus-refresh-interval-seconds': String(interval / 1000) }
      return await read(await this.requests.get(new URL(url), headers, attempt.signal), attempt.signal)
    } finally {
      cancel()
      this.abort.signal.removeEventListener('abort', giveUp)
    }
  }

  /** The URL as far as it may be logged: its query may hold a token. */
  private get place(): string {
    const { origin, pathname } = new URL(this.options.url)
    return origin + pathname
  }

  private tell(error: string): void {
    if (this.lastFault === error) return
    this.lastFault = error
    const what = this.last === '' ? 'a list of targets cannot be fetched' : 'a list of targets cannot be fetched; its last targets stay'
    this.context.log.error(what, { job: this.job, url: this.place, error })
  }
}

const read = async (response: IncomingMessage, signal: AbortSignal): Promise<string> => {
  const abort = (): void => {
    response.destroy(signal.reason)
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    const type = response.headers['content-type']?.trim() ?? 'no Content-Type'
    if (!JSON_TYPE.test(type))
      throw new ScrapeError(`expected the Content-Type application/json, got ${JSON.stringify(type.slice(0, 100))}`, 'content_type')
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > LONGEST) throw new ScrapeError(`the list is larger than ${LONGEST} bytes`, 'body_size_limit')
      chunks.push(chunk)
    }
    if (!response.complete) throw new ScrapeError('the connection ended before the list did', 'truncated')
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    throw signal.aborted ? signal.reason : failureOf(error)
  } finally {
    signal.removeEventListener('abort', abort)
    response.destroy()
  }
}

/** Throws ScrapeError when it is no list of groups. */
const groupsOf = (text: string): z.infer<typeof targetGroups> => {
  let written: unknown
  try {
    written = JSON.parse(text)
  } catch (error) {
    throw new ScrapeError(`the answer is no JSON: ${messageOf(error)}`, 'malformed', { cause: error })
  }
  const groups = targetGroups.safeParse(written)
  if (groups.success) return groups.data
  const what = `expected a list of {"targets": ["host:port", …], "labels": {…}}: ${z.prettifyError(groups.error)}`
  throw new ScrapeError(what.slice(0, 500), 'malformed')
}
