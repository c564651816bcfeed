/** One attempt to write a batch: its points by series, as one request or several, one after the other. */
import { randomInt } from 'node:crypto'
import { compress, compressSync } from 'snappy'
import type { Batch } from '../../proto/batch.js'
import { Labels } from '../../proto/prometheus/labels.js'
import { labelName } from '../../proto/prometheus/names.js'
import type { Clock, Log } from '../../runtime/component.js'
import type { Outcome } from '../../runtime/delivery/index.js'
import { PermanentError } from '../../runtime/errors.js'
import type { HttpClient } from '../../runtime/net/http-client.js'
import { type Verdict, verdictOf } from './answer.js'
import { Gatherer, type NotSent, release } from './gather.js'
import type { Options } from './options.js'
import { Origins } from './origins.js'
import { acknowledge, type Body, encodeRequests, type Version } from './request.js'
import { Catalog } from './series.js'

const CONTENT_TYPE: Readonly<Record<Version, string>> = {
  1: 'application/x-protobuf;proto=prometheus.WriteRequest',
  2: 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
}
const VERSION: Readonly<Record<Version, string>> = { 1: '0.1.0', 2: '2.0.0' }
/** Larger bodies are compressed by another thread. */
const AT_ONCE = 2 ** 20

export class Sender {
  private version: Version
  private readonly url: URL
  private readonly catalog: Catalog
  private readonly gatherer: Gatherer
  /** Of batches whose delivery failed half-way: points that the backend has. They come again, and are then no duplicates that somebody sent. */
  private readonly delivered = new WeakMap<Batch, number>()

  constructor(
    private readonly options: Options & { readonly utf8: boolean },
    private readonly client: Pick<HttpClient, 'post'>,
    private readonly ports: { readonly clock: Clock; readonly log: Log },
  ) {
    this.version = options.protocol
    this.url = new URL(options.endpoint)
    const labels = new Labels({ ...options, const_labels: options.external_labels })
    const constants = new Map(Object.entries(options.external_labels).map(([key, value]) => [labelName(key, options.utf8), value]))
    const limits = { perMetric: options.cardinality_limit, inAll: options.max_series, expiration: options.metric_expiration }
    this.catalog = new Catalog(limits, labels, randomInt(2 ** 31))
    this.gatherer = new Gatherer(options, this.catalog, new Origins(labels, constants, randomInt(2 ** 31)))
  }

  /** Series remembered. */
  get series(): number {
    return this.catalog.size
  }

  /** Throws WireError. Rejects with RetryableError, or PermanentError when nothing of the batch was taken. */
  send(batch: Batch, signal: AbortSignal): Promise<Outcome | undefined> {
    const { bodies, refused } = this.encode(batch, this.version)
    return this.write(batch, bodies, withoutDelivered(refused, this.delivered.get(batch) ?? 0), signal)
  }

  private encode(batch: Batch, version: Version): { bodies: Body[]; refused: ReadonlyMap<NotSent, number> } {
    const { series, refused } = this.gatherer.gather(batch, this.ports.clock.monotonic())
    const bodies = encodeRequests(series, {
      version,
      maxBytes: this.options.max_batch_size_bytes,
      metadata: this.options.send_metadata,
      isInfo: family => this.gatherer.isInfo(family),
    })
    release(series)
    return { bodies, refused }
  }

  private async write(
    batch: Batch,
    bodies: readonly Body[],
    withheld: ReadonlyMap<NotSent, number>,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const version = this.version
    let rejected = 0
    let message = ''
    let refusal: PermanentError | undefined
    let taken = false
    for (const body of bodies) {
      try {
        const verdict = await this.post(body, version, signal)
        if (verdict === 'unspoken') return this.fallBack(batch, signal)
        rejected += verdict.rejected
        message ||= verdict.message
        taken = true
        if (verdict.rejected > 0) continue
        acknowledge(body)
        this.delivered.set(batch, (this.delivered.get(batch) ?? 0) + body.points)
      } catch (error) {
        if (!(error instanceof PermanentError)) throw error
        refusal ??= error
        rejected += body.points
        message ||= error.message
      }
    }
    if (refusal && !taken) throw refusal
    return rejected > 0 || withheld.size > 0 || message !== '' ? { rejected, message, withheld } : undefined
  }

  private async post(body: Body, version: Version, signal: AbortSignal): Promise<Verdict> {
    const bytes = Buffer.from(body.bytes.buffer, body.bytes.byteOffset, body.bytes.length)
    const packed = bytes.length <= AT_ONCE ? compressSync(bytes) : await compress(bytes)
    const headers = {
      'user-agent': 'ai-factory-gateway',
      ...this.options.headers,
      'content-type': CONTENT_TYPE[version],
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': VERSION[version],
      'content-length': packed.length,
    }
    return verdictOf(await this.client.post(this.url, headers, [packed], signal), body, version, this.ports.clock.now())
  }

  /** The backend took nothing: the same again by version 1, and from now on. */
  private fallBack(batch: Batch, signal: AbortSignal): Promise<Outcome | undefined> {
    if (this.version === 2)
      this.ports.log.warn('the backend does not speak remote write 2; version 1 is used from now on. Set `protocol: 1` to do so at once', {
        endpoint: this.url.host,
      })
    this.version = 1
    return this.send(batch, signal)
  }
}

/** `delivered` points were taken by an attempt before: they are no duplicates. */
const withoutDelivered = (refused: ReadonlyMap<NotSent, number>, delivered: number): ReadonlyMap<NotSent, number> => {
  if (delivered === 0) return refused
  const left = new Map(refused)
  let rest = delivered
  for (const reason of ['duplicate', 'out_of_order'] as const) {
    const count = left.get(reason) ?? 0
    const own = Math.min(count, rest)
    rest -= own
    if (count > own) left.set(reason, count - own)
    else left.delete(reason)
  }
  return left
}
