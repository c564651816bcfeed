/** What a backend's HTTP answer means. Source: opentelemetry-proto docs/specification.md, OTLP/HTTP. */
import { decodeStatus, decodeStatusJson } from '../../proto/rpc-status.js'
import { decodeResponse, decodeResponseJson, type OtlpSignal, type PartialSuccess } from '../../proto/services.js'
import { TOO_LARGE } from '../../runtime/delivery/index.js'
import { PermanentError, RetryableError } from '../../runtime/errors.js'
import type { Answer } from '../../runtime/net/http-client.js'
import { answered, permanentReason } from '../../runtime/net/refusal.js'
import { retryAfter } from '../../runtime/net/retry-after.js'

const RETRYABLE: Readonly<Record<number, string>> = { 429: 'throttled', 502: 'unavailable', 503: 'unavailable', 504: 'unavailable' }
const PROTO = 'application/x-protobuf'
const JSON_TYPE = 'application/json'
/** The Collector answers 400 where 413 is meant: `http: request body too large`. */
const TOO_LARGE_WORDS = /body too large/

/** Returns when the backend took the request. Throws RetryableError or PermanentError when it did not. `now` is wall time, milliseconds. */
export const read = (answer: Answer, signal: OtlpSignal, now: number): PartialSuccess | undefined => {
  const { status } = answer
  if (status >= 200 && status < 300) return readSuccess(answer, signal)
  const message = answered(answer, wordsOf(answer))
  const retryable = RETRYABLE[status]
  if (retryable) throw new RetryableError(message, retryable, retryAfter(answer.headers['retry-after'], now))
  if (status === 400 && TOO_LARGE_WORDS.test(message)) throw new PermanentError(message, TOO_LARGE)
  throw new PermanentError(message, permanentReason(status))
}

/** The request was taken, whatever follows: what cannot be read of the answer is a warning, since sending again would make copies. */
const readSuccess = (answer: Answer, signal: OtlpSignal): PartialSuccess | undefined => {
  if (answer.cut) return { rejected: 0, message: 'its answer is larger than 4 MiB' }
  try {
    if (answer.body.length === 0) return undefined
    if (mediaType(answer) === JSON_TYPE) return decodeResponseJson(signal, answer.body.toString())
    return mediaType(answer) === PROTO ? decodeResponse(answer.body) : undefined
  } catch (error) {
    return { rejected: 0, message: `its answer cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

const mediaType = ({ headers }: Answer): string => (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()

const wordsOf = (answer: Answer): string => {
  try {
    if (mediaType(answer) === PROTO) return decodeStatus(answer.body).message
  } catch {
    return ''
  }
  const text = answer.body.toString()
  return (mediaType(answer) === JSON_TYPE && decodeStatusJson(text)?.message) || text
}
