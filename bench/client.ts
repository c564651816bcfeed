/** OTLP as senders speak it: unary gRPC over node:http2, or posts over HTTP/1.1 connections that are kept. */
import { Agent, request } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { gzipSync } from 'node:zlib'
import { GRPC_SERVICES, HTTP_PATHS, type OtlpSignal } from '../proto/services.js'

const WINDOW = 16 << 20
const FRAME_HEADER = 5
/** OTLP's retryable codes of gRPC, 8 only with RetryInfo, and of HTTP. */
const RETRYABLE = new Set(['1', '4', '10', '11', '14', '15', '429', '502', '503', '504'])

/** One gRPC message, length in front. */
export const frame = (message: Uint8Array, gzip: boolean): Buffer => {
  const body = gzip ? gzipSync(message, { level: 6 }) : message
  const framed = Buffer.allocUnsafe(FRAME_HEADER + body.length)
  framed[0] = gzip ? 1 : 0
  framed.writeUInt32BE(body.length, 1)
  framed.set(body, FRAME_HEADER)
  return framed
}

export type Protocol = 'grpc' | 'http'

export interface Answer {
  /** gRPC status; of HTTP its status, or `0` for a success. */
  status: string
  /** The sender was told when to come back. */
  retryInfo: boolean
}

const CLOSED: Answer = { status: 'closed', retryInfo: false }

export interface Connection {
  /** One call with a framed message; resolves with the answer, `closed` when there was none. */
  send(signal: OtlpSignal, framed: Buffer, gzip: boolean): Promise<Answer>
  close(): void
}

export const open = (port: number, protocol: Protocol = 'grpc'): Promise<Connection> =>
  protocol === 'grpc' ? openGrpc(port) : Promise.resolve(openHttp(port))

const openGrpc = (port: number): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: WINDOW } })
    session.once('connect', () => {
      session.setLocalWindowSize(WINDOW)
      session.off('error', reject)
      session.on('error', () => {})
      resolve({ send: (signal, framed, gzip) => call(session, signal, framed, gzip), close: () => session.close() })
    })
    session.once('error', reject)
  })

const call = (session: ClientHttp2Session, signal: OtlpSignal, framed: Buffer, gzip: boolean): Promise<Answer> =>
  new Promise(resolve => {
    const stream = session.request({
      ':method': 'POST',
      ':path': GRPC_SERVICES[signal].export.path,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...(gzip ? { 'grpc-encoding': 'gzip' } : {}),
    })
    let answer = CLOSED
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

const openHttp = (port: number): Connection => {
  const agent = new Agent({ keepAlive: true })
  return { send: (signal, framed, gzip) => post(agent, port, signal, framed.subarray(FRAME_HEADER), gzip), close: () => agent.destroy() }
}

const post = (agent: Agent, port: number, signal: OtlpSignal, body: Buffer, gzip: boolean): Promise<Answer> =>
  new Promise(resolve => {
    const headers = {
      'content-type': 'application/x-protobuf',
      'content-length': body.length,
      ...(gzip ? { 'content-encoding': 'gzip' } : {}),
    }
    const sent = request({ host: '127.0.0.1', port, agent, method: 'POST', path: HTTP_PATHS[signal], headers }, response => {
      const { statusCode } = response
      const answer = { status: statusCode === 200 ? '0' : String(statusCode), retryInfo: response.headers['retry-after'] !== undefined }
      response.on('error', () => resolve(CLOSED))
      response.on('end', () => resolve(answer))
      response.resume()
    })
    sent.on('error', () => resolve(CLOSED))
    sent.end(body)
  })

/** Whether the answer told the sender to come back. */
export const mayRetry = ({ status, retryInfo }: Answer): boolean => RETRYABLE.has(status) || (status === '8' && retryInfo)

export const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Senders share sessions, as the batchers of an agent do; no session has more than servers commonly allow (100 to 250 streams). */
export const sessionsFor = (senders: number): number => Math.max(Math.min(senders, 4), Math.ceil(senders / 128))
