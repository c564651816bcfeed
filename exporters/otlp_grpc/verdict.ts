/** What a gRPC status means for a request. Source: opentelemetry-proto docs/specification.md, OTLP/gRPC. */
import { decodeResponse, type PartialSuccess } from '../../proto/services.js'
import { TOO_LARGE } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import type { GrpcAnswer } from '../../runtime/net/grpc-call.js'

const OK = 0
const RESOURCE_EXHAUSTED = 8
const RETRYABLE: Readonly<Record<number, string>> = {
  1: 'cancelled',
  4: 'timeout',
  10: 'aborted',
  11: 'out_of_range',
  14: 'unavailable',
  15: 'data_loss',
}
const PERMANENT: Readonly<Record<number, string>> = {
  3: 'bad_data',
  7: 'forbidden',
  8: 'exhausted',
  12: 'unimplemented',
  16: 'unauthenticated',
}
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]
/** In the words of grpc-go, grpc-js, grpc-java and others. A backend that is merely exhausted must not get the same again in pieces. */
const TOO_LARGE_WORDS = /larger than max|exceeds? max|too large|max(imum)? message (size|length)/i
/** Of a backend's words, characters that go into our own messages. */
const LONGEST_QUOTE = 200

/** Returns when the backend took the request. Throws RetryableError or PermanentError when it did not. */
export const read = ({ code, message, retryDelay, body, fault }: GrpcAnswer): PartialSuccess | undefined => {
  if (code === OK) return fault === undefined ? readSuccess(body) : { rejected: 0, message: `its answer cannot be read: ${fault}` }
  const quoted = message.replace(/\s+/g, ' ').trim().slice(0, LONGEST_QUOTE)
  const words = `the backend answered ${NAMES[code] ?? code}${quoted && `: ${quoted}`}`
  if (code === RESOURCE_EXHAUSTED && retryDelay !== undefined) throw new RetryableError(words, 'throttled', retryDelay)
  const retryable = RETRYABLE[code]
  if (retryable) throw new RetryableError(words, retryable, retryDelay)
  if (code === RESOURCE_EXHAUSTED && TOO_LARGE_WORDS.test(message)) throw new PermanentError(words, TOO_LARGE)
  throw new PermanentError(words, PERMANENT[code] ?? 'refused')
}

/** The request was taken: what cannot be read of the answer is a warning, since sending again would make copies. */
const readSuccess = (body: Uint8Array): PartialSuccess | undefined => {
  try {
    return decodeResponse(body)
  } catch (error) {
    return { rejected: 0, message: `its answer cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}
