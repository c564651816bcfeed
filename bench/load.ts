/**
 * The load generator, a process of its own: unary OTLP/gRPC over one HTTP/2 session a sender group, pre-encoded requests, closed loop.
 * It keeps a book per request: how often each was acknowledged, and with which code it was refused.
 */
import { type Connection, frame, mayRetry, open, percentile, sessionsFor } from './client.js'
import { AGENT_RESOURCE, spanRequest } from './payload.js'

export interface LoadOptions {
  port: number
  /** Distinct requests; each is sent many times. */
  pool: number
  spans: number
  senders: number
  gzip: boolean
  warmupSeconds: number
  seconds: number
  /** Requests a second over all senders; absent = as fast as acknowledgements come. */
  rate?: number
}

export interface LoadResult {
  /** Acknowledgements per request of the pool. */
  acknowledged: ArrayLike<number>
  /** gRPC status → refusals; `retryable` counts those the sender was told to retry. */
  refused: Record<string, number>
  retryable: number
  p50: number
  p99: number
}

/** Sends for `warmupSeconds`, calls `warm`, sends for `seconds`, and returns the book of both phases; latencies are of the second. */
export const load = async (options: LoadOptions, warm: () => void): Promise<LoadResult> => {
  const framed = Array.from({ length: options.pool }, (_, i) =>
    frame(spanRequest(options.spans, i * options.spans, AGENT_RESOURCE).bytes, options.gzip),
  )
  const acknowledged = new Array<number>(options.pool).fill(0)
  const refused: Record<string, number> = {}
  let retryable = 0
  const latencies: number[] = []
  const started = performance.now()
  const measuring = started + options.warmupSeconds * 1000
  const ending = measuring + options.seconds * 1000
  const gap = options.rate ? 1000 / options.rate : 0
  let turn = 0

  const sender = async (connection: Connection) => {
    for (;;) {
      const mine = turn++
      const due = started + mine * gap
      const wait = due - performance.now()
      if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait))
      const before = performance.now()
      if (before >= ending) return
      const index = mine % options.pool
      const answer = await connection.send('traces', framed[index]!, options.gzip)
      if (answer.status === '0') acknowledged[index]!++
      else {
        refused[answer.status] = (refused[answer.status] ?? 0) + 1
        if (mayRetry(answer)) retryable++
      }
      if (before >= measuring) latencies.push(performance.now() - before)
    }
  }

  setTimeout(warm, options.warmupSeconds * 1000)
  const sessions = await Promise.all(Array.from({ length: sessionsFor(options.senders) }, () => open(options.port)))
  await Promise.all(Array.from({ length: options.senders }, (_, i) => sender(sessions[i % sessions.length]!)))
  for (const session of sessions) session.close()
  latencies.sort((a, b) => a - b)
  return { acknowledged, refused, retryable, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) }
}

if (process.send && process.argv[1]?.endsWith('/load.js')) {
  process.once('message', async (options: LoadOptions) => {
    const result = await load(options, () => process.send?.({ warm: true }))
    process.send?.({ result }, () => process.disconnect?.())
  })
}
