import { deflateSync, gzipSync } from 'node:zlib'
import { Batch } from '../../proto/batch.js'
import { toJson } from '../../proto/json/index.js'
import { decodeStatus, decodeStatusJson } from '../../proto/rpc-status.js'
import { HTTP_PATHS, OTLP_SIGNALS } from '../../proto/services.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import { type RunningReceiver, startReceiver } from './testing/receiver.js'
import { bigRequest, deepRequest, GOLDEN, spanRequest, wideRequest } from './testing/requests.js'
import { type HttpCall, httpCall, openTcp } from './testing/senders.js'

const MIB = 2 ** 20
let receiver: RunningReceiver
const open = async (settings: Parameters<typeof startReceiver>[0] = {}) => {
  receiver = await startReceiver({ grpc: null, ...settings })
}
const send = (call: HttpCall) => httpCall(receiver.httpPort, call)
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5))
}
afterEach(async () => {
  await receiver.stop()
  expect(receiver.admission.admitted).toBe(0)
})

const good: HttpCall = { data: GOLDEN.traces }
const expectGoodNeighbour = async () => {
  const before = receiver.out.batches.length
  expect(await send(good)).toMatchObject({ status: 200 })
  expect(receiver.out.batches).toHaveLength(before + 1)
}
const json = { 'content-type': 'application/json; charset=utf-8' }
const jsonOf = (signal: 'traces' | 'metrics' | 'logs') => toJson(signal, Batch.of(signal, [GOLDEN[signal]], 1))

describe.each(OTLP_SIGNALS)('%s', signal => {
  test('as protobuf arrive byte for byte and are answered in protobuf', async () => {
    await open()
    const answer = await send({ path: HTTP_PATHS[signal], data: GOLDEN[signal] })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/x-protobuf', 'content-length': '0' } })
    expect(receiver.out.batches[0]).toMatchObject({ signal, items: 1, metadata: { transport: 'http' } })
    expect(Buffer.concat(receiver.out.batches[0]!.slices)).toEqual(GOLDEN[signal])
  })

  test('as JSON arrive as the same protobuf and are answered in JSON', async () => {
    await open()
    const answer = await send({ path: HTTP_PATHS[signal], headers: json, data: jsonOf(signal) })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/json' } })
    expect(answer.body.toString()).toBe('{}')
    const [batch] = receiver.out.batches
    expect(batch?.items).toBe(1)
    expect(toJson(signal, batch!)).toBe(jsonOf(signal))
  })
})

test('an empty request is a success and goes nowhere', async () => {
  await open()
  expect(await send({})).toMatchObject({ status: 200 })
  expect(await send({ headers: json })).toMatchObject({ status: 200 })
  expect(await send({ headers: json, data: '{}' })).toMatchObject({ status: 200 })
  expect(receiver.out.batches).toHaveLength(0)
})

test.each([
  ['gzip', gzipSync],
  ['x-gzip', gzipSync],
  ['deflate', deflateSync],
  ['zlib', deflateSync],
] as const)('content-encoding %s arrives as it was before', async (encoding, compress) => {
  await open()
  const message = bigRequest(3 * MIB)
  expect(await send({ headers: { 'content-encoding': encoding }, data: compress(message) })).toMatchObject({ status: 200 })
  expect(Buffer.concat(receiver.out.batches[0]!.slices).equals(message)).toBe(true)
})

const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length - 6)
const coded = (encoding: string, data: Buffer): HttpCall => ({ headers: { 'content-encoding': encoding }, data })
const deepJson = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":${'{"arrayValue":{"values":['.repeat(10_000)}{}${']}}'.repeat(10_000)}}]}]}]}]}`
const BAD: [string, HttpCall, { status: number; reason: string }][] = [
  ['malformed protobuf', { data: Buffer.from('ffffffffffff', 'hex') }, { status: 400, reason: 'malformed' }],
  ['cut protobuf', { data: cut(GOLDEN.traces) }, { status: 400, reason: 'malformed' }],
  ['malformed JSON', { headers: json, data: '{"resourceSpans":[' }, { status: 400, reason: 'malformed' }],
  ['JSON of another shape', { headers: json, data: '{"resourceSpans":3}' }, { status: 400, reason: 'malformed' }],
  ['JSON that is not UTF-8', { headers: json, data: Buffer.from([0x7b, 0xff, 0x7d]) }, { status: 400, reason: 'malformed' }],
  ['JSON nested 10,000 deep', { headers: json, data: deepJson }, { status: 400, reason: 'malformed' }],
  ['JSON nested 200,000 deep', { headers: json, data: '['.repeat(200_000) }, { status: 400, reason: 'malformed' }],
  ['garbage as gzip', coded('gzip', Buffer.from('no gzip')), { status: 400, reason: 'malformed' }],
  ['truncated gzip', coded('gzip', cut(gzipSync(GOLDEN.traces))), { status: 400, reason: 'malformed' }],
  ['garbage as deflate', coded('deflate', Buffer.from('no zlib')), { status: 400, reason: 'malformed' }],
  ['a gzip bomb', coded('gzip', gzipSync(Buffer.alloc(64 * MIB))), { status: 413, reason: 'too_large' }],
  ['a deflate bomb', coded('deflate', deflateSync(Buffer.alloc(64 * MIB))), { status: 413, reason: 'too_large' }],
  [
    'a JSON bomb',
    { headers: { ...json, 'content-encoding': 'gzip' }, data: gzipSync(Buffer.alloc(64 * MIB, ' ')) },
    { status: 413, reason: 'too_large' },
  ],
  ['a body above the limit', { data: bigRequest(2 * MIB) }, { status: 413, reason: 'too_large' }],
  ['endless chunks', { headers: { 'transfer-encoding': 'chunked' }, data: bigRequest(1.5 * MIB) }, { status: 413, reason: 'too_large' }],
  ['an unknown content-encoding', coded('br', GOLDEN.traces), { status: 415, reason: 'unsupported_encoding' }],
  ['a chain of encodings', coded('gzip, gzip', GOLDEN.traces), { status: 415, reason: 'unsupported_encoding' }],
]
test.each(BAD)(
  '%s: refused for good in the request’s encoding, counted, and no neighbour harmed',
  async (_title, call, { status, reason }) => {
    await open({ http: { max_request_body_size: '1MiB' } })
    const neighbour = send(good)
    const answer = await send(call)
    expect(answer.status).toBe(status)
    expect(answer.headers['retry-after']).toBeUndefined()
    const mediaType = call.headers?.['content-type'] === undefined ? 'application/x-protobuf' : 'application/json'
    expect(answer.headers['content-type']).toBe(mediaType)
    const told = mediaType === 'application/json' ? decodeStatusJson(answer.body.toString()) : decodeStatus(answer.body)
    expect(told?.message).not.toBe('')
    expect(receiver.refused(reason)).toBe(1)
    expect(await neighbour).toMatchObject({ status: 200 })
    await expectGoodNeighbour()
  },
)

const MISDIRECTED: [string, HttpCall, number, string][] = [
  ['an unknown path', { path: '/v1/trace' }, 404, 'unknown_path'],
  ['a path from the prototype', { path: '/constructor' }, 404, 'unknown_path'],
  ['GET', { method: 'GET' }, 405, 'bad_method'],
  ['an unknown content type', { headers: { 'content-type': 'text/plain' }, data: 'x' }, 415, 'unsupported_media_type'],
]
test.each(MISDIRECTED)('%s is answered in plain text and counted', async (_title, call, status, reason) => {
  await open()
  expect(await send(call)).toMatchObject({ status, headers: { 'content-type': 'text/plain' } })
  expect(receiver.refused(reason)).toBe(1)
  await expectGoodNeighbour()
})

const ODD: [string, Buffer][] = [
  ['100,000 attributes on one span', wideRequest(100_000)],
  ['attribute values nested 10,000 deep', deepRequest(10_000)],
  ['times of 0 and far in the future', spanRequest(span => span.fixed64(7, 0n).fixed64(8, 0xffffffffffffffffn))],
  ['invalid UTF-8', spanRequest(span => span.bytes(5, Uint8Array.of(0xff, 0xfe, 0xc0)))],
  ['__proto__ as a key', spanRequest(span => span.message(9, pair => pair.string(1, '__proto__').message(2, any => any.string(1, 'x'))))],
]
test.each(ODD)('%s: passed on byte for byte', async (_title, data) => {
  await open()
  expect(await send({ data })).toMatchObject({ status: 200 })
  expect(Buffer.concat(receiver.out.batches[0]!.slices).equals(data)).toBe(true)
})

test('JSON with NaN, infinity, extreme times and __proto__ keys arrives with the same values', async () => {
  await open()
  const text =
    '{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"0","endTimeUnixNano":"18446744073709551615","attributes":[' +
    '{"key":"__proto__","value":{"doubleValue":"NaN"}},{"key":"constructor","value":{"doubleValue":"-Infinity"}}]}]}]}],"__proto__":{"a":1}}'
  expect(await send({ headers: json, data: text })).toMatchObject({ status: 200 })
  const back = toJson('traces', receiver.out.batches[0]!)
  for (const part of ['"18446744073709551615"', '"__proto__"', '"NaN"', '"-Infinity"']) expect(back).toContain(part)
  expect(({} as { a?: number }).a).toBeUndefined()
})

test.each([
  ['a refusal to be repeated', new RetryableError('full', 'queue_full', 2_500), 503, '3'],
  ['a bug behind the receiver', new TypeError('secret details'), 503, '1'],
  ['a refusal for good', new PermanentError('no', 'rejected'), 500, undefined],
  ['bad data found later', new PermanentError('bad', 'bad_data'), 400, undefined],
] as const)('%s reaches the sender with the right status and delay', async (_title, error, status, delay) => {
  await open()
  receiver.out.answer = () => error
  const answer = await send(good)
  expect(answer.status).toBe(status)
  expect(answer.headers['retry-after']).toBe(delay)
  expect(answer.body.toString()).not.toContain('secret')
})

test('without room the sender is told to come back, on a connection that stays usable', async () => {
  await open({ budget: 64 << 10 })
  const peer = openTcp(receiver.httpPort)
  const large = bigRequest(MIB)
  const head = (length: number) =>
    `POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: ${length}\r\n\r\n`
  peer.socket.write(head(large.length))
  peer.socket.write(large)
  await until(() => peer.text().includes('503'))
  peer.socket.write(head(GOLDEN.traces.length))
  peer.socket.write(GOLDEN.traces)
  await until(() => peer.text().includes('200 OK'))
  expect(peer.text()).toMatch(/retry-after: [12]/i)
  expect(receiver.refused('memory_pressure')).toBe(1)
  peer.socket.destroy()
})

test('the connection of a refused sender that will not come back is closed only when it has sent all: a reset would cost it the answer', async () => {
  await open()
  const { socket, text, closed } = openTcp(receiver.httpPort)
  const errors: Error[] = []
  socket.on('error', error => errors.push(error))
  socket.write('POST /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100000\r\n\r\n')
  await until(() => text().includes('404 page not found'))
  for (let sent = 0; sent < 10; sent++) {
    await new Promise(resolve => setTimeout(resolve, 5))
    expect(socket.closed).toBe(false)
    socket.write(Buffer.alloc(10_000))
  }
  await closed(1_000)
  expect(errors).toEqual([])
})

test('a sender that asks first (Expect: 100-continue) is refused before it sends', async () => {
  await open({ http: { max_request_body_size: '1KiB' } })
  const peer = openTcp(receiver.httpPort)
  const head = 'POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\nexpect: 100-continue\r\n'
  peer.socket.write(`${head}content-length: 5000\r\n\r\n`)
  await until(() => peer.text().includes('413'))
  expect(peer.text()).not.toContain('100 Continue')
  peer.socket.destroy()
  const other = openTcp(receiver.httpPort)
  other.socket.write(`${head}content-length: ${GOLDEN.traces.length}\r\n\r\n`)
  await until(() => other.text().includes('100 Continue'))
  other.socket.write(GOLDEN.traces)
  await until(() => other.text().includes('200 OK'))
  other.socket.destroy()
})

describe('slow and broken senders', () => {
  test('headers that do not come are given up', async () => {
    await open({ http: { read_header_timeout: '200ms' } })
    const peer = openTcp(receiver.httpPort)
    peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\n')
    await peer.closed(5_000)
    expect(peer.text()).toContain('408')
    expect(receiver.refused('header_timeout')).toBe(1)
    await expectGoodNeighbour()
  })

  test('a body that does not come is given up as retryable, and then its connection', async () => {
    await open({ http: { read_timeout: '150ms' } })
    const peer = openTcp(receiver.httpPort)
    peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 500\r\n\r\nabc')
    await peer.closed(5_000)
    expect(peer.text()).toContain('503')
    expect(receiver.refused('body_timeout')).toBe(1)
    await expectGoodNeighbour()
  })

  test('a sender that goes away in the middle is counted', async () => {
    await open()
    const peer = openTcp(receiver.httpPort)
    peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 500\r\n\r\nabc')
    await until(() => receiver.admission.admitted > 0)
    peer.socket.destroy()
    await until(() => receiver.refused('cancelled') === 1)
    await expectGoodNeighbour()
  })

  test('endless chunks after the refusal are cut', async () => {
    await open({ http: { max_request_body_size: '64KiB' } })
    const peer = openTcp(receiver.httpPort)
    peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ntransfer-encoding: chunked\r\n\r\n')
    const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
    const pump = setInterval(() => peer.socket.writable && peer.socket.write(chunk.repeat(4)), 1)
    await peer.closed(5_000).finally(() => clearInterval(pump))
    expect(receiver.refused('too_large')).toBe(1)
    await expectGoodNeighbour()
  })

  test.each([
    ['no HTTP', 'hello there\r\n\r\n', '400'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400'],
    ['huge headers', `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, '431'],
  ])('%s is answered and closed', async (_title, text, status) => {
    await open()
    const peer = openTcp(receiver.httpPort)
    peer.socket.write(text)
    await peer.closed(5_000)
    expect(peer.text()).toContain(`HTTP/1.1 ${status}`)
    expect(receiver.refused('bad_http')).toBe(1)
    await expectGoodNeighbour()
  })

  test('an idle connection is closed', async () => {
    await open({ http: { idle_timeout: '100ms' } })
    const peer = openTcp(receiver.httpPort)
    peer.socket.write('GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n')
    await peer.closed(5_000)
    await expectGoodNeighbour()
  })
})

describe('stop', () => {
  test('what is in flight is answered, new work on open connections is refused as retryable, and it can start again', async () => {
    await open()
    let deliver = (): void => {}
    receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
    const idle = openTcp(receiver.httpPort)
    idle.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 500\r\n')
    const inFlight = send(good)
    await until(() => receiver.out.batches.length > 0)
    const stopped = receiver.stop()
    idle.socket.write('\r\n')
    await until(() => idle.text().includes('503'))
    expect(receiver.refused('shutting_down')).toBe(1)
    deliver()
    expect(await inFlight).toMatchObject({ status: 200 })
    await stopped
    receiver.out.answer = () => undefined
    await receiver.instance.start?.()
    const port = Number(receiver.log.lines.findLast(line => line.message === 'listening')?.fields.port)
    expect(await httpCall(port, good)).toMatchObject({ status: 200 })
  })

  test('the deadline cuts what never settles', async () => {
    await open()
    let deliver = (): void => {}
    receiver.out.answer = () => new Promise(resolve => (deliver = () => resolve(undefined)))
    const call = send(good).catch(error => error)
    await until(() => receiver.out.batches.length > 0)
    const started = performance.now()
    await receiver.instance.stop?.(AbortSignal.timeout(200))
    expect(performance.now() - started).toBeLessThan(1_500)
    expect(await call).toMatchObject({ code: 'ECONNRESET' })
    deliver()
    await new Promise(resolve => setTimeout(resolve, 20))
  })
})
