import type { ClientHttp2Session } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import { Client, credentials, type ServiceError } from '@grpc/grpc-js'
import { OTLP_SIGNALS } from '../../proto/services.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { type RunningReceiver, startReceiver } from './testing/receiver.js'
import { bigRequest, deepRequest, GOLDEN, spanRequest, wideRequest } from './testing/requests.js'
import { frame, type GrpcCall, grpcCall, openHttp2, openTcp, pathOf } from './testing/senders.js'

const MIB = 2 ** 20
let receiver: RunningReceiver
let session: ClientHttp2Session
const open = async (settings: Parameters<typeof startReceiver>[0] = {}) => {
  receiver = await startReceiver({ http: null, ...settings })
  session = openHttp2(receiver.grpcPort)
}
afterEach(async () => {
  session.destroy()
  await receiver.stop()
  expect(receiver.admission.admitted).toBe(0)
})

const good: GrpcCall = { data: frame(GOLDEN.traces) }
/** Another sender on the same connection. */
const expectGoodNeighbour = async () => {
  const before = receiver.out.batches.length
  expect(await grpcCall(session, good)).toMatchObject({ http: 200, code: 0 })
  expect(receiver.out.batches).toHaveLength(before + 1)
}

test.each(OTLP_SIGNALS)('%s arrive byte for byte and are answered with an empty response', async signal => {
  await open()
  const answer = await grpcCall(session, { path: pathOf(signal), data: frame(GOLDEN[signal]) })
  expect(answer).toMatchObject({ http: 200, code: 0, body: Buffer.from([0, 0, 0, 0, 0]) })
  expect(receiver.out.batches).toHaveLength(1)
  const [batch] = receiver.out.batches
  expect(batch).toMatchObject({ signal, items: 1, metadata: { transport: 'grpc' } })
  expect(Buffer.concat(batch!.slices)).toEqual(GOLDEN[signal])
})

test('a request in pieces of one byte arrives whole', async () => {
  await open()
  const data = [...frame(GOLDEN.traces)].map(byte => Uint8Array.of(byte))
  expect(await grpcCall(session, { data })).toMatchObject({ code: 0 })
  expect(Buffer.concat(receiver.out.batches[0]!.slices)).toEqual(GOLDEN.traces)
})

test('a request without items is a success and goes nowhere', async () => {
  await open()
  expect(await grpcCall(session, { data: frame(new Uint8Array(0)) })).toMatchObject({ code: 0 })
  expect(await grpcCall(session, { data: frame(Buffer.from('0a00', 'hex')) })).toMatchObject({ code: 0 })
  expect(receiver.out.batches).toHaveLength(0)
})

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const)('%s requests arrive as they were before', async (encoding, compress) => {
  await open()
  const message = bigRequest(3 * MIB)
  const data = frame(compress(message), { compressed: 1 })
  expect(await grpcCall(session, { headers: { 'grpc-encoding': encoding }, data })).toMatchObject({ code: 0 })
  expect(Buffer.concat(receiver.out.batches[0]!.slices).equals(message)).toBe(true)
})

test('a body in memory takes at most half as much again as its bytes, and its memory is used again when it was delivered', async () => {
  await open()
  const seen: Uint8Array[] = []
  receiver.out.answer = ({ slices }) => {
    for (const slice of slices) {
      expect(slice.buffer.byteLength).toBeLessThan(slice.length * 1.5 + 4096)
      seen.push(slice)
    }
    return undefined
  }
  const message = bigRequest(2 * MIB)
  await grpcCall(session, { data: frame(message) })
  await grpcCall(session, { headers: { 'grpc-encoding': 'gzip' }, data: frame(gzipSync(message), { compressed: 1 }) })
  await grpcCall(session, good)
  expect(seen).toHaveLength(3)
  // What is given back is written over in tests.
  for (const slice of seen.slice(0, 2)) expect(Buffer.from(slice).equals(message)).toBe(false)
})

test('32 requests of 1 MB at once over one connection do not stall', async () => {
  await open()
  const message = frame(bigRequest(1_000_000))
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: 32 }, () => grpcCall(session, { data: message })))
  expect(answers.every(({ code }) => code === 0)).toBe(true)
  expect(performance.now() - started).toBeLessThan(4_000)
})

const bomb = (bytes: number) => gzipSync(Buffer.alloc(bytes))
const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length - 6)
const compressed = (encoding: string, message: Uint8Array): GrpcCall => ({
  headers: { 'grpc-encoding': encoding },
  data: frame(message, { compressed: 1 }),
})
const BAD: [string, GrpcCall, { code: number; reason: string }][] = [
  ['random bytes', { data: frame(Buffer.from('ffffffffffffffffffffffff', 'hex')) }, { code: 3, reason: 'malformed' }],
  ['a cut message', { data: frame(cut(GOLDEN.traces)) }, { code: 3, reason: 'malformed' }],
  ['a wrong wire type', { data: frame(Buffer.from('0801', 'hex')) }, { code: 3, reason: 'malformed' }],
  ['a trace id of three bytes', { data: frame(spanRequest(span => span.bytes(1, new Uint8Array(3)))) }, { code: 3, reason: 'malformed' }],
  ['a frame that ends early', { data: frame(GOLDEN.traces, { length: 1_000 }) }, { code: 3, reason: 'malformed' }],
  ['a frame header that ends early', { data: Buffer.from([0, 0]) }, { code: 3, reason: 'malformed' }],
  ['no frame at all', {}, { code: 3, reason: 'malformed' }],
  ['two messages', { data: Buffer.concat([frame(GOLDEN.traces), frame(GOLDEN.traces)]) }, { code: 3, reason: 'malformed' }],
  ['an unknown compression flag', { data: frame(GOLDEN.traces, { compressed: 7 }) }, { code: 3, reason: 'malformed' }],
  ['garbage as gzip', compressed('gzip', Buffer.from('no gzip at all')), { code: 3, reason: 'malformed' }],
  ['garbage as deflate', compressed('deflate', Buffer.from('no zlib at all')), { code: 3, reason: 'malformed' }],
  ['an empty gzip', compressed('gzip', new Uint8Array(0)), { code: 3, reason: 'malformed' }],
  ['truncated gzip', compressed('gzip', cut(gzipSync(GOLDEN.traces))), { code: 3, reason: 'malformed' }],
  ['truncated deflate', compressed('deflate', cut(deflateSync(GOLDEN.traces))), { code: 3, reason: 'malformed' }],
  ['compressed without a grpc-encoding', { data: frame(gzipSync(GOLDEN.traces), { compressed: 1 }) }, { code: 3, reason: 'malformed' }],
  ['an unknown grpc-encoding', compressed('snappy', GOLDEN.traces), { code: 12, reason: 'unsupported_encoding' }],
  ['a grpc-encoding from the prototype', compressed('constructor', GOLDEN.traces), { code: 12, reason: 'unsupported_encoding' }],
  ['a gzip bomb', compressed('gzip', bomb(64 * MIB)), { code: 8, reason: 'too_large' }],
  ['a deflate bomb', compressed('deflate', deflateSync(Buffer.alloc(64 * MIB))), { code: 8, reason: 'too_large' }],
  ['a message above the limit', { data: frame(bigRequest(2 * MIB)) }, { code: 8, reason: 'too_large' }],
  ['a false length of 4 GiB', { data: frame(GOLDEN.traces, { length: 0xffffffff }), end: false }, { code: 8, reason: 'too_large' }],
  ['an unknown method', { path: '/a.b.C/Export', ...good }, { code: 12, reason: 'unknown_method' }],
]
test.each(BAD)('%s: refused for good with its reason, counted, and no neighbour harmed', async (_title, call, { code, reason }) => {
  await open({ grpc: { max_recv_msg_size_mib: 1 } })
  const neighbours = [grpcCall(session, good), grpcCall(session, good)]
  const answer = await grpcCall(session, call)
  expect(answer).toMatchObject({ http: 200, code })
  expect(answer.status).toMatchObject({ code })
  expect(answer.status?.retryDelay).toBeUndefined()
  expect(answer.message).not.toBe('')
  expect(receiver.refused(reason)).toBe(1)
  expect(await Promise.all(neighbours)).toMatchObject([{ code: 0 }, { code: 0 }])
  await expectGoodNeighbour()
})

const ODD: [string, Buffer][] = [
  ['100,000 attributes on one span', wideRequest(100_000)],
  ['attribute values nested 10,000 deep', deepRequest(10_000)],
  [
    'a NaN and an infinite value',
    spanRequest(span => {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
        span.message(9, pair => pair.string(1, 'v').message(2, any => any.double(4, value)))
    }),
  ],
  ['times of 0 and far in the future', spanRequest(span => span.fixed64(7, 0n).fixed64(8, 0xffffffffffffffffn))],
  ['invalid UTF-8', spanRequest(span => span.bytes(5, Uint8Array.of(0xff, 0xfe, 0xc0)))],
  [
    'keys such as __proto__',
    spanRequest(span => {
      for (const key of ['__proto__', 'constructor']) span.message(9, pair => pair.string(1, key).message(2, any => any.string(1, 'x')))
    }),
  ],
  ['fields nobody knows', spanRequest(span => span.uint(500, 1).string(501, 'later'))],
]
test.each(ODD)('%s: passed on byte for byte', async (_title, message) => {
  await open()
  expect(await grpcCall(session, { data: frame(message) })).toMatchObject({ code: 0 })
  expect(Buffer.concat(receiver.out.batches[0]!.slices).equals(message)).toBe(true)
  await expectGoodNeighbour()
})

test.each([
  ['GET', { headers: { ':method': 'GET' } }, 405],
  ['a foreign content type', { headers: { 'content-type': 'application/json' } }, 415],
  ['a content type that only begins like gRPC', { headers: { 'content-type': 'application/grpcx' } }, 415],
] as const)('%s on the gRPC port is answered by HTTP status', async (_title, call, http) => {
  await open()
  expect(await grpcCall(session, { ...good, ...call })).toMatchObject({ http })
  await expectGoodNeighbour()
})

test.each([
  [
    'a refusal to be repeated',
    new RetryableError('full: 100 % of ä', 'queue_full', 2_500),
    { code: 14, retryDelay: 2_500, message: 'full: 100 %25 of %C3%A4' },
  ],
  ['a refusal for good', new PermanentError('no', 'rejected'), { code: 13, retryDelay: undefined, message: 'no' }],
  ['bad data found later', new PermanentError('bad', 'bad_data'), { code: 3, retryDelay: undefined, message: 'bad' }],
  [
    'a bug behind the receiver',
    new TypeError('secret details'),
    { code: 14, retryDelay: 1_000, message: 'internal error; send again later' },
  ],
] as const)('%s reaches the sender with the right code', async (_title, error, { code, retryDelay, message }) => {
  await open()
  receiver.out.answer = () => error
  const answer = await grpcCall(session, good)
  expect(answer).toMatchObject({ code, message, status: { code } })
  expect(answer.status?.retryDelay).toBe(retryDelay)
})

test('without room the sender is told to come back, and is served when there is room again', async () => {
  await open({ budget: 2 * MIB })
  let deliver = (): void => {}
  receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
  const first = grpcCall(session, { data: frame(bigRequest(1.5 * MIB)) })
  while (receiver.out.batches.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  const refused = await grpcCall(session, { data: frame(bigRequest(MIB)) })
  expect(refused).toMatchObject({ code: 14, status: { code: 14 } })
  expect(refused.status?.retryDelay).toBeGreaterThanOrEqual(1_000)
  expect(receiver.refused('memory_pressure')).toBe(1)
  deliver()
  expect(await first).toMatchObject({ code: 0 })
  receiver.out.answer = () => undefined
  expect(await grpcCall(session, { data: frame(bigRequest(MIB)) })).toMatchObject({ code: 0 })
})

test('200 refusals of megabyte requests leave the connection usable', async () => {
  await open({ budget: 64 << 10 })
  const data = frame(bigRequest(MIB))
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => grpcCall(session, { data })))
    expect(answers.every(({ code }) => code === 14)).toBe(true)
  }
  await expectGoodNeighbour()
})

test('a message half sent is given up after read_timeout as retryable, and gives its memory back', async () => {
  await open({ grpc: { read_timeout: '150ms' } })
  const answer = await grpcCall(session, { data: frame(GOLDEN.traces, { length: MIB }), end: false })
  expect(answer).toMatchObject({ code: 14 })
  expect(receiver.refused('body_timeout')).toBe(1)
  await expectGoodNeighbour()
})

test('a sender that goes away in the middle is counted and harms nobody', async () => {
  await open()
  const other = openHttp2(receiver.grpcPort)
  const call = grpcCall(other, { data: frame(GOLDEN.traces, { length: MIB }), end: false }).catch(error => error)
  while (receiver.admission.admitted === 0) await new Promise(resolve => setTimeout(resolve, 5))
  other.destroy()
  await call
  while (receiver.refused('cancelled') === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await expectGoodNeighbour()
})

describe('@grpc/grpc-js as sender', () => {
  const send = (client: Client, body: Buffer): Promise<unknown> =>
    new Promise(resolve => {
      const same = (bytes: Buffer) => bytes
      client.makeUnaryRequest(pathOf('traces'), same, same, body, (error: ServiceError | null, value?: Buffer) => resolve(error ?? value))
    })

  test('success, refusals with their details, and an early refusal of a large upload', async () => {
    await open({ grpc: { max_recv_msg_size_mib: 4 } })
    const client = new Client(`127.0.0.1:${receiver.grpcPort}`, credentials.createInsecure(), { 'grpc.default_compression_algorithm': 2 })
    expect(await send(client, GOLDEN.traces)).toEqual(Buffer.alloc(0))
    expect(await send(client, bigRequest(20 * MIB))).toMatchObject({ code: 8 })
    receiver.out.answer = () => new RetryableError('wait', 'queue_full', 3_000)
    const refusal = (await send(client, GOLDEN.traces)) as ServiceError
    expect(refusal).toMatchObject({ code: 14, details: 'wait' })
    expect(refusal.metadata.get('grpc-status-details-bin')).toHaveLength(1)
    receiver.out.answer = () => undefined
    expect(await send(client, bigRequest(3 * MIB))).toEqual(Buffer.alloc(0))
    client.close()
  })
})

describe('stop', () => {
  test('what is in flight is answered, what is new is refused as retryable, and it can start again', async () => {
    await open()
    let deliver = (): void => {}
    receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
    const inFlight = grpcCall(session, good)
    const halfSent = grpcCall(session, { data: frame(GOLDEN.traces, { length: 500 }), end: false })
    while (receiver.out.batches.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    const stopped = receiver.stop()
    expect(await halfSent).toMatchObject({ code: 14, status: { code: 14 } })
    expect(receiver.refused('shutting_down')).toBe(1)
    deliver()
    expect(await inFlight).toMatchObject({ code: 0 })
    await stopped
    receiver.out.answer = () => undefined
    await receiver.instance.start?.()
    session = openHttp2(Number(receiver.log.lines.findLast(line => line.message === 'listening')?.fields.port))
    await expectGoodNeighbour()
  })

  test('the deadline cuts what never settles', async () => {
    await open()
    let deliver = (): void => {}
    receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
    const call = grpcCall(session, good).catch(error => error)
    while (receiver.out.batches.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    const started = performance.now()
    await receiver.instance.stop?.(AbortSignal.timeout(200))
    expect(performance.now() - started).toBeLessThan(1_500)
    expect(await call).toBeInstanceOf(Error)
    deliver()
    await new Promise(resolve => setTimeout(resolve, 20))
  })
})

describe('abuse', () => {
  test('a flood of rapid resets closes the connection; others are served', async () => {
    await open()
    const bad = openHttp2(receiver.grpcPort)
    const closed = new Promise<void>(resolve => bad.on('close', () => resolve()))
    const abuse = async () => {
      for (let i = 0; i < 20_000 && !bad.destroyed; i++) {
        const stream = bad.request({ ':method': 'POST', ':path': pathOf('traces'), 'content-type': 'application/grpc' })
        stream.on('error', () => {})
        stream.close(8)
        if (i % 100 === 0) await new Promise(resolve => setImmediate(resolve))
      }
    }
    await abuse()
    await closed
    await expectGoodNeighbour()
  })

  test('a flood of pings closes the connection; others are served', async () => {
    await open()
    const bad = openHttp2(receiver.grpcPort)
    const closed = new Promise<number | undefined>(resolve => bad.on('goaway', code => resolve(code)))
    bad.on('connect', () => {
      for (let i = 0; i < 5; i++) bad.ping(() => {})
    })
    expect(await closed).toBe(11)
    bad.destroy()
    await expectGoodNeighbour()
  })

  test('too many headers are refused; others are served', async () => {
    await open()
    const headers = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, 'y']))
    await expect(grpcCall(session, { ...good, headers })).rejects.toThrow('NGHTTP2_ENHANCE_YOUR_CALM')
    await expectGoodNeighbour()
  })

  test('a peer that does not speak HTTP/2 is closed', async () => {
    await open()
    const peer = openTcp(receiver.grpcPort)
    peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await peer.closed(3_000)
    await expectGoodNeighbour()
  })

  test('connections above max_connections are closed at once', async () => {
    await open({ grpc: { max_connections: 1 } })
    await expectGoodNeighbour()
    await openTcp(receiver.grpcPort).closed(3_000)
    await expectGoodNeighbour()
  })
})

describe('keepalive', () => {
  const withServer = (server_parameters: Record<string, string>) => open({ grpc: { keepalive: { server_parameters } } })

  test('an idle connection is asked to close', async () => {
    await withServer({ max_connection_idle: '100ms' })
    const goaway = new Promise<number>(resolve => session.on('goaway', resolve))
    await expectGoodNeighbour()
    expect(await goaway).toBe(0)
  })

  test('an old connection is asked to close while its call goes on to its end', async () => {
    await withServer({ max_connection_age: '100ms', max_connection_age_grace: '5s' })
    let deliver = (): void => {}
    receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
    const goaway = new Promise<number>(resolve => session.on('goaway', resolve))
    const call = grpcCall(session, good)
    expect(await goaway).toBe(0)
    deliver()
    expect(await call).toMatchObject({ code: 0 })
  })

  test('a peer that has vanished is found by its silence', async () => {
    await withServer({ time: '50ms', timeout: '100ms' })
    const peer = openTcp(receiver.grpcPort)
    // A client preface and empty SETTINGS, then never an answer to anything.
    peer.socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('000000040000000000', 'hex')]))
    await peer.closed(3_000)
  })

  test('a living silent peer is kept', async () => {
    await withServer({ time: '30ms', timeout: '60ms' })
    await expectGoodNeighbour()
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(session.destroyed).toBe(false)
    await expectGoodNeighbour()
  })
})
