/** The OpenTelemetry SDK's own exporters as senders: what they send to any other server is what the pipeline gets. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { Batch } from '../../proto/batch.js'
import { fromJson, toJson } from '../../proto/json/index.js'
import { GRPC_SERVICES, OTLP_SIGNALS } from '../../proto/services.js'
import { startReceiver } from './testing/receiver.js'

const COUNTS = { traces: 2, metrics: 3, logs: 1 }

interface Other {
  readonly port: number
  /** Request bodies in the order they came. */
  readonly bodies: Buffer[]
  close(): void
}

/** A server of @grpc/grpc-js. */
const otherGrpc = async (): Promise<Other> => {
  const bodies: Buffer[] = []
  const server = new Server()
  for (const signal of OTLP_SIGNALS)
    server.addService(GRPC_SERVICES[signal], {
      export: (call: { request: Buffer }, callback: (error: null, response: Uint8Array) => void) => {
        bodies.push(call.request)
        callback(null, new Uint8Array(0))
      },
    })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  )
  return { port, bodies, close: () => server.forceShutdown() }
}

const otherHttp = async (): Promise<Other> => {
  const bodies: Buffer[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    bodies.push(Buffer.concat(chunks))
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  return { port: (server.address() as AddressInfo).port, bodies, close }
}

test.each(['grpc', 'http/protobuf', 'http/json'])('%s: traces, metrics and logs of the SDK arrive as they were sent', async transport => {
  const receiver = await startReceiver()
  const other = transport === 'grpc' ? await otherGrpc() : await otherHttp()
  try {
    const port = transport === 'grpc' ? receiver.grpcPort : receiver.httpPort
    await promisify(execFile)(process.execPath, [join(__dirname, 'testing/sdk-sender.mjs'), transport, String(other.port), String(port)])
    expect(receiver.out.batches.map(({ signal }) => signal)).toEqual(OTLP_SIGNALS)
    for (const [index, signal] of OTLP_SIGNALS.entries()) {
      const batch = receiver.out.batches[index]!
      const sent = other.bodies[index]!
      const received = Buffer.concat(batch.slices)
      expect(batch.items).toBe(COUNTS[signal])
      if (transport === 'http/json') {
        expect(received.equals(fromJson(signal, sent))).toBe(true)
        expect(toJson(signal, batch)).toBe(toJson(signal, Batch.of(signal, [fromJson(signal, sent)], batch.items)))
      } else expect(received.equals(sent)).toBe(true)
    }
  } finally {
    other.close()
    await receiver.stop()
  }
})
