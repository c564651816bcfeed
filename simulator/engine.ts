/**
 * A serving engine with continuous batching, in small fixed steps: requests wait, are admitted while sequences and KV cache allow, are
 * prefilled at the engine's rate, decode together (the more run, the slower each), and free their cache when they finish.
 * All times are wall clock: seconds for durations, milliseconds since the epoch for moments.
 */
import { Histogram, INTER_TOKEN, REQUEST_TIME, TIME_TO_FIRST_TOKEN } from './histogram.js'
import type { EngineSpec } from './plan.js'

export type Finish = 'stop' | 'length' | 'abort'
export const FINISHES: readonly Finish[] = ['stop', 'length', 'abort']

export interface Request {
  id: string
  /** On whose behalf the client calls. */
  tenant: string
  arrivedAt: number
  promptTokens: number
  cachedTokens: number
  outputTokens: number
  finish: Finish
}

/** A request with what happened to it. */
export interface Running extends Request {
  scheduledAt: number
  firstTokenAt: number
  finishedAt: number
  generated: number
  /** Prompt tokens still to be computed, and the part of the next token that is done. */
  prefillLeft: number
  partial: number
}

/** What a fault changes; 1 = as it should be. */
export interface Conditions {
  prefillSpeed: number
  decodeSpeed: number
}

export class Engine {
  readonly waiting: Running[] = []
  readonly running: Running[] = []
  readonly conditions: Conditions = { prefillSpeed: 1, decodeSpeed: 1 }
  promptTokens = 0
  cachedTokens = 0
  generatedTokens = 0
  preemptions = 0
  readonly finished: Record<Finish, number> = { stop: 0, length: 0, abort: 0 }
  readonly timeToFirstToken = new Histogram(TIME_TO_FIRST_TOKEN)
  readonly interToken = new Histogram(INTER_TOKEN)
  readonly requestTime = new Histogram(REQUEST_TIME)
  readonly queueTime = new Histogram(REQUEST_TIME)
  readonly prefillTime = new Histogram(REQUEST_TIME)
  readonly decodeTime = new Histogram(REQUEST_TIME)
  /** Of the last step: part of it spent on prefill, and sequences that decoded. */
  prefillShare = 0
  decoding = 0

  constructor(readonly spec: EngineSpec) {}

  get kvUsed(): number {
    return this.running.reduce((sum, request) => sum + request.promptTokens - request.prefillLeft + request.generated, 0)
  }

  get idle(): boolean {
    return this.running.length === 0 && this.waiting.length === 0
  }

  submit(request: Request): void {
    this.waiting.push({
      ...request,
      scheduledAt: 0,
      firstTokenAt: 0,
      finishedAt: 0,
      generated: 0,
      partial: 0,
      prefillLeft: request.promptTokens - request.cachedTokens,
    })
  }

  /** Moves the engine on by `seconds` to `now`; returns what finished. */
  step(seconds: number, now: number): Running[] {
    this.admit(now)
    this.prefill(seconds, now)
    this.decode(seconds, now)
    this.preempt()
    return this.finish(now)
  }

  private admit(now: number): void {
    let kv = this.running.reduce((sum, request) => sum + request.promptTokens + request.generated, 0)
    while (this.waiting.length > 0 && this.running.length < this.spec.maxSequences) {
      const request = this.waiting[0]!
      if (kv + request.promptTokens > this.spec.kvTokens && this.running.length > 0) return
      kv += request.promptTokens
      this.waiting.shift()
      if (request.scheduledAt === 0) {
        request.scheduledAt = now
        this.queueTime.observe((now - request.arrivedAt) / 1000)
      }
      this.running.push(request)
    }
  }

  private prefill(seconds: number, now: number): void {
    const whole = this.spec.prefillTokensPerSecond * this.conditions.prefillSpeed * seconds
    let budget = whole
    for (const request of this.running) {
      if (budget <= 0) break
      if (request.prefillLeft <= 0) continue
      const taken = Math.min(budget, request.prefillLeft)
      budget -= taken
      request.prefillLeft -= taken
      if (request.prefillLeft > 0 || request.firstTokenAt > 0) continue
      request.firstTokenAt = now
      request.generated = 1
      this.promptTokens += request.promptTokens
      this.cachedTokens += request.cachedTokens
      this.generatedTokens++
      this.timeToFirstToken.observe((now - request.arrivedAt) / 1000)
      this.prefillTime.observe((now - request.scheduledAt) / 1000)
    }
    this.prefillShare = whole > 0 ? (whole - budget) / whole : 0
  }

  private decode(seconds: number, now: number): void {
    const { decodeBase, decodePerSequence } = this.spec
    const decoding = this.running.filter(request => request.prefillLeft <= 0 && request.firstTokenAt < now)
    this.decoding = decoding.length
    if (decoding.length === 0) return
    // Chunked prefill shares the step with decode, and takes the larger part of it.
    const gap = (decodeBase + decodePerSequence * decoding.length) / (this.conditions.decodeSpeed * (1 - 0.6 * this.prefillShare))
    for (const request of decoding) {
      request.partial += seconds / gap
      const tokens = Math.min(Math.floor(request.partial), request.outputTokens - request.generated)
      request.partial -= Math.floor(request.partial)
      if (tokens <= 0) continue
      request.generated += tokens
      this.generatedTokens += tokens
      this.interToken.observe(gap, tokens)
    }
  }

  /** Out of cache: the youngest goes back to the front of the queue and computes its tokens again. */
  private preempt(): void {
    while (this.running.length > 1 && this.kvUsed > this.spec.kvTokens) {
      const request = this.running.pop()!
      request.prefillLeft = request.promptTokens + request.generated
      this.preemptions++
      this.waiting.unshift(request)
    }
  }

  private finish(now: number): Running[] {
    const done = this.running.filter(request => request.prefillLeft <= 0 && request.generated >= request.outputTokens)
    for (const request of done) {
      this.running.splice(this.running.indexOf(request), 1)
      request.finishedAt = now
      this.finished[request.finish]++
      this.requestTime.observe((now - request.arrivedAt) / 1000)
      this.decodeTime.observe((now - request.firstTokenAt) / 1000)
    }
    return done
  }
}
