/** HTTP and gRPC clients over TLS, against real servers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TLSSocket } from 'node:tls'
import { SystemClock } from '../clock.js'
import { makeAuthority } from '../testing/certificates.js'
import { harness } from '../testing/harness.js'
import { GrpcChannel } from './grpc-channel.js'
import { HttpClient } from './http-client.js'
import { clientTlsOptions } from './tls.js'

const authority = makeAuthority()
const server = authority.issue()
const clients = makeAuthority('authority of the clients')
const closers: (() => unknown)[] = []
let directory: string
const file = async (name: string, text: string): Promise<string> => {
  const at = path.join(directory, name)
  await writeFile(at, text)
  return at
}

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'client-tls-'))
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await rm(directory, { recursive: true, force: true })
})

const listening = async (instance: Server): Promise<number> => {
  instance.on('tlsClientError', () => {})
  await new Promise<void>(resolve => instance.listen(0, '127.0.0.1', resolve))
  closers.push(() => instance.close())
  return (instance.address() as AddressInfo).port
}

type Tls = Parameters<typeof clientTlsOptions.parse>[0] & object
const context = () => ({ ...harness('x').context, clock: new SystemClock() })
const signal = AbortSignal.timeout(10_000)

/** Posts once over HTTPS; resolves with the name in the client certificate that the server saw. */
const overHttps = async (tls: Tls, serverOptions: https.ServerOptions = {}): Promise<{ port: number; ask: () => Promise<string> }> => {
  const instance = https.createServer({ ...server, ...serverOptions }, (request, response) => {
    request.resume()
    request.on('end', () => response.end((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN ?? 'nobody'))
  })
  const port = await listening(instance)
  closers.push(() => instance.closeAllConnections())
  const http = new HttpClient({ tls: clientTlsOptions.parse(tls), connections: 4, idleTimeout: 1_000 }, context())
  await http.start()
  closers.push(() => http.stop())
  const url = new URL(`https://localhost:${port}/v1/traces`)
  return { port, ask: async () => (await http.post(url, { 'content-length': 3 }, [Buffer.from('abc')], signal)).body.toString() }
}

/** As `overHttps`, by gRPC: the name comes back as grpc-message. */
const overGrpc = async (tls: Tls, serverOptions: http2.SecureServerOptions = {}): Promise<{ port: number; ask: () => Promise<string> }> => {
  const instance = http2.createSecureServer({ ...server, ...serverOptions })
  instance.on('session', session => {
    session.on('error', () => {})
    closers.push(() => session.destroy())
  })
  instance.on('stream', stream => {
    const socket = stream.session?.socket as TLSSocket | undefined
    const name = socket?.getPeerCertificate()?.subject?.CN ?? 'nobody'
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '3', 'grpc-message': name }, { endStream: true })
  })
  const port = await listening(instance)
  const options = clientTlsOptions.parse(tls)
  const target = { host: 'localhost', port, authority: `localhost:${port}`, secure: true }
  const channel = new GrpcChannel({ target, tls: options, keepalive: { time: 0, timeout: 0, permit_without_stream: false } }, context())
  await channel.start()
  closers.push(() => channel.stop())
  const request = { path: '/a.B/C', metadata: {}, slices: [Buffer.from('abc')], compressed: false }
  return { port, ask: async () => (await channel.unary(request, signal)).message }
}

describe.each([
  ['HTTPS', overHttps],
  ['gRPC', overGrpc],
] as const)('%s', (_name, over) => {
  test('a server whose authority is trusted is spoken to; the name it answers for is checked', async () => {
    const ca = await file('ca.pem', authority.cert)
    expect(await (await over({ ca_file: ca })).ask()).toBe('nobody')
    await expect((await over({ ca_file: ca, server_name_override: 'elsewhere.example' })).ask()).rejects.toThrow(/elsewhere\.example/)
  })

  test('a server nobody vouches for is not spoken to, and the reason is told; insecure_skip_verify speaks to it', async () => {
    await expect((await over({})).ask()).rejects.toThrow(/unable to verify/)
    expect(await (await over({ insecure_skip_verify: true })).ask()).toBe('nobody')
  })

  test('the gateway shows its own certificate where it has one', async () => {
    const client = clients.issue()
    const cert = await file('cert.pem', client.cert)
    const key = await file('key.pem', client.key)
    const { ask } = await over({ ca_pem: authority.cert, cert_file: cert, key_file: key }, { requestCert: true, ca: clients.cert })
    expect(await ask()).toBe('localhost')
  })
})

test('files that cannot be read fail the start with their name', async () => {
  const http = new HttpClient({ tls: clientTlsOptions.parse({ ca_file: '/missing/ca.pem' }), connections: 1, idleTimeout: 0 }, context())
  await expect(http.start()).rejects.toThrow('/missing/ca.pem')
})
