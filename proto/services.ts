/**
 * The three OTLP services: their names on gRPC and HTTP, and their answers. Requests and responses are bytes on both sides: the gRPC
 * definitions neither decode nor encode.
 * Source: opentelemetry-proto v1.11.0, `collector/{trace,metrics,logs}/v1/*_service.proto` and `docs/specification.md`.
 */
import type { MethodDefinition } from '@grpc/grpc-js'
import type { Signal } from './batch.js'
import { Fields, Writer } from './wire.js'

export type OtlpSignal = Exclude<Signal, 'events'>
export const OTLP_SIGNALS: readonly OtlpSignal[] = ['traces', 'metrics', 'logs']

/** Where each signal is sent by HTTP, below the endpoint. */
export const HTTP_PATHS: Readonly<Record<OtlpSignal, string>> = { traces: '/v1/traces', metrics: '/v1/metrics', logs: '/v1/logs' }

type Bytes = Uint8Array
export interface ExportService {
  readonly [method: string]: MethodDefinition<Bytes, Bytes>
  readonly export: MethodDefinition<Bytes, Bytes>
}

/** A view of the same memory: grpc-js wants Buffers. */
const asBuffer = (bytes: Bytes): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const asBytes = (bytes: Buffer): Bytes => bytes

const service = (name: string): ExportService => ({
  export: {
    path: `/opentelemetry.proto.collector.${name}/Export`,
    requestStream: false,
    responseStream: false,
    requestSerialize: asBuffer,
    requestDeserialize: asBytes,
    responseSerialize: asBuffer,
    responseDeserialize: asBytes,
    originalName: 'export',
  },
})

/** Service definitions for grpc-js: `server.addService(GRPC_SERVICES.traces, { export: (call, callback) => … })`. */
export const GRPC_SERVICES: Readonly<Record<OtlpSignal, ExportService>> = {
  traces: service('trace.v1.TraceService'),
  metrics: service('metrics.v1.MetricsService'),
  logs: service('logs.v1.LogsService'),
}

/** What a receiver did not take. `rejected` 0 with a message is a mere warning. In neither case may the sender repeat the request. */
export interface PartialSuccess {
  /** Spans, data points or log records. */
  readonly rejected: number
  readonly message: string
}

/** Export…ServiceResponse and Export…PartialSuccess: the same numbers for every signal. */
const RESPONSE = { partialSuccess: 1 } as const
const PARTIAL_SUCCESS = { rejected: 1, errorMessage: 2 } as const
const REJECTED_KEYS: Readonly<Record<OtlpSignal, string>> = {
  traces: 'rejectedSpans',
  metrics: 'rejectedDataPoints',
  logs: 'rejectedLogRecords',
}

/** The Export…ServiceResponse of any signal; full success is the empty message. */
export const encodeResponse = (partial?: PartialSuccess): Uint8Array => {
  if (!partial) return new Uint8Array(0)
  return new Writer()
    .message(RESPONSE.partialSuccess, body => {
      if (partial.rejected !== 0) body.uint(PARTIAL_SUCCESS.rejected, partial.rejected)
      if (partial.message !== '') body.string(PARTIAL_SUCCESS.errorMessage, partial.message)
    })
    .finish()
}

/** Undefined = full success, also where a receiver says so in many words (rejected 0, no message). Throws WireError. */
export const decodeResponse = (response: Uint8Array): PartialSuccess | undefined => {
  const fields = new Fields(response)
  const body = new Fields()
  let rejected = 0
  let message = ''
  while (fields.next()) {
    if (fields.number !== RESPONSE.partialSuccess) continue
    body.enter(fields)
    while (body.next()) {
      if (body.number === PARTIAL_SUCCESS.rejected) rejected = body.int()
      else if (body.number === PARTIAL_SUCCESS.errorMessage) message = body.string()
    }
  }
  return partialSuccess(rejected, message)
}

/** The same answer as OTLP/JSON. */
export const encodeResponseJson = (signal: OtlpSignal, partial?: PartialSuccess): string => {
  if (!partial) return '{}'
  const { rejected, message } = partial
  return JSON.stringify({
    partialSuccess: {
      ...(rejected !== 0 && { [REJECTED_KEYS[signal]]: String(rejected) }),
      ...(message !== '' && { errorMessage: message }),
    },
  })
}

/** Throws SyntaxError when `text` is no JSON object; anything unknown in it is ignored. */
export const decodeResponseJson = (signal: OtlpSignal, text: string): PartialSuccess | undefined => {
  const { partialSuccess: partial } = jsonObject(text)
  if (typeof partial !== 'object' || partial === null) return undefined
  const { [REJECTED_KEYS[signal]]: rejected, errorMessage } = partial as Record<string, unknown>
  return partialSuccess(Number(rejected ?? 0), typeof errorMessage === 'string' ? errorMessage : '')
}

const partialSuccess = (rejected: number, message: string): PartialSuccess | undefined => {
  const count = Number.isFinite(rejected) ? Math.max(0, Math.trunc(rejected)) : 0
  return count === 0 && message === '' ? undefined : { rejected: count, message }
}

const jsonObject = (text: string): Record<string, unknown> => {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new SyntaxError('the answer is no JSON object')
  return value as Record<string, unknown>
}
