/**
 * More than the gateway can pass on: a slow backend, little memory, and senders that offer more than both. Whoever is refused is told to come
 * back, memory stays in its bounds, service resumes by itself, and nothing that was acknowledged is missing.
 */
import type { ClientHttp2Session } from 'node:http2'
import { GOLDEN, spanRequest } from '../receivers/otlp/testing/requests.js'
import { frame, grpcCall, httpCall, openHttp2 } from '../receivers/otlp/testing/senders.js'
import { RecordingBackend } from './support/backend.js'
import { TestGateway } from './support/gateway.js'

const LIMIT_MIB = 256
/** The bench promises 1.15 to a gateway with a core of its own; one that shares it with all the other tests collects its garbage late. */
const MOST_SHARE = 1.3
const SENDERS = 240
const OVERLOAD_MS = 4_000
/** What one answer of the slow backend takes; ten are asked at a time. */
const SLOW_MS = 400

const CONFIG = `
receivers:
  otlp: {protocols: {grpc: {endpoint: 127.0.0.1:0}, http: {endpoint: 127.0.0.1:0}}}
processors:
  memory_limiter: {check_interval: 100ms, limit_mib: ${LIMIT_MIB}, spike_limit_mib: 64}
exporters:
  otlp_http: {endpoint: "$BACKEND", compression: none}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http]}
`

/** A request of about 1 MB; the span id holds its number. */
const TEMPLATE = spanRequest(span => span.string(3, 'x'.repeat(1_000_000)))
const NUMBER_AT = TEMPLATE.indexOf(Buffer.alloc(8, 9))
const numbered = (number: number): Buffer => {
  const request = Buffer.from(TEMPLATE)
  request.writeUInt32BE(number, NUMBER_AT)
  return request
}
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

interface Refusal {
  readonly code: number
  /** Milliseconds; undefined when the sender was not told to come back. */
  readonly after: number | undefined
}

let backend: RecordingBackend
let gateway: TestGateway
let sessions: ClientHttp2Session[]
beforeAll(async () => {
  backend = await RecordingBackend.open()
  backend.keep = false
  gateway = await TestGateway.start({ config: CONFIG.replace('$BACKEND', backend.httpUrl) })
  sessions = Array.from({ length: 8 }, () => openHttp2(gateway.port('grpc')))
}, 40_000)
afterAll(async () => {
  for (const session of sessions) session.destroy()
  expect(await gateway.stop()).toBe(0)
  await backend.close()
}, 40_000)

/** Undefined = acknowledged. */
const sendOverGrpc = async (sender: number, request: Buffer): Promise<Refusal | undefined> => {
  const { code = -1, status } = await grpcCall(sessions[sender % sessions.length]!, { data: frame(request) })
  return code === 0 ? undefined : { code, after: status?.retryDelay }
}
const sendOverHttp = async (request: Buffer): Promise<Refusal | undefined> => {
  const { status, headers } = await httpCall(gateway.port('http'), { data: request })
  const after = headers['retry-after']
  return status === 200 ? undefined : { code: status, after: after === undefined ? undefined : Number(after) * 1_000 }
}

test('refused senders are told to come back, memory is bounded, service resumes, and the books agree', async () => {
  const arrived = new Map<number, number>()
  let slow = true
  backend.judge = async ({ body }) => {
    if (slow) await pause(SLOW_MS)
    const number = body.readUInt32BE(NUMBER_AT)
    arrived.set(number, (arrived.get(number) ?? 0) + 1)
    return undefined
  }
  const acknowledged: number[] = []
  const refusals = { grpc: [] as Refusal[], http: [] as Refusal[] }
  let next = 0
  let over = false
  const sender = async (index: number): Promise<void> => {
    const transport = index % 2 === 0 ? 'grpc' : 'http'
    while (!over) {
      const number = next++
      const request = numbered(number)
      for (;;) {
        const refusal = await (transport === 'grpc' ? sendOverGrpc(index, request) : sendOverHttp(request))
        if (!refusal) break
        refusals[transport].push(refusal)
        // Sooner than told: these senders are no patient ones.
        await pause((refusal.after ?? 0) / 2)
      }
      acknowledged.push(number)
    }
  }
  const senders = Array.from({ length: SENDERS }, (_, index) => sender(index))
  await pause(OVERLOAD_MS)
  expect((await gateway.metrics()).sum('ai_factory_gateway_bugs')).toBe(0)
  slow = false
  over = true
  await Promise.all(senders)

  expect(refusals.grpc.length).toBeGreaterThan(0)
  expect(refusals.http.length).toBeGreaterThan(0)
  expect(refusals.grpc.filter(({ code, after }) => code !== 14 || !after)).toEqual([])
  expect(refusals.http.filter(({ code, after }) => code !== 503 || !after)).toEqual([])
  expect(gateway.memory().peak / 2 ** 20).toBeLessThan(LIMIT_MIB * MOST_SHARE)

  // Every request was acknowledged in the end, and each lies at the backend once.
  expect(acknowledged.length).toBe(next)
  expect([...arrived.keys()].sort((a, b) => a - b)).toEqual(acknowledged.sort((a, b) => a - b))
  expect([...arrived.values()].every(times => times === 1)).toBe(true)
  const page = await gateway.metrics()
  expect(page.sum('otelcol_receiver_accepted_spans')).toBe(next)
  expect(page.sum('otelcol_exporter_sent_spans')).toBe(next)
  expect(page.sum('ai_factory_gateway_receiver_refused_requests_total')).toBe(refusals.grpc.length + refusals.http.length)
  expect(page.sum('ai_factory_gateway_held_items')).toBe(0)

  backend.judge = () => undefined
  expect(await sendOverGrpc(0, Buffer.from(GOLDEN.traces))).toBeUndefined()
  expect(await sendOverHttp(Buffer.from(GOLDEN.traces))).toBeUndefined()
}, 90_000)
