/** An OTLP backend on both transports that keeps every request as it came, and answers as told. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { GRPC_SERVICES, OTLP_SIGNALS, type OtlpSignal } from '../../proto/services.js'

export interface Received {
  readonly transport: 'grpc' | 'http'
  readonly signal: OtlpSignal
  /** Uncompressed. */
  readonly body: Buffer
  readonly contentType: string
  /** When it came, milliseconds since the epoch. */
  readonly at: number
}

/** Undefined = taken; `bad_data` is refused for good, `busy` is to be sent again. */
export type Verdict = 'bad_data' | 'busy' | undefined
const HTTP_STATUS = { bad_data: 400, busy: 503 } as const
const GRPC_STATUS = { bad_data: status.INVALID_ARGUMENT, busy: status.UNAVAILABLE } as const

export class RecordingBackend {
  /** What was taken, in the order it came. */
  readonly taken: Received[] = []
  /** False: what is taken is not kept. */
  keep = true
  /** Asked for each request; a promise holds the answer back. */
  judge: (request: Received) => Verdict | Promise<Verdict> = () => undefined
  private readonly http = createServer((request, response) => {
    // A sender that breaks off gets no answer.
    this.answerHttp(request, response).catch(() => response.destroy())
  })
  private readonly grpc = new Server({ 'grpc.max_receive_message_length': 2 ** 26 })
  private grpcPort = 0

  static async open(): Promise<RecordingBackend> {
    const backend = new RecordingBackend()
    for (const signal of OTLP_SIGNALS)
      backend.grpc.addService(GRPC_SERVICES[signal], {
        export: (call: ServerUnaryCall<Buffer, Uint8Array>, callback: sendUnaryData<Uint8Array>) =>
          void backend.answerGrpc(signal, call.request, callback),
      })
    backend.grpcPort = await new Promise<number>((resolve, reject) =>
      backend.grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
    )
    backend.http.listen(0, '127.0.0.1')
    await once(backend.http, 'listening')
    return backend
  }

  /** `127.0.0.1:port` */
  get grpcEndpoint(): string {
    return `127.0.0.1:${this.grpcPort}`
  }

  get httpUrl(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.grpc.forceShutdown()
    this.http.closeAllConnections()
    await new Promise(done => this.http.close(done))
  }

  private async take(received: Received): Promise<Verdict> {
    const verdict = await this.judge(received)
    if (verdict === undefined && this.keep) this.taken.push(received)
    return verdict
  }

  private async answerGrpc(signal: OtlpSignal, request: Buffer, callback: sendUnaryData<Uint8Array>): Promise<void> {
    const verdict = await this.take({
      transport: 'grpc',
      signal,
      body: Buffer.from(request),
      contentType: 'application/grpc',
      at: Date.now(),
    })
    if (verdict) callback({ code: GRPC_STATUS[verdict], details: verdict })
    else callback(null, new Uint8Array(0))
  }

  private async answerHttp(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    response.on('error', () => {})
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const verdict = await this.take({
      transport: 'http',
      signal: request.url?.split('/').at(-1) as OtlpSignal,
      body: request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body,
      contentType: request.headers['content-type'] ?? '',
      at: Date.now(),
    })
    response.writeHead(verdict ? HTTP_STATUS[verdict] : 200).end()
  }
}
