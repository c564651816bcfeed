/** How a refusal reads in gRPC and in HTTP. Source: opentelemetry-proto docs/specification.md. */
import type { RpcStatus } from '../../proto/rpc-status.js'
import { PermanentError, RetryableError } from '../errors.js'

export const GRPC = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** One refusal, ready to be answered in either protocol. */
export interface Refusal {
  /** Label of a counter. */
  readonly reason: string
  readonly message: string
  readonly grpc: number
  readonly http: number
  /** Milliseconds the sender should wait; undefined for what must not be sent again. */
  readonly after: number | undefined
}

/** Permanent reasons with a code of their own; every other permanent one is INTERNAL/500, which senders do not retry either. */
const PERMANENT: Record<string, { grpc: number; http: number }> = {
  malformed: { grpc: GRPC.invalidArgument, http: 400 },
  bad_data: { grpc: GRPC.invalidArgument, http: 400 },
  too_large: { grpc: GRPC.resourceExhausted, http: 413 },
  unsupported_encoding: { grpc: GRPC.unimplemented, http: 415 },
  unsupported_media_type: { grpc: GRPC.invalidArgument, http: 415 },
  unknown_method: { grpc: GRPC.unimplemented, http: 404 },
}
const DEFAULT_DELAY = 1_000

/** What was thrown, as an answer. Whatever is no refusal is a fault of ours, and retryable: the data may be good. */
export const refusalOf = (error: unknown): Refusal => {
  if (error instanceof PermanentError) {
    const { grpc, http } = PERMANENT[error.reason] ?? { grpc: GRPC.internal, http: 500 }
    return { reason: error.reason, message: error.message, grpc, http, after: undefined }
  }
  if (error instanceof RetryableError)
    return { reason: error.reason, message: error.message, grpc: GRPC.unavailable, http: 503, after: error.after ?? DEFAULT_DELAY }
  return { reason: 'internal', message: 'internal error; send again later', grpc: GRPC.unavailable, http: 503, after: DEFAULT_DELAY }
}

/** The google.rpc.Status of a refusal: the body over HTTP, `grpc-status-details-bin` over gRPC. */
export const rpcStatusOf = ({ grpc, message, after }: Refusal): RpcStatus => ({
  code: grpc,
  message,
  ...(after !== undefined && { retryDelay: after }),
})
