import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js'
import { decodeStatus, decodeStatusJson, encodeStatus, encodeStatusJson } from './rpc-status.js'
import {
  decodeResponse,
  decodeResponseJson,
  type ExportService,
  encodeResponse,
  encodeResponseJson,
  GRPC_SERVICES,
  HTTP_PATHS,
  OTLP_SIGNALS,
} from './services.js'
import { GOLDEN } from './testing/golden.js'
import { encode, messageType } from './testing/oracle.js'
import { WireError } from './wire.js'

const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('answers of the OTLP services', () => {
  it('full success is the empty message', () => {
    expect(encodeResponse()).toHaveLength(0)
    expect(decodeResponse(new Uint8Array(0))).toBeUndefined()
    expect(encodeResponseJson('traces')).toBe('{}')
    expect(decodeResponseJson('traces', '{}')).toBeUndefined()
  })

  it('partial success, as the published code writes it', () => {
    const partial = { rejected: 2, message: 'bad' }
    expect(toHex(encodeResponse(partial))).toBe('0a0708021203626164')
    expect(decodeResponse(hex('0a0708021203626164'))).toEqual(partial)
  })

  it.each([
    ['traces', 'Trace', 'rejectedSpans'],
    ['metrics', 'Metrics', 'rejectedDataPoints'],
    ['logs', 'Logs', 'rejectedLogRecords'],
  ] as const)('partial success of %s agrees with the schema, in both encodings', (signal, name, key) => {
    const partial = { rejected: 70_000, message: 'schön' }
    const schema = { partialSuccess: { [key]: '70000', errorMessage: 'schön' } }
    expect(toHex(encodeResponse(partial))).toBe(toHex(encode(messageType(`Export${name}ServiceResponse`), schema)))
    expect(JSON.parse(encodeResponseJson(signal, partial))).toEqual(schema)
    expect(decodeResponseJson(signal, JSON.stringify(schema))).toEqual(partial)
    expect(decodeResponseJson(signal, `{"partialSuccess":{"${key}":5,"x":[1]}}`)).toEqual({ rejected: 5, message: '' })
  })

  it('a warning rejects nothing, and an empty partial success is full success', () => {
    expect(decodeResponse(encodeResponse({ rejected: 0, message: 'odd' }))).toEqual({ rejected: 0, message: 'odd' })
    expect(decodeResponse(hex('0a00'))).toBeUndefined()
    expect(decodeResponseJson('logs', '{"partialSuccess":{}}')).toBeUndefined()
    expect(decodeResponseJson('logs', '{"partialSuccess":null}')).toBeUndefined()
  })

  it('refuses answers that are none', () => {
    expect(() => decodeResponse(hex('0a07'))).toThrow(WireError)
    expect(() => decodeResponseJson('traces', '<html>')).toThrow(SyntaxError)
    expect(() => decodeResponseJson('traces', 'null')).toThrow(SyntaxError)
  })
})

describe('google.rpc.Status', () => {
  const busy = { code: 14, message: 'busy', retryDelay: 30_000.000005 }
  const bytes = '080e1204627573791a320a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f12060a04081e1005'

  it('with a retry delay, as the published code writes it', () => {
    expect(toHex(encodeStatus(busy))).toBe(bytes)
    expect(decodeStatus(hex(bytes))).toEqual(busy)
  })

  it('as JSON', () => {
    expect(JSON.parse(encodeStatusJson(busy))).toEqual({
      code: 14,
      message: 'busy',
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '30.000000005s' }],
    })
    expect(decodeStatusJson(encodeStatusJson(busy))).toEqual(busy)
    expect(encodeStatusJson({ code: 3, message: 'bad', retryDelay: 999.9999999 })).toContain('"retryDelay":"1s"')
    expect(encodeStatusJson({ code: 3, message: 'bad' })).toBe('{"code":3,"message":"bad"}')
  })

  it('without code, as HTTP answers may come', () => {
    expect(decodeStatus(hex('1203626164'))).toEqual({ code: 0, message: 'bad' })
    expect(decodeStatusJson('{"message":"bad"}')).toEqual({ code: 0, message: 'bad' })
  })

  it.each(['<html>', '', 'null', '[]', '3', '{"error":"x"}'])('reads the body %p as no status', body => {
    expect(decodeStatusJson(body)).toBeUndefined()
  })

  it.each([
    '{"code":"x","details":3}',
    '{"code":1,"details":[null,{"@type":1}]}',
    '{"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo"}]}',
  ])('reads what it can of %s', body => {
    expect(decodeStatusJson(body)).toBeDefined()
    expect(decodeStatusJson(body)).not.toHaveProperty('retryDelay')
  })
})

describe('gRPC service definitions', () => {
  it('have the paths of the specification', () => {
    expect(OTLP_SIGNALS.map(signal => [GRPC_SERVICES[signal].export.path, HTTP_PATHS[signal]])).toEqual([
      ['/opentelemetry.proto.collector.trace.v1.TraceService/Export', '/v1/traces'],
      ['/opentelemetry.proto.collector.metrics.v1.MetricsService/Export', '/v1/metrics'],
      ['/opentelemetry.proto.collector.logs.v1.LogsService/Export', '/v1/logs'],
    ])
  })

  it('carry bytes both ways unchanged over a real connection', async () => {
    const server = new Server()
    const answer = encodeResponse({ rejected: 1, message: 'x' })
    const received: Uint8Array[] = []
    server.addService(GRPC_SERVICES.traces, {
      export: (call: { request: Uint8Array }, callback: (error: null, value: Uint8Array) => void) => {
        received.push(call.request)
        callback(null, answer)
      },
    })
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
    )
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
    const method: ExportService['export'] = GRPC_SERVICES.traces.export
    try {
      const response = await new Promise<Uint8Array | undefined>((resolve, reject) =>
        client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, GOLDEN.traces, (error, value) =>
          error ? reject(error) : resolve(value),
        ),
      )
      expect(received.map(toHex)).toEqual([toHex(GOLDEN.traces)])
      expect(toHex(response ?? new Uint8Array(0))).toBe(toHex(answer))
    } finally {
      client.close()
      server.forceShutdown()
    }
  })
})
