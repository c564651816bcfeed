/** Senders that can misbehave: raw HTTP/2, raw HTTP/1.1 and raw TCP, without a library's good manners between. */
import { request } from 'node:http'
import { type ClientHttp2Session, connect, type OutgoingHttpHeaders } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { decodeStatus, type RpcStatus } from '../../../proto/rpc-status.js'
import { GRPC_SERVICES, type OtlpSignal } from '../../../proto/services.js'

export const pathOf = (signal: OtlpSignal): string => GRPC_SERVICES[signal].export.path

/** A gRPC message in its frame. */
export const frame = (message: Uint8Array, { compressed = 0, length = message.length } = {}): Buffer => {
  const header = Buffer.alloc(5)
  header.writeUInt8(compressed, 0)
  header.writeUInt32BE(length, 1)
  return Buffer.concat([header, message])
}

export interface GrpcAnswer {
  readonly http: number
  readonly code: number | undefined
  readonly message: string | undefined
  readonly status: RpcStatus | undefined
  readonly body: Buffer
}

export interface GrpcCall {
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  /** What is sent, piece by piece. */
  readonly data?: Uint8Array | readonly Uint8Array[]
  /** False leaves the request half-sent. */
  readonly end?: boolean
}

/** An HTTP/2 connection to a port of this machine; errors are left to the calls. */
export const openHttp2 = (port: number): ClientHttp2Session => {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000_000 })
  session.on('error', () => {})
  return session
}

/** One call. Rejects when the stream or its connection breaks before an answer. */
export const grpcCall = (
  session: ClientHttp2Session,
  { path = pathOf('traces'), headers, data = [], end = true }: GrpcCall,
): Promise<GrpcAnswer> =>
  new Promise((resolve, reject) => {
    const stream = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers },
      { endStream: false },
    )
    let answer: Record<string, unknown> = {}
    const chunks: Buffer[] = []
    stream.on('response', received => (answer = { ...answer, ...received }))
    stream.on('trailers', received => (answer = { ...answer, ...received }))
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('closed without an answer')))
    stream.on('end', () => {
      if (answer[':status'] === undefined) return reject(new Error('closed without an answer'))
      const details = answer['grpc-status-details-bin']
      const code = answer['grpc-status']
      resolve({
        http: Number(answer[':status']),
        code: code === undefined ? undefined : Number(code),
        message: answer['grpc-message'] as string | undefined,
        status: details === undefined ? undefined : decodeStatus(Buffer.from(String(details), 'base64')),
        body: Buffer.concat(chunks),
      })
    })
    for (const part of data instanceof Uint8Array ? [data] : data) stream.write(part)
    if (end) stream.end()
  })

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface HttpCall {
  readonly path?: string
  readonly method?: string
  readonly headers?: Record<string, string | number>
  readonly data?: Uint8Array | string
}

/** One request on a connection of its own. */
export const httpCall = (
  port: number,
  { path = '/v1/traces', method = 'POST', headers = {}, data = new Uint8Array(0) }: HttpCall,
): Promise<HttpAnswer> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      { port, host: '127.0.0.1', path, method, agent: false, headers: { 'content-type': 'application/x-protobuf', ...headers } },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }))
      },
    )
    outgoing.on('error', reject)
    outgoing.end(data)
  })

export interface RawPeer {
  readonly socket: Socket
  /** Everything received so far. */
  text(): string
  /** Resolves when the other side has closed, or rejects after `ms`. */
  closed(ms: number): Promise<void>
}

export const openTcp = (port: number): RawPeer => {
  const socket = connectTcp(port, '127.0.0.1')
  let text = ''
  let over = false
  socket.on('data', chunk => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.on('close', () => (over = true))
  return {
    socket,
    text: () => text,
    closed: ms =>
      new Promise((resolve, reject) => {
        if (over) return resolve()
        const timer = setTimeout(() => reject(new Error(`still open after ${ms} ms; received: ${text.slice(0, 200)}`)), ms)
        socket.on('close', () => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}
