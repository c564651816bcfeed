/**
 * The load generator, a process of its own: unary OTLP/gRPC over one HTTP/2 session a sender group, pre-encoded requests, closed loop.
 * It keeps a book per request: how often each was acknowledged, and with which code it was refused.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import { gzipSync } from 'node:zlib'
import { AGENT_RESOURCE, type SpanRequest, spanRequest } from './payload.js'

export interface LoadOptions {
  port: number
  /** Distinct requests; each is sent many times. */
  pool: number
  spans: number
  senders: number
  gzip: boolean
  warmupSeconds: number
  seconds: number
  /** Requests a second over all senders; absent = as fast as acknowledgements come. */
  rate?: number
}

export interface LoadResult {
  /** Acknowledgements per request of the pool. */
  acknowledged: number[]
  /** gRPC status → refusals; `retryable` counts those the sender was told to retry. */
  refused: Record<string, number>
  retryable: number
  p50: number
  p99: number
}

const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
const WINDOW = 16 << 20
/** OTLP's retryable gRPC codes; 8 only with RetryInfo, which is asked for below. */
const RETRYABLE = new Set(['1', '4', '10', '11', '14', '15'])

const frame = (request: SpanRequest, gzip: boolean): Buffer => {
  const body = gzip ? gzipSync(request.bytes, { level: 6 }) : request.bytes
  const framed = Buffer.allocUnsafe(body.length + 5)
  framed[0] = gzip ? 1 : 0
  framed.writeUInt32BE(body.length, 1)
  framed.set(body, 5)
  return framed
}

const open = (port: number): Promise<ClientHttp2Session> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW } })
    session.once('connect', () => {
      session.setLocalWindowSize(WINDOW)
      session.off('error', reject)
      session.on('error', () => {})
      resolve(session)
    })
    session.once('error', reject)
  })

interface Answer {
  status: string
  retryInfo: boolean
}
const send = (session: ClientHttp2Session, framed: Buffer, gzip: boolean): Promise<Answer> =>
  new Promise(resolve => {
    const stream = session.request({
      ':method': 'POST',
      ':path': TRACES,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...(gzip ? { 'grpc-encoding': 'gzip' } : {}),
    })
    let answer: Answer = { status: 'closed', retryInfo: false }
    const take = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined)
        answer = { status: String(headers['grpc-status']), retryInfo: headers['grpc-status-details-bin'] !== undefined }
    }
    stream.on('response', take)
    stream.on('trailers', take)
    stream.on('error', () => {})
    stream.on('close', () => resolve(answer))
    stream.resume()
    stream.end(framed)
  })

const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Senders share sessions, as the batchers of an agent do; no session has more than servers commonly allow (100 to 250 streams). */
const sessionsFor = (senders: number): number => Math.max(Math.min(senders, 4), Math.ceil(senders / 128))

/** Sends for `warmupSeconds`, calls `warm`, sends for `seconds`, and returns the book of both phases; latencies are of the second. */
export const load = async (options: LoadOptions, warm: () => void): Promise<LoadResult> => {
  const framed = Array.from({ length: options.pool }, (_, i) =>
    frame(spanRequest(options.spans, i * options.spans, AGENT_RESOURCE), options.gzip),
  )
  const acknowledged = new Array<number>(options.pool).fill(0)
  const refused: Record<string, number> = {}
  let retryable = 0
  const latencies: number[] = []
  const started = performance.now()
  const measuring = started + options.warmupSeconds * 1000
  const ending = measuring + options.seconds * 1000
  const gap = options.rate ? 1000 / options.rate : 0
  let turn = 0

  const sender = async (session: ClientHttp2Session) => {
    for (;;) {
      const mine = turn++
      const due = started + mine * gap
      const wait = due - performance.now()
      if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait))
      const before = performance.now()
      if (before >= ending) return
      const index = mine % options.pool
      const { status, retryInfo } = await send(session, framed[index]!, options.gzip)
      if (status === '0') acknowledged[index]!++
      else {
        refused[status] = (refused[status] ?? 0) + 1
        if (RETRYABLE.has(status) || (status === '8' && retryInfo)) retryable++
      }
      if (before >= measuring) latencies.push(performance.now() - before)
    }
  }

  setTimeout(warm, options.warmupSeconds * 1000)
  const sessions = await Promise.all(Array.from({ length: sessionsFor(options.senders) }, () => open(options.port)))
  await Promise.all(Array.from({ length: options.senders }, (_, i) => sender(sessions[i % sessions.length]!)))
  for (const session of sessions) session.close()
  latencies.sort((a, b) => a - b)
  return { acknowledged, refused, retryable, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

if (process.send && process.argv[1]?.endsWith('load.js')) {
  process.once('message', async (options: LoadOptions) => {
    const result = await load(options, () => process.send?.({ warm: true }))
    process.send?.({ result })
    process.disconnect?.()
  })
}
