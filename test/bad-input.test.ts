/**
 * Bad input against the running program: each is refused or passed on as it is, with a clear reason and the right code, is counted on the
 * metrics page, and harms no neighbour. One gateway and one backend serve all tests of this file, so that what one breaks shows in the next.
 */
import type { ClientHttp2Session } from 'node:http2'
import { deflateSync, gzipSync } from 'node:zlib'
import { fromJson } from '../proto/json/index.js'
import { decodeStatus, decodeStatusJson } from '../proto/rpc-status.js'
import { Writer } from '../proto/wire.js'
import { deepRequest, GOLDEN, spanRequest, wideRequest } from '../receivers/otlp/testing/requests.js'
import { frame, type GrpcCall, grpcCall, type HttpCall, httpCall, openHttp2, openTcp } from '../receivers/otlp/testing/senders.js'
import { RecordingBackend } from './support/backend.js'
import { TestGateway } from './support/gateway.js'
import { until } from './support/until.js'

const MIB = 2 ** 20
const REFUSED = 'ai_factory_gateway_receiver_refused_requests_total'
const CONFIG = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 8, read_timeout: 2s}
      http: {endpoint: 127.0.0.1:0, max_request_body_size: 8MiB, read_timeout: 2s, read_header_timeout: 2s}
  otlp/merged:
    protocols: {http: {endpoint: 127.0.0.1:0}}
processors:
  memory_limiter: {limit_mib: 1000}
  workload_id:
  attributes: {actions: [{key: flagged, value: false, action: update}]}
exporters:
  otlp_http: {endpoint: "$BACKEND", compression: none}
  otlp_http/merged: {endpoint: "$BACKEND", sending_queue: {batch: {flush_timeout: 300ms}}}
service:
  pipelines:
    factory: {receivers: [otlp], processors: [memory_limiter, workload_id, attributes], exporters: [otlp_http]}
    traces/merged: {receivers: [otlp/merged], exporters: [otlp_http/merged]}
`

let backend: RecordingBackend
let gateway: TestGateway
let session: ClientHttp2Session
let http: number
beforeAll(async () => {
  backend = await RecordingBackend.open()
  gateway = await TestGateway.start({ config: CONFIG.replaceAll('$BACKEND', backend.httpUrl) })
  session = openHttp2(gateway.port('grpc'))
  http = gateway.port('http')
}, 40_000)
afterAll(async () => {
  session.destroy()
  expect(await gateway.stop()).toBe(0)
  await backend.close()
}, 40_000)
afterEach(async () => {
  expect(gateway.running).toBe(true)
  expect((await gateway.metrics()).sum('ai_factory_gateway_bugs')).toBe(0)
  backend.judge = () => undefined
})

const goodOverGrpc = () => grpcCall(session, { data: frame(GOLDEN.traces) })
const goodOverHttp = () => httpCall(http, { data: GOLDEN.traces })
const SERVED = [{ code: 0 }, { status: 200 }, { code: 0 }, { status: 200 }]

/** Good senders are served before, while and after `deed` is done. Resolves with its result. */
const amongNeighbours = async <T>(deed: () => Promise<T>): Promise<T> => {
  const during = [goodOverGrpc(), goodOverHttp()]
  const result = await deed()
  expect(await Promise.all([...during, goodOverGrpc(), goodOverHttp()])).toMatchObject(SERVED)
  return result
}

/** By how much the refusals with this reason grew while `deed` was done among good neighbours. */
const counted = async <T>(labels: Record<string, string>, deed: () => Promise<T>): Promise<{ result: T; refusals: number }> => {
  const before = (await gateway.metrics()).sum(REFUSED, labels)
  const result = await amongNeighbours(deed)
  return { result, refusals: (await gateway.metrics()).sum(REFUSED, labels) - before }
}

const cut = (bytes: Buffer) => bytes.subarray(0, bytes.length - 6)
const json = { 'content-type': 'application/json' }
const packed = (encoding: string, message: Uint8Array): GrpcCall => ({
  headers: { 'grpc-encoding': encoding },
  data: frame(message, { compressed: 1 }),
})
const coded = (encoding: string, data: Buffer, headers = {}): HttpCall => ({ headers: { ...headers, 'content-encoding': encoding }, data })
const deepJson = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":${'{"arrayValue":{"values":['.repeat(10_000)}{}${']}}'.repeat(10_000)}}]}]}]}]}`

describe('over gRPC, refused for good', () => {
  test.each<[string, GrpcCall, number, string]>([
    ['malformed protobuf', { data: frame(Buffer.from('ffffffffffff', 'hex')) }, 3, 'malformed'],
    ['cut protobuf', { data: frame(cut(GOLDEN.traces)) }, 3, 'malformed'],
    ['a trace id of three bytes', { data: frame(spanRequest(span => span.bytes(1, new Uint8Array(3)))) }, 3, 'malformed'],
    ['garbage as gzip', packed('gzip', Buffer.from('no gzip at all')), 3, 'malformed'],
    ['truncated gzip', packed('gzip', cut(gzipSync(GOLDEN.traces))), 3, 'malformed'],
    ['a gzip bomb', packed('gzip', gzipSync(Buffer.alloc(256 * MIB))), 8, 'too_large'],
    ['a deflate bomb', packed('deflate', deflateSync(Buffer.alloc(256 * MIB))), 8, 'too_large'],
    ['a false length of 4 GiB', { data: frame(GOLDEN.traces, { length: 0xffffffff }), end: false }, 8, 'too_large'],
    ['an unknown encoding', packed('snappy', GOLDEN.traces), 12, 'unsupported_encoding'],
    ['an unknown method', { path: '/a.b.C/Export', data: frame(GOLDEN.traces) }, 12, 'unknown_method'],
  ])('%s', async (_, call, code, reason) => {
    const { result, refusals } = await counted({ transport: 'grpc', reason }, () => grpcCall(session, call))
    expect(result).toMatchObject({ http: 200, code, status: { code } })
    expect(result.message).toMatch(/\w/)
    expect(result.status?.retryDelay).toBeUndefined()
    expect(refusals).toBe(1)
  })
})

describe('over HTTP, refused for good', () => {
  test.each<[string, HttpCall, number, string]>([
    ['malformed protobuf', { data: Buffer.from('ffffffffffff', 'hex') }, 400, 'malformed'],
    ['malformed JSON', { headers: json, data: '{"resourceSpans":[' }, 400, 'malformed'],
    ['JSON of another shape', { headers: json, data: '{"resourceSpans":3}' }, 400, 'malformed'],
    ['JSON that is not UTF-8', { headers: json, data: Buffer.from([0x7b, 0xff, 0x7d]) }, 400, 'malformed'],
    ['JSON nested 10,000 deep', { headers: json, data: deepJson }, 400, 'malformed'],
    ['garbage as gzip', coded('gzip', Buffer.from('no gzip')), 400, 'malformed'],
    ['truncated gzip', coded('gzip', cut(gzipSync(GOLDEN.traces))), 400, 'malformed'],
    ['a gzip bomb', coded('gzip', gzipSync(Buffer.alloc(256 * MIB))), 413, 'too_large'],
    ['a JSON bomb', coded('gzip', gzipSync(Buffer.alloc(256 * MIB, ' ')), json), 413, 'too_large'],
    ['a body above the limit', { data: spanRequest(span => span.string(3, 'x'.repeat(9 * MIB))) }, 413, 'too_large'],
    ['an unknown encoding', coded('br', GOLDEN.traces), 415, 'unsupported_encoding'],
  ])('%s', async (_, call, status, reason) => {
    const { result, refusals } = await counted({ transport: 'http', reason }, () => httpCall(http, call))
    expect(result.status).toBe(status)
    expect(result.headers['retry-after']).toBeUndefined()
    const told =
      result.headers['content-type'] === json['content-type'] ? decodeStatusJson(result.body.toString()) : decodeStatus(result.body)
    expect(told?.message).toMatch(/\w/)
    expect(refusals).toBe(1)
  })

  test.each<[string, HttpCall, number, string]>([
    ['a wrong path', { path: '/v1/trace', data: GOLDEN.traces }, 404, 'unknown_path'],
    ['a wrong method', { method: 'PUT', data: GOLDEN.traces }, 405, 'bad_method'],
    ['a wrong content type', { headers: { 'content-type': 'text/plain' }, data: 'x' }, 415, 'unsupported_media_type'],
  ])('%s, said in plain words', async (_, call, status, reason) => {
    const { result, refusals } = await counted({ transport: 'http', reason }, () => httpCall(http, call))
    expect(result).toMatchObject({ status, headers: { 'content-type': 'text/plain' } })
    expect(result.body.toString()).toMatch(/\w/)
    expect(refusals).toBe(1)
  })
})

/** Whatever can be read belongs to its sender: it is passed on as it is. */
describe('odd but well formed, passed on byte for byte over both transports', () => {
  const attribute = (key: string, value: Uint8Array) => (span: Writer) => span.message(9, pair => pair.string(1, key).bytes(2, value))
  const double = (value: number) => new Writer().double(4, value).finish()
  test.each<[string, Buffer]>([
    ['100,000 attributes on one span', wideRequest(100_000)],
    ['attribute values nested 10,000 deep', deepRequest(10_000)],
    ['NaN', spanRequest(attribute('gen_ai.usage.input_tokens', double(Number.NaN)))],
    ['an infinite value', spanRequest(attribute('gen_ai.usage.input_tokens', double(Number.NEGATIVE_INFINITY)))],
    ['times of 0 and far in the future', spanRequest(span => span.fixed64(7, 0n).fixed64(8, 0xffffffffffffffffn))],
    ['invalid UTF-8 in a name', spanRequest(span => span.bytes(5, Uint8Array.of(0xff, 0xfe, 0xc0)))],
    ['invalid UTF-8 in a model', spanRequest(attribute('gen_ai.request.model', new Writer().bytes(1, Uint8Array.of(0xff)).finish()))],
    ['the key __proto__', spanRequest(attribute('__proto__', new Writer().string(1, 'x').finish()))],
    ['the key constructor', spanRequest(attribute('constructor', double(1)))],
    ['fields nobody knows', spanRequest(span => span.uint(500, 1).string(501, 'later'))],
  ])('%s', async (_, message) => {
    const accepted = async () => (await gateway.metrics()).sum('otelcol_receiver_accepted_spans', { receiver: 'otlp' })
    const before = await accepted()
    backend.taken.length = 0
    const answers = await amongNeighbours(() =>
      Promise.all([grpcCall(session, { data: frame(message) }), httpCall(http, { data: message })]),
    )
    expect(answers).toMatchObject([{ code: 0 }, { status: 200 }])
    expect(backend.taken.filter(({ body }) => body.equals(message))).toHaveLength(2)
    expect(backend.taken).toHaveLength(6)
    expect((await accepted()) - before).toBe(6)
  })

  test('JSON with NaN, infinity, extreme times and hostile keys', async () => {
    const text =
      '{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"0","endTimeUnixNano":"18446744073709551615","attributes":[' +
      '{"key":"__proto__","value":{"doubleValue":"NaN"}},{"key":"constructor","value":{"doubleValue":"-Infinity"}}]}]}]}],"__proto__":{"a":1}}'
    backend.taken.length = 0
    expect(await amongNeighbours(() => httpCall(http, { headers: json, data: text }))).toMatchObject({ status: 200 })
    const expected = fromJson('traces', text)
    expect(backend.taken.filter(({ body }) => body.equals(expected))).toHaveLength(1)
  })
})

describe('senders that break off or do not stop', () => {
  test('half a message over gRPC is given up as retryable', async () => {
    const { result, refusals } = await counted({ transport: 'grpc', reason: 'body_timeout' }, () =>
      grpcCall(session, { data: frame(GOLDEN.traces, { length: MIB }), end: false }),
    )
    expect(result).toMatchObject({ code: 14, status: { retryDelay: expect.any(Number) } })
    expect(refusals).toBe(1)
  })

  test('half a body over HTTP is given up as retryable', async () => {
    const { result, refusals } = await counted({ transport: 'http', reason: 'body_timeout' }, async () => {
      const peer = openTcp(http)
      peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 500\r\n\r\nabc')
      await peer.closed(15_000)
      return peer.text()
    })
    expect(result).toMatch(/^HTTP\/1.1 503 .*retry-after: \d/is)
    expect(refusals).toBe(1)
  })

  test('half a head is answered 408', async () => {
    const { result, refusals } = await counted({ reason: 'header_timeout' }, async () => {
      const peer = openTcp(http)
      peer.socket.write('POST /v1/traces HTTP/1.1\r\nhost: x\r\n')
      await peer.closed(15_000)
      return peer.text()
    })
    expect(result).toContain('HTTP/1.1 408')
    expect(refusals).toBe(1)
  })

  test.each([
    ['no HTTP', 400, 'hello there\r\n\r\n'],
    ['huge headers', 431, `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`],
  ])('%s is answered %d and closed', async (_, status, text) => {
    const { result, refusals } = await counted({ reason: 'bad_http' }, async () => {
      const peer = openTcp(http)
      peer.socket.write(text)
      await peer.closed(15_000)
      return peer.text()
    })
    expect(result).toContain(`HTTP/1.1 ${status}`)
    expect(refusals).toBe(1)
  })

  test('HTTP/1.1 on the gRPC port is closed', async () => {
    await amongNeighbours(async () => {
      const peer = openTcp(gateway.port('grpc'))
      peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
      await peer.closed(15_000)
    })
  })

  test('senders that go away in the middle are counted', async () => {
    const cancelled = async () => (await gateway.metrics()).sum(REFUSED, { reason: 'cancelled' })
    const before = await cancelled()
    await amongNeighbours(async () => {
      const leaving = openHttp2(gateway.port('grpc'))
      const calls = Array.from({ length: 20 }, () =>
        grpcCall(leaving, { data: frame(GOLDEN.traces, { length: MIB }), end: false }).catch(error => error),
      )
      await new Promise(resolve => setTimeout(resolve, 200))
      leaving.destroy()
      await Promise.all(calls)
    })
    await until('20 more cancelled calls', async () => (await cancelled()) - before === 20)
  })

  test('a flood of rapid resets ends its own connection only', async () => {
    await amongNeighbours(async () => {
      const bad = openHttp2(gateway.port('grpc'))
      const closed = new Promise<void>(resolve => bad.on('close', () => resolve()))
      for (let i = 0; i < 20_000 && !bad.destroyed; i++) {
        const stream = bad.request({ ':method': 'POST', ':path': '/x', 'content-type': 'application/grpc' })
        stream.on('error', () => {})
        stream.close(8)
        if (i % 100 === 0) await new Promise(resolve => setImmediate(resolve))
      }
      await closed
    })
  })
})

describe('a merged request that the backend refuses because of one part', () => {
  const named = (name: string) => spanRequest(span => span.string(5, name))
  const poison = Buffer.from('poison')

  test('is sent once more request by request: only the guilty one is refused, to its own sender', async () => {
    const merged = gateway.port('http', 'otlp/merged')
    const seen: number[] = []
    backend.taken.length = 0
    backend.judge = ({ body }) => {
      seen.push(body.length)
      return body.includes(poison) ? 'bad_data' : undefined
    }
    const before = await gateway.metrics()
    const names = ['a', 'b', 'poison', 'c', 'd']
    const answers = await amongNeighbours(() => Promise.all(names.map(name => httpCall(merged, { data: named(name) }))))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 400, 200, 200])
    expect(decodeStatus(answers[2]!.body)?.message).toMatch(/\w/)
    const whole = names.reduce((sum, name) => sum + named(name).length, 0)
    expect(seen).toContain(whole)
    for (const name of names.filter(it => it !== 'poison'))
      expect(backend.taken.filter(({ body }) => body.equals(named(name)))).toHaveLength(1)
    const after = await gateway.metrics()
    const moved = (name: string, labels: Record<string, string>) => after.sum(name, labels) - before.sum(name, labels)
    expect(moved('otelcol_exporter_send_failed_spans', { exporter: 'otlp_http/merged' })).toBe(1)
    expect(moved('otelcol_exporter_sent_spans', { exporter: 'otlp_http/merged' })).toBe(4)
    expect(moved(REFUSED, { receiver: 'otlp/merged', reason: 'bad_data' })).toBe(1)
    expect(moved('ai_factory_gateway_refused_items', { kind: 'exporter', component: 'otlp_http/merged', reason: 'bad_data' })).toBe(1)
  })
})
