/** A receiver with real clock and sockets, its targets on free ports, and what it sent in readable form. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Batch } from '../../../proto/batch.js'
import { decode, type Plain, requestType } from '../../../proto/testing/oracle.js'
import { Admission, MemoryAdmission } from '../../../runtime/admission.js'
import { SystemClock } from '../../../runtime/clock.js'
import type { Clock, Lifecycle, Upstream } from '../../../runtime/component.js'
import { TokenMap } from '../../../runtime/host.js'
import { type Harness, harness } from '../../../runtime/testing/harness.js'
import { STREAMS, type Streams } from '../../../streams/index.js'
import prometheus from '../index.js'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** Answers with a text exposition. */
export const text =
  (body: string | (() => string), contentType = 'text/plain; version=0.0.4'): Answer =>
  (_, response) => {
    response.setHeader('content-type', contentType)
    response.end(typeof body === 'string' ? body : body())
  }

export interface Point {
  readonly metric: string
  readonly job: string
  readonly instance: string
  readonly attributes: Record<string, string>
  /** Undefined: NO_RECORDED_VALUE. */
  readonly value: number | undefined
  readonly time: number
  readonly resource: Record<string, string>
}

const plainAttributes = (list: Plain[] = []): Record<string, string> =>
  Object.fromEntries(list.map(each => [each.key, each.value.stringValue]))

export const pointsOf = (batch: Batch): Point[] => {
  const points: Point[] = []
  for (const group of decode(requestType('metrics'), Buffer.concat(batch.slices)).resourceMetrics) {
    const resource = plainAttributes(group.resource.attributes)
    for (const scope of group.scopeMetrics)
      for (const metric of scope.metrics)
        for (const point of (metric.gauge ?? metric.sum ?? metric.histogram ?? metric.summary).dataPoints)
          points.push({
            metric: metric.name,
            job: resource['service.name'] ?? '',
            instance: resource['service.instance.id'] ?? '',
            attributes: plainAttributes(point.attributes),
            value: point.flags === 1 ? undefined : Number(point.asDouble ?? point.count ?? 0),
            time: Number(BigInt(point.timeUnixNano) / 1_000_000n),
            resource,
          })
  }
  return points
}

export class Scene {
  readonly kit: Harness<Clock>
  /** Whether the targets are this gateway's. */
  mine = true
  private readonly servers: Server[] = []
  private receiver: Lifecycle | undefined
  /** Points of the batches read so far. */
  private readonly seen: Point[] = []
  private read = 0

  constructor(clock: Clock = new SystemClock()) {
    const streams: Streams = {
      mine: () => this.mine,
      get: name => {
        throw new Error(`no stream ${name}`)
      },
    }
    const host = new TokenMap().put(Admission, new MemoryAdmission(clock)).put(STREAMS, streams)
    this.kit = harness('prometheus', { clock, host })
  }

  /** A target's address. */
  async serve(answer: Answer, listen: (listener: RequestListener) => Server = listener => createServer(listener)): Promise<string> {
    const server = listen(answer)
    this.servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async start(config: unknown, more: Record<string, unknown> = {}): Promise<void> {
    const upstream: Upstream = this.kit.upstream
    this.receiver = prometheus.create(prometheus.config.parse({ config, ...more }), upstream)
    await this.receiver.start?.()
  }

  async stop(deadline: AbortSignal = AbortSignal.timeout(2000)): Promise<void> {
    await this.receiver?.stop?.(deadline)
    this.receiver = undefined
  }

  async close(): Promise<void> {
    await this.stop()
    for (const server of this.servers) {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }

  get points(): readonly Point[] {
    const { batches } = this.kit.out
    for (; this.read < batches.length; this.read++) this.seen.push(...pointsOf(batches[this.read]!))
    return this.seen
  }

  /** Values of one metric of one job, in order of arrival. */
  values(metric: string, job?: string): (number | undefined)[] {
    return this.points.filter(point => point.metric === metric && (job === undefined || point.job === job)).map(({ value }) => value)
  }

  /** Waits for what a test expects to become true. */
  async until(condition: () => boolean, what: string, milliseconds = 10_000): Promise<void> {
    const end = performance.now() + milliseconds
    while (!condition()) {
      if (performance.now() > end) throw new Error(`waited in vain for ${what}; log: ${JSON.stringify(this.kit.log.lines.slice(-5))}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}
