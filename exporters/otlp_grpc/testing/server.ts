/** gRPC servers and what lies below them, for tests. */
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import type { z } from 'zod'
import { Batch } from '../../../proto/batch.js'
import { encodeResponse, GRPC_SERVICES } from '../../../proto/services.js'
import { Writer } from '../../../proto/wire.js'
import { SystemClock } from '../../../runtime/clock.js'
import { harness } from '../../../runtime/testing/harness.js'
import exporter from '../index.js'
import { options } from '../options.js'

export const spans = (...names: string[]): Batch => {
  const request = new Writer().message(1, group =>
    group.message(2, scope => {
      for (const name of names) scope.message(2, it => it.string(5, name))
    }),
  )
  return Batch.of('traces', [request.finish()], names.length)
}

const closers: (() => unknown)[] = []

/** Closes whatever a test opened, latest first. */
export const closeAll = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close()
}
export const onClose = (close: () => unknown): void => {
  closers.push(close)
}
export const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

type Reply = (error: Partial<grpc.ServiceError> | null, response?: Uint8Array) => void
interface Received {
  readonly body: Uint8Array
  readonly metadata: Record<string, grpc.MetadataValue>
  readonly deadline: grpc.Deadline
  readonly signal: string
}

/** A grpc-js server that answers as told. */
export const server = async (
  answer: (reply: Reply, received: Received) => void = reply => reply(null, encodeResponse()),
  bind = '127.0.0.1:0',
) => {
  const received: Received[] = []
  const instance = new grpc.Server({ 'grpc.max_receive_message_length': 2 ** 26 })
  for (const [signal, service] of Object.entries(GRPC_SERVICES))
    instance.addService(service, {
      export: (call: grpc.ServerUnaryCall<Uint8Array, Uint8Array>, reply: Reply) => {
        const one = { body: Buffer.from(call.request), metadata: call.metadata.getMap(), deadline: call.getDeadline(), signal }
        received.push(one)
        answer(reply, one)
      },
    })
  const port = await new Promise<number>((resolve, reject) =>
    instance.bindAsync(bind, grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  closers.push(() => instance.forceShutdown())
  return { received, instance, endpoint: `127.0.0.1:${port}` }
}

/** An HTTP/2 server below gRPC, for answers no gRPC library gives. */
export const rawServer = async (
  onStream: (stream: http2.ServerHttp2Stream, session: http2.ServerHttp2Session) => void,
  settings: http2.Settings = {},
) => {
  const sessions = new Set<http2.ServerHttp2Session>()
  const instance = http2.createServer({ settings })
  instance.on('session', session => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  instance.on('stream', stream => {
    stream.on('error', () => {})
    onStream(stream, stream.session as http2.ServerHttp2Session)
  })
  await new Promise<void>(resolve => instance.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    for (const session of sessions) session.destroy()
    instance.close()
  })
  return { sessions, endpoint: `127.0.0.1:${(instance.address() as AddressInfo).port}` }
}

export const started = async (written: z.input<typeof options>) => {
  const { context, meter, log } = harness('otlp_grpc')
  const config = options.parse({ tls: { insecure: true }, retry_on_failure: { enabled: false }, ...written })
  const instance = exporter.create(config, { ...context, clock: new SystemClock() })
  await instance.start?.()
  closers.push(() => instance.stop?.(AbortSignal.abort()))
  return { consume: instance.consume, instance, meter, log }
}

/** The head and trailers of a good answer with this message. */
export const ok = (
  stream: http2.ServerHttp2Stream,
  frames: Uint8Array = Buffer.alloc(5),
  trailers: http2.OutgoingHttpHeaders = { 'grpc-status': '0' },
  head = {},
): void => {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...head }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(frames)
}
