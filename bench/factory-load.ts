/**
 * The load of the join, a process of its own: spans of every workload in turn, at a given rate and with ids that are never used twice, and every
 * `sampleSeconds` the samples of every workload's GPUs and engine.
 */
import { type Answer, type Connection, frame, mayRetry, open, type Protocol, percentile, sessionsFor } from './client.js'
import { engineRequest, gpuRequest, spanChunk } from './factory.js'
import type { LoadResult } from './load.js'

export interface FactoryLoadOptions {
  port: number
  protocol: Protocol
  workloads: number
  gpusPerWorkload: number
  /** Spans a request. */
  spans: number
  /** Spans a second over all workloads. */
  spansPerSecond: number
  sampleSeconds: number
  senders: number
  warmupSeconds: number
  seconds: number
}

const SAMPLE_SENDERS = 64

interface Turn {
  readonly number: number
  readonly at: number
}

/** Sends for `warmupSeconds`, calls `warm`, sends for `seconds`; the book has an entry for each request of spans, in order of ids. */
export const factoryLoad = async (options: FactoryLoadOptions, warm: () => void): Promise<LoadResult> => {
  const { workloads, spans, spansPerSecond, sampleSeconds } = options
  const chunks = Array.from({ length: workloads }, (_, workload) => spanChunk(workload, spans))
  const requestsPerSecond = spansPerSecond / spans
  const step = (1000 * workloads) / spansPerSecond
  const acknowledged: number[] = []
  const refused: Record<string, number> = {}
  let retryable = 0
  const latencies: number[] = []
  const since = Date.now()
  const started = performance.now()
  const measuring = started + options.warmupSeconds * 1000
  const ending = measuring + options.seconds * 1000

  /** Takes turns at `perSecond` over all who share `counter`, until the end. */
  const take = async (counter: { next: number }, perSecond: number): Promise<Turn | undefined> => {
    const number = counter.next++
    const wait = started + (number * 1000) / perSecond - performance.now()
    if (wait > 1) await new Promise(resolve => setTimeout(resolve, wait))
    const at = performance.now()
    return at < ending ? { number, at } : undefined
  }
  const book = (answer: Answer, at: number) => {
    if (at >= measuring) latencies.push(performance.now() - at)
    if (answer.status === '0') return
    refused[answer.status] = (refused[answer.status] ?? 0) + 1
    if (mayRetry(answer)) retryable++
  }
  const requests = { next: 0 }
  const spanSender = async (connection: Connection) => {
    for (;;) {
      const turn = await take(requests, requestsPerSecond)
      if (!turn) return
      const chunk = chunks[turn.number % workloads]!
      acknowledged[turn.number] = 0
      const sent = chunk.free.then(() => {
        chunk.stamp(turn.number * spans, Date.now(), step)
        return connection.send('traces', chunk.framed, false)
      })
      chunk.free = sent
      const answer = await sent
      if (answer.status === '0') acknowledged[turn.number] = 1
      book(answer, turn.at)
    }
  }
  const samples = { next: 0 }
  const sampleSender = async (connection: Connection) => {
    const perSecond = (2 * workloads) / sampleSeconds
    for (;;) {
      const turn = await take(samples, perSecond)
      if (!turn) return
      const workload = (turn.number >> 1) % workloads
      const request =
        turn.number % 2 === 0 ? gpuRequest(workload, options.gpusPerWorkload, Date.now()) : engineRequest(workload, Date.now(), since)
      book(await connection.send('metrics', frame(request, false), false), turn.at)
    }
  }

  setTimeout(warm, options.warmupSeconds * 1000)
  const sessions = await Promise.all(Array.from({ length: sessionsFor(options.senders) }, () => open(options.port, options.protocol)))
  const own = await open(options.port, options.protocol)
  await Promise.all([
    ...Array.from({ length: Math.min(options.senders, workloads) }, (_, i) => spanSender(sessions[i % sessions.length]!)),
    ...Array.from({ length: SAMPLE_SENDERS }, () => sampleSender(own)),
  ])
  for (const session of [...sessions, own]) session.close()
  latencies.sort((a, b) => a - b)
  return {
    acknowledged: Uint8Array.from(acknowledged),
    refused,
    retryable,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  }
}

if (process.send && process.argv[1]?.endsWith('factory-load.js')) {
  process.once('message', async (options: FactoryLoadOptions) => {
    const result = await factoryLoad(options, () => process.send?.({ warm: true }))
    process.send?.({ result }, () => process.disconnect?.())
  })
}
