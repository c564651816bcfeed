/**
 * Real OpenTelemetry SDKs → the running gateway → real backends. What leaves a pipeline that changes nothing is byte for byte what the SDK
 * sent; an edit changes what it names and nothing else; fields of a later protocol survive both. Where Go is present a real Collector stands
 * behind the gateway too and says what it understood.
 */
import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { missingCollector } from '../bench/subject.js'
import { Batch } from '../proto/batch.js'
import { fromJson, toJson } from '../proto/json/index.js'
import { HTTP_PATHS, OTLP_SIGNALS, type OtlpSignal } from '../proto/services.js'
import { decode, encode, type Plain, requestType } from '../proto/testing/oracle.js'
import { frame, grpcCall, httpCall, openHttp2, pathOf } from '../receivers/otlp/testing/senders.js'
import { strangeBatch, unknownFields } from '../runtime/testing/strange.js'
import { type Received, RecordingBackend } from './support/backend.js'
import { TestCollector } from './support/collector.js'
import { TestGateway } from './support/gateway.js'

const TRANSPORTS = ['grpc', 'http/protobuf', 'http/json'] as const
const SDK = resolve(__dirname, '../receivers/otlp/testing/sdk-sender.mjs')
const missing = missingCollector()
const testWithCollector = missing === undefined ? test : test.skip
if (missing !== undefined) process.stderr.write(`SKIPPED: the tests with a real Collector: ${missing}\n`)

/** `plain` and `json` stand behind a pipeline that changes nothing, `edited` behind one that sets a resource attribute. */
const CONFIG = `
receivers:
  otlp:
    protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0}}
processors:
  resource: {attributes: [{key: factory, value: north, action: upsert}]}
exporters:
  otlp_grpc/plain: {endpoint: $PLAIN_GRPC, tls: {insecure: true}}
  otlp_http/plain: {endpoint: $PLAIN_HTTP}
  otlp_http/json: {endpoint: $JSON_HTTP, encoding: json}
  otlp_grpc/edited: {endpoint: $EDITED_GRPC, tls: {insecure: true}}
  otlp_http/edited: {endpoint: $EDITED_HTTP}
  otlp_grpc/collector: {endpoint: $COLLECTOR, tls: {insecure: true}}
service:
  pipelines:
    plain: {receivers: [otlp], exporters: [otlp_grpc/plain, otlp_http/plain, otlp_http/json$BESIDE]}
    edited: {receivers: [otlp], processors: [resource], exporters: [otlp_grpc/edited, otlp_http/edited]}
`

let reference: RecordingBackend
let plain: RecordingBackend
let json: RecordingBackend
let edited: RecordingBackend
let beyond: RecordingBackend
let collector: TestCollector | undefined
let gateway: TestGateway
const backends = () => [reference, plain, json, edited, beyond]

beforeAll(async () => {
  const opened = await Promise.all(Array.from({ length: 5 }, () => RecordingBackend.open()))
  ;[reference, plain, json, edited, beyond] = opened as [
    RecordingBackend,
    RecordingBackend,
    RecordingBackend,
    RecordingBackend,
    RecordingBackend,
  ]
  if (missing === undefined) collector = await TestCollector.start(beyond.httpUrl)
  const places: Record<string, string> = {
    PLAIN_GRPC: plain.grpcEndpoint,
    PLAIN_HTTP: plain.httpUrl,
    JSON_HTTP: json.httpUrl,
    EDITED_GRPC: edited.grpcEndpoint,
    EDITED_HTTP: edited.httpUrl,
    COLLECTOR: collector?.endpoint ?? 'localhost:4317',
    BESIDE: collector ? ', otlp_grpc/collector' : '',
  }
  gateway = await TestGateway.start({ config: CONFIG.replaceAll(/\$([A-Z_]+)/g, (_, name: string) => places[name]!) })
}, 60_000)
afterAll(async () => {
  expect((await gateway.metrics()).sum('ai_factory_gateway_bugs')).toBe(0)
  expect(await gateway.stop()).toBe(0)
  await collector?.stop()
  await Promise.all(backends().map(backend => backend.close()))
}, 60_000)
beforeEach(() => {
  for (const backend of backends()) backend.taken.length = 0
})

const protobufOf = ({ signal, body, contentType }: Received): Buffer =>
  contentType === 'application/json' ? Buffer.from(fromJson(signal, body)) : body

/** The one request of `signal` that came to `backend`, over `transport` where it serves both. */
const only = (backend: RecordingBackend, signal: OtlpSignal, transport?: Received['transport']): Received => {
  const [found, ...more] = backend.taken.filter(it => it.signal === signal && (transport === undefined || it.transport === transport))
  if (!found || more.length > 0) throw new Error(`expected one request of ${signal}, got ${found ? more.length + 1 : 0}`)
  return found
}

/** What a request says, absent and default values alike. */
const meaning = (signal: OtlpSignal, bytes: Uint8Array): Plain => {
  const type = requestType(signal)
  return type.toObject(type.decode(Buffer.from(bytes)), { longs: String, bytes: String, defaults: true })
}

/** As `meaning`; the Collector writes an empty status where a span has none, which says the same. */
const understood = (signal: OtlpSignal, bytes: Uint8Array): Plain =>
  JSON.parse(JSON.stringify(meaning(signal, bytes)), (key, value) => (key === 'status' ? (value ?? { code: 0, message: '' }) : value))

/** `bytes` with the attribute that the `resource` processor sets, made by another protobuf library. */
const withAttribute = (signal: OtlpSignal, bytes: Uint8Array): Plain => {
  const type = requestType(signal)
  const request = decode(type, bytes)
  for (const group of (Object.values(request) as Plain[][])[0]!) {
    group.resource ??= {}
    group.resource.attributes = [...(group.resource.attributes ?? []), { key: 'factory', value: { stringValue: 'north' } }]
  }
  return meaning(signal, encode(type, request))
}

describe.each(TRANSPORTS)('the SDK over %s', transport => {
  beforeEach(async () => {
    const grpc = transport === 'grpc'
    const ports = [grpc ? reference.grpcEndpoint : reference.httpUrl].map(place => place.split(':').at(-1)!)
    await promisify(execFile)(process.execPath, [SDK, transport, ...ports, String(gateway.port(grpc ? 'grpc' : 'http'))])
  })

  test('traces, metrics and logs reach every backend; an edit changes what it names and nothing else', () => {
    for (const signal of OTLP_SIGNALS) {
      const sent = protobufOf(only(reference, signal))
      for (const way of ['grpc', 'http'] as const) {
        expect(only(plain, signal, way).body.equals(sent)).toBe(true)
        expect(meaning(signal, only(edited, signal, way).body)).toEqual(withAttribute(signal, sent))
      }
      const { body, contentType } = only(json, signal)
      expect(contentType).toBe('application/json')
      expect(body.toString()).toBe(toJson(signal, Batch.of(signal, [sent], 1)))
    }
  })

  testWithCollector('a real Collector behind the gateway understands all of it', () => {
    for (const signal of OTLP_SIGNALS)
      expect(understood(signal, only(beyond, signal).body)).toEqual(understood(signal, protobufOf(only(reference, signal))))
  })
})

describe.each(OTLP_SIGNALS)('%s with fields of a later protocol', signal => {
  const request = Buffer.concat(strangeBatch(signal).slices)

  const send = {
    grpc: async () => {
      const session = openHttp2(gateway.port('grpc'))
      expect(await grpcCall(session, { path: pathOf(signal), data: frame(request) })).toMatchObject({ code: 0 })
      session.destroy()
    },
    http: async () =>
      expect(await httpCall(gateway.port('http'), { path: HTTP_PATHS[signal], data: request })).toMatchObject({ status: 200 }),
  }

  test.each(['grpc', 'http'] as const)('keep them over %s, edited or not', async transport => {
    await send[transport]()
    const unknown = unknownFields([strangeBatch(signal)])
    for (const way of ['grpc', 'http'] as const) {
      expect(only(plain, signal, way).body.equals(request)).toBe(true)
      const changed = only(edited, signal, way).body
      expect(unknownFields([Batch.of(signal, [changed], 1)])).toEqual(unknown)
      expect(meaning(signal, changed)).toEqual(withAttribute(signal, request))
    }
  })

  testWithCollector('a real Collector behind the gateway understands the fields it knows', async () => {
    await send.grpc()
    expect(understood(signal, only(beyond, signal).body)).toEqual(understood(signal, request))
  })
})
