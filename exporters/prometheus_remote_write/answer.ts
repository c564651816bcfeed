import { PermanentError, RetryableError } from '../../runtime/errors.js'
import type { Answer } from '../../runtime/net/http-client.js'
import { answered, permanentReason } from '../../runtime/net/refusal.js'
import { retryAfter } from '../../runtime/net/retry-after.js'
import type { Body } from './request.js'

/** `unspoken`: the backend does not speak this version, and took nothing. */
export type Verdict = { readonly rejected: number; readonly message: string } | 'unspoken'

const ALL = { rejected: 0, message: '' } as const

/** How much of `body` was taken. Throws RetryableError or, when nothing was, PermanentError. `now` is wall time, milliseconds. */
export const verdictOf = (answer: Answer, body: Body, version: 1 | 2, now: number): Verdict => {
  const { status } = answer
  const taken = status >= 200 && status < 300
  if (taken && version === 1) return ALL
  const written = version === 2 ? writtenOf(answer) : undefined
  if (taken && written === undefined) return 'unspoken'
  if (version === 2 && status === 415) return 'unspoken'
  const missing = body.samples + body.histograms - (written ?? 0)
  if (taken && missing <= 0) return ALL
  const message = answered(answer, answer.body.toString())
  // A point of several samples may have been taken in part: then it counts as not taken.
  if (taken || (status >= 400 && status < 500 && status !== 429 && (written ?? 0) > 0))
    return { rejected: Math.min(missing, body.points), message }
  if (status === 429) throw new RetryableError(message, 'throttled', retryAfter(answer.headers['retry-after'], now))
  if (status >= 500) throw new RetryableError(message, 'unavailable', retryAfter(answer.headers['retry-after'], now))
  throw new PermanentError(message, permanentReason(status))
}

/** Samples that were written, as a backend of version 2 has to say; undefined when it says nothing. */
const writtenOf = ({ headers }: Answer): number | undefined => {
  const counts = ['samples', 'histograms'].map(kind => headers[`x-prometheus-remote-write-${kind}-written`])
  if (counts.every(count => count === undefined)) return undefined
  return counts.reduce((sum, count) => sum + (/^\d+$/.test(String(count)) ? Number(count) : 0), 0)
}
