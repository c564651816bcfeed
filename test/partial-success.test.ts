/** Items too large for the stream, sent to the built gateway with others: the sender hears how many were refused, the rest is taken, the books balance. */
import { Client, credentials } from '@grpc/grpc-js'
import { decodeResponse, decodeResponseJson, GRPC_SERVICES, HTTP_PATHS, OTLP_SIGNALS, type OtlpSignal } from '../proto/services.js'
import { encode, type Plain, requestType } from '../proto/testing/oracle.js'
import { TestGateway } from './support/gateway.js'
import { until } from './support/until.js'

const CONFIG = `
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 64}
      http: {endpoint: 127.0.0.1:0, max_request_body_size: 64MiB}
processors:
  batch: {timeout: 50ms, send_batch_size: 1000}
  workload_join: {window: 500ms, grace: 700ms, max_gap: 5s, history: 20s}
exporters:
  debug:
streams:
  workloads: {directory: $FOLDER/streams, partitions: 2, tick: 200ms}
service:
  pipelines:
    factory: {receivers: [otlp], processors: [$PROCESSORS], exporters: [debug]}
`

const text = (bytes: number): Plain => ({ key: 'text', value: { stringValue: 'x'.repeat(bytes) } })
const time = (): string => `${Date.now()}000000`
const ITEMS: Readonly<Record<OtlpSignal, (bytes: number) => Plain>> = {
  traces: bytes => ({
    traceId: Buffer.alloc(16, 1),
    spanId: Buffer.alloc(8, 2),
    startTimeUnixNano: time(),
    endTimeUnixNano: time(),
    attributes: [text(bytes)],
  }),
  metrics: bytes => ({ name: 'm', gauge: { dataPoints: [{ timeUnixNano: time(), asDouble: 1, attributes: [text(bytes)] }] } }),
  logs: bytes => ({ timeUnixNano: time(), attributes: [text(bytes)] }),
}
const SHAPE: Readonly<Record<OtlpSignal, readonly [string, string, string]>> = {
  traces: ['resourceSpans', 'scopeSpans', 'spans'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
}
/** A request of one workload, with an item of each size. */
const requestOf = (signal: OtlpSignal, sizes: readonly number[]): Plain => {
  const [groups, scopes, items] = SHAPE[signal]
  const resource = { attributes: [{ key: 'ai_factory.workload.id', value: { stringValue: 'prod/chat/llama' } }] }
  return { [groups]: [{ resource, [scopes]: [{ [items]: sizes.map(ITEMS[signal]) }] }] }
}
const bytesOf = (signal: OtlpSignal, sizes: readonly number[]): Uint8Array => encode(requestType(signal), requestOf(signal, sizes))

const LARGE = 17 << 20
const SIZES = [10, LARGE, 20, LARGE, 30]
const TOLD = { rejected: 2, message: expect.stringContaining('2 items that are larger than 16 MiB') }

const overGrpc = async (port: number, signal: OtlpSignal, body: Uint8Array): Promise<Uint8Array> => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const { path, requestSerialize, responseDeserialize } = GRPC_SERVICES[signal].export
  try {
    return await new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, body, (error, answer) =>
        error ? reject(error) : resolve(answer!),
      ),
    )
  } finally {
    client.close()
  }
}
const overHttp = (port: number, signal: OtlpSignal, body: Uint8Array | string): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${HTTP_PATHS[signal]}`, {
    method: 'POST',
    headers: { 'content-type': typeof body === 'string' ? 'application/json' : 'application/x-protobuf' },
    body,
  })

/** Received, acknowledged, held and refused as too large. */
const books = async (gateway: TestGateway, component: string): Promise<number[]> => {
  const page = await gateway.metrics()
  const column = (name: string, labels: Record<string, string> = {}) =>
    page.sum(`ai_factory_gateway_${name}_items`, { component, ...labels })
  return [column('received'), column('acknowledged'), column('held'), column('refused', { reason: 'too_large' })]
}

test('items above 16 MiB are refused by partial success over gRPC and HTTP, the rest is taken, and the books balance', async () => {
  const gateway = await TestGateway.start({ config: CONFIG.replace('$PROCESSORS', 'workload_join') })
  try {
    for (const signal of OTLP_SIGNALS) {
      expect(decodeResponse(await overGrpc(gateway.port('grpc'), signal, bytesOf(signal, SIZES)))).toEqual(TOLD)
      const answer = await overHttp(gateway.port('http'), signal, bytesOf(signal, SIZES))
      expect(answer.status).toBe(200)
      expect(decodeResponse(new Uint8Array(await answer.arrayBuffer()))).toEqual(TOLD)
    }
    const json = await overHttp(gateway.port('http'), 'logs', JSON.stringify(requestOf('logs', SIZES)))
    expect(json.status).toBe(200)
    expect(decodeResponseJson('logs', await json.text())).toEqual(TOLD)
    expect(decodeResponse(await overGrpc(gateway.port('grpc'), 'traces', bytesOf('traces', [1, 2])))).toBeUndefined()

    expect(await books(gateway, 'otlp')).toEqual([37, 23, 0, 14])
    expect(await books(gateway, 'workload_join')).toEqual([37, 23, 0, 14])
    await until('what was taken has left the join', async () => (await gateway.metrics()).sum('ai_factory_gateway_join_items_total') === 23)
    const page = await gateway.metrics()
    expect(page.sum('ai_factory_gateway_dropped_items', { component: 'workload_join', reason: 'too_large' })).toBe(14)
    expect(page.sum('otelcol_receiver_refused_spans')).toBe(4)
    expect(await gateway.stop()).toBe(0)
  } finally {
    await gateway.stop('SIGKILL')
  }
}, 120_000)

test('senders whose requests were merged before the join are warned, and what was refused is counted once', async () => {
  const gateway = await TestGateway.start({ config: CONFIG.replace('$PROCESSORS', 'batch, workload_join') })
  try {
    const send = (sizes: readonly number[]) => overGrpc(gateway.port('grpc'), 'traces', bytesOf('traces', sizes))
    const [mixed, small] = await Promise.all([send([1, LARGE]), send([2, 3])])
    const told = [decodeResponse(mixed), decodeResponse(small)].map(partial => partial?.rejected)
    // Merged: both are warned. Not merged, as timing may have it: the guilty one is told.
    expect([
      [0, 0],
      [1, undefined],
    ]).toContainEqual(told)
    await until('what was taken has left the join', async () => (await gateway.metrics()).sum('ai_factory_gateway_join_items_total') === 3)
    const page = await gateway.metrics()
    expect(page.sum('ai_factory_gateway_dropped_items', { reason: 'too_large' })).toBe(1)
    expect(page.sum('ai_factory_gateway_refused_items', { component: 'workload_join', reason: 'too_large' })).toBe(1)
  } finally {
    await gateway.stop('SIGKILL')
  }
}, 120_000)
