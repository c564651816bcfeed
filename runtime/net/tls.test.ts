import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { type Authority, makeAuthority, type Pair } from '../testing/certificates.js'
import { harness } from '../testing/harness.js'
import { clientConnection, clientTlsOptions, serverTlsOptions, TlsFiles } from './tls.js'

let directory: string
let authority: Authority
let server: Server | undefined
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-tls-'))
  authority = makeAuthority()
  await writeFile(join(directory, 'ca.crt'), authority.cert)
})
afterEach(() => server?.close())
afterAll(() => rm(directory, { recursive: true }))

const files = { cert_file: 'tls.crt', key_file: 'tls.key', ca_file: 'ca.crt', client_ca_file: 'ca.crt' } as const
const at = (key: keyof typeof files) => join(directory, files[key])
const writePair = async ({ cert, key }: Pair) => {
  await writeFile(at('cert_file'), cert)
  await writeFile(at('key_file'), key)
}
const serve = async (written: Record<string, unknown> = {}) => {
  const machine = harness('otlp')
  const tls = await TlsFiles.ofServer(
    serverTlsOptions.parse({ cert_file: at('cert_file'), key_file: at('key_file'), ...written }),
    machine.context,
  )
  const listening = createServer(tls.server, socket => {
    socket.on('error', () => {})
    socket.end('hello')
  })
  listening.on('tlsClientError', () => {})
  tls.onChange(material => listening.setSecureContext(material))
  await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
  server = listening
  return { ...machine, tls, port: (listening.address() as AddressInfo).port }
}
/** Connects, and gives the serial number of the server's certificate once the server has greeted. */
const meet = (port: number, options: ConnectionOptions): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket: TLSSocket = connect({ port, host: '127.0.0.1', ...options })
    socket.on('error', reject)
    socket.on('data', () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.on('close', () => reject(new Error('closed without a greeting')))
  })
const client = async (written: Record<string, unknown>) => {
  const options = clientTlsOptions.parse(written)
  const tls = await TlsFiles.ofClient(options, harness('otlp_http').context)
  tls.close()
  return clientConnection(options, tls)
}

test('a client that trusts the authority is served, one that does not refuses', async () => {
  await writePair(authority.issue())
  const { port, tls } = await serve()
  await meet(port, await client({ ca_file: at('ca_file') }))
  await meet(port, await client({ insecure_skip_verify: true }))
  await expect(meet(port, await client({}))).rejects.toThrow(/unable to verify/)
  await expect(meet(port, await client({ ca_file: at('ca_file'), server_name_override: 'other.example' }))).rejects.toThrow(/altnames/)
  tls.close()
})

test('with client_ca_file only clients with a certificate of that authority are served', async () => {
  await writePair(authority.issue())
  const { port, tls } = await serve({ client_ca_file: at('client_ca_file') })
  const own = authority.issue()
  const stranger = makeAuthority('stranger').issue()
  await meet(port, await client({ ca_file: at('ca_file'), cert_pem: own.cert, key_pem: own.key }))
  await expect(meet(port, await client({ ca_file: at('ca_file') }))).rejects.toThrow()
  await expect(meet(port, await client({ ca_file: at('ca_file'), cert_pem: stranger.cert, key_pem: stranger.key }))).rejects.toThrow()
  tls.close()
})

test('a replaced pair serves new connections; a bad one leaves the old in use with an alarm, until it is mended', async () => {
  await writePair(authority.issue(10))
  const { port, tls, log, meter } = await serve()
  const trust = await client({ ca_file: at('ca_file') })
  const first = await meet(port, trust)
  expect(meter.sum('ai_factory_gateway_tls_certificate_days_to_expiry', { component: 'otlp' })).not.toBe(0)

  await writePair(authority.issue())
  await tls.reload()
  const second = await meet(port, trust)
  expect(second).not.toBe(first)
  expect(meter.sum('ai_factory_gateway_tls_reloads_total', { outcome: 'ok' })).toBe(1)

  await writeFile(at('key_file'), authority.issue().key)
  await tls.reload()
  await tls.reload()
  expect(await meet(port, trust)).toBe(second)
  expect(meter.sum('ai_factory_gateway_tls_reloads_total', { outcome: 'failed' })).toBe(2)
  expect(log.at('error')).toHaveLength(1)

  await writePair(authority.issue())
  await tls.reload()
  expect(await meet(port, trust)).not.toBe(second)
  tls.close()
})

test('the files are looked at every reload_interval until closed', async () => {
  await writePair(authority.issue())
  const { clock, meter, tls } = await serve({ reload_interval: '30s' })
  await writePair(authority.issue())
  await clock.advance(30_000)
  for (let i = 0; i < 400 && meter.sum('ai_factory_gateway_tls_reloads_total') === 0; i++)
    await new Promise(resolve => setTimeout(resolve, 5))
  expect(meter.sum('ai_factory_gateway_tls_reloads_total', { outcome: 'ok' })).toBe(1)
  tls.close()
  expect(clock.pending).toBe(0)
})

test('at start a missing file and a pair that does not match are refused by name', async () => {
  await writePair(authority.issue())
  await expect(serve({ cert_file: join(directory, 'nowhere.crt') })).rejects.toThrow(/cannot read the TLS file .*nowhere\.crt/)
  await expect(serve({ cert_file: undefined, cert_pem: authority.issue().cert })).rejects.toThrow(/belong together/)
})

test.each([
  [{}, 'needs a certificate and its key'],
  [{ cert_file: 'x' }, 'needs a certificate and its key'],
  [{ cert_file: 'x', key_file: 'y', cert: 'z' }, 'cert'],
])('server options %j are refused', (written, message) => {
  expect(serverTlsOptions.safeParse(written).error?.message).toContain(message)
})
