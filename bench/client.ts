/** Unary OTLP/gRPC over node:http2, as senders speak it. */
import { type ClientHttp2Session, connect } from 'node:http2'
import { gzipSync } from 'node:zlib'
import { GRPC_SERVICES } from '../proto/services.js'

export const TRACES = GRPC_SERVICES.traces.export.path
export const METRICS = GRPC_SERVICES.metrics.export.path

const WINDOW = 16 << 20
/** OTLP's retryable gRPC codes; 8 only with RetryInfo. */
const RETRYABLE = new Set(['1', '4', '10', '11', '14', '15'])

/** One gRPC message, length in front. */
export const frame = (message: Uint8Array, gzip: boolean): Buffer => {
  const body = gzip ? gzipSync(message, { level: 6 }) : message
  const framed = Buffer.allocUnsafe(body.length + 5)
  framed[0] = gzip ? 1 : 0
  framed.writeUInt32BE(body.length, 1)
  framed.set(body, 5)
  return framed
}

export const open = (port: number): Promise<ClientHttp2Session> =>
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

export interface Answer {
  status: string
  retryInfo: boolean
}
/** One unary call; resolves with the answer, `closed` when there was none. */
export const send = (session: ClientHttp2Session, path: string, framed: Buffer, gzip: boolean): Promise<Answer> =>
  new Promise(resolve => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
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

/** Whether the answer told the sender to come back. */
export const mayRetry = ({ status, retryInfo }: Answer): boolean => RETRYABLE.has(status) || (status === '8' && retryInfo)

export const percentile = (sorted: number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** Senders share sessions, as the batchers of an agent do; no session has more than servers commonly allow (100 to 250 streams). */
export const sessionsFor = (senders: number): number => Math.max(Math.min(senders, 4), Math.ceil(senders / 128))
