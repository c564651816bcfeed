import { request } from 'node:https'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { makeAuthority } from '../../runtime/testing/certificates.js'
import { startReceiver } from './testing/receiver.js'
import { GOLDEN } from './testing/requests.js'
import { pathOf } from './testing/senders.js'

test('both transports serve over TLS, and stop leaves nothing open', async () => {
  const authority = makeAuthority()
  const { cert, key } = authority.issue()
  const tls = { cert_pem: cert, key_pem: key }
  const receiver = await startReceiver({ grpc: { tls }, http: { tls } })
  const ca = Buffer.from(authority.cert)

  const client = new Client(`localhost:${receiver.grpcPort}`, credentials.createSsl(ca))
  const same = (bytes: Buffer) => bytes
  await new Promise<void>((resolve, reject) => {
    const done = (error: ServiceError | null) => (error ? reject(error) : resolve())
    client.makeUnaryRequest(pathOf('traces'), same, same, GOLDEN.traces, done)
  })
  client.close()

  const status = await new Promise<number | undefined>((resolve, reject) => {
    const outgoing = request(
      {
        host: 'localhost',
        port: receiver.httpPort,
        path: '/v1/traces',
        method: 'POST',
        ca,
        agent: false,
        headers: { 'content-type': 'application/x-protobuf' },
      },
      response => response.resume().on('end', () => resolve(response.statusCode)),
    )
    outgoing.on('error', reject)
    outgoing.end(GOLDEN.traces)
  })
  expect(status).toBe(200)
  expect(receiver.out.batches.map(({ metadata }) => metadata.transport)).toEqual(['grpc', 'http'])
  await receiver.stop()
})

test('a port in use is said plainly, and nothing stays open', async () => {
  const first = await startReceiver()
  await expect(startReceiver({ http: { endpoint: `127.0.0.1:${first.httpPort}` } })).rejects.toThrow(
    /cannot listen on 127\.0\.0\.1:\d+: the port is in use/,
  )
  await first.stop()
})
