/** The counting backend, a process of its own: OTLP/gRPC over HTTP/2, every span id counted, every byte on the wire too. */
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { inspect } from '../proto/inspect.js'
import { GRPC_SERVICES } from '../proto/services.js'
import { Fields } from '../proto/wire.js'

export interface SinkCounts {
  spans: number
  /** Bytes of gRPC messages as they came, compressed or not. */
  bytes: number
  /** Arrivals per span id (ids count up from 0); zeros after the largest. */
  ids: Uint32Array
  /** Data points and log records. */
  points: number
  records: number
}

const TRACES = GRPC_SERVICES.traces.export.path
const METRICS = GRPC_SERVICES.metrics.export.path
const WINDOW = 16 << 20

const GROUP = 1
const SCOPE_SPANS = 2
const SPANS = 2
const SPAN_ID = 2
const request = new Fields(new Uint8Array(0))
const group = new Fields(new Uint8Array(0))
const scope = new Fields(new Uint8Array(0))
const span = new Fields(new Uint8Array(0))

/** Calls `see` with the number of each span: its id less one, as payload.ts counts. */
export const eachSpanId = (message: Uint8Array, see: (id: number) => void): void => {
  request.reset(message)
  while (request.next()) {
    if (request.number !== GROUP) continue
    group.enter(request)
    while (group.next()) {
      if (group.number !== SCOPE_SPANS) continue
      scope.enter(group)
      while (scope.next()) {
        if (scope.number !== SPANS) continue
        span.enter(scope)
        while (span.next())
          if (span.number === SPAN_ID) {
            const { bytes, end } = span
            see((((bytes[end - 4]! << 24) | (bytes[end - 3]! << 16) | (bytes[end - 2]! << 8) | bytes[end - 1]!) >>> 0) - 1)
            break
          }
      }
    }
  }
}

/** `messagesPerSecond` makes it a slow backend. */
/** Spans seen, by id. */
export class SpanBook {
  spans = 0
  ids = new Uint32Array(1 << 16)

  readonly see = (id: number): void => {
    this.spans++
    if (id >= this.ids.length) {
      const grown = new Uint32Array(id * 2)
      grown.set(this.ids)
      this.ids = grown
    }
    this.ids[id]!++
  }
}

export const startSink = async (messagesPerSecond?: number): Promise<{ port: number; counts: () => SinkCounts; close: () => void }> => {
  const book = new SpanBook()
  let bytes = 0
  let points = 0
  let records = 0
  let free = 0
  const server = createServer({ settings: { initialWindowSize: WINDOW } })
  server.on('session', session => session.setLocalWindowSize(WINDOW))
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const framed = Buffer.concat(chunks)
      bytes += framed.length - 5
      const body = framed[0] === 1 ? gunzipSync(framed.subarray(5)) : framed.subarray(5)
      if (headers[':path'] === METRICS) points += inspect('metrics', body)
      else if (headers[':path'] !== TRACES) records += inspect('logs', body)
      else eachSpanId(body, book.see)
      const answer = () => {
        if (stream.destroyed) return
        stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.end(Buffer.alloc(5))
      }
      if (!messagesPerSecond) return answer()
      const now = performance.now()
      free = Math.max(free, now) + 1000 / messagesPerSecond
      setTimeout(answer, free - now)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    counts: () => ({ spans: book.spans, bytes, ids: book.ids, points, records }),
    close: () => server.close(),
  }
}

if (process.send && process.argv[1]?.endsWith('/sink.js')) {
  const rate = Number(process.argv[2])
  const sink = await startSink(rate || undefined)
  process.send({ port: sink.port })
  process.on('message', () => process.send?.({ counts: sink.counts() }))
}
