/**
 * A load generator that keeps books by item: spans with ids, and samples of GPUs (DCGM's names) and engines (vLLM's names) as cumulative
 * counters and gauges, by OTLP/HTTP. A request whose answer is lost is sent again, the same bytes, until it is acknowledged or given up.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, type Plain, requestType } from '../../proto/testing/oracle.js'
import type { Random } from '../../simulator/random.js'

const ROUND_MS = 40
/** Rounds between two samples of one series. */
const SAMPLED = 5
const SPANS = 6
/** Part of the span requests that are not sent again after a lost answer. */
const FAINT_HEARTED = 0.3
/** Part of the answers that never reach the sender, besides those that die with the gateway. */
const LOST = 0.15
const ANSWER_WITHIN_MS = 5000
const FINISHES = ['stop', 'length'] as const

/** The truth about one workload: first and last value of each counter, in the units of the events. */
export interface WorkloadTruth {
  readonly id: string
  readonly totals: Map<string, { first: number; last: number }>
}

interface Request {
  readonly signal: 'traces' | 'metrics'
  readonly body: Uint8Array
  readonly items: readonly string[]
  readonly persistent: boolean
}

type Labels = Readonly<Record<string, string | number>>

const nanos = (millis: number): string => `${millis}000000`
const attributes = (labels: Labels): Plain[] =>
  Object.entries(labels).map(([key, value]) => ({ key, value: typeof value === 'string' ? { stringValue: value } : { intValue: value } }))
const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `{${name}=${value}}`)
    .join('')

/** How a sample is called in the books here and of what was delivered. `time`: milliseconds since the epoch. */
export const sampleName = (metric: string, labels: string, time: number): string => `${metric}${labels} at ${time}`

export class FactoryLoad {
  /** Span ids and sample names → whether a gateway has acknowledged them. */
  readonly items = new Map<string, boolean>()
  /** Span id → tokens it says it took. */
  readonly spanTokens = new Map<string, { input: number; output: number }>()
  readonly workloads: readonly WorkloadTruth[]
  requests = { acknowledged: 0, answersLost: 0, repeated: 0, givenUp: 0 }
  private readonly underWay = new Set<Promise<void>>()
  private round = 0
  private calm = true
  private running: Promise<void> | undefined
  private ended = false

  /** `url`: the gateway's OTLP/HTTP endpoint. */
  constructor(
    private readonly url: string,
    private readonly random: Random,
    workloads: number,
  ) {
    this.workloads = Array.from({ length: workloads }, (_, index) => ({ id: `factory/serving/model-${index}`, totals: new Map() }))
  }

  /** Every series is seen once before anything happens; then spans and growing counters until `quiet`. */
  async start(): Promise<void> {
    for (const workload of this.workloads) this.send(this.samples(workload))
    await Promise.all(this.underWay)
    this.calm = false
    this.running = this.run()
  }

  /** Nothing happens any more, but samples go on for `ms`; resolves when every request was acknowledged or given up. */
  async quiet(ms: number): Promise<void> {
    this.calm = true
    await sleep(ms)
    this.ended = true
    await this.running
    await Promise.all(this.underWay)
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      this.round++
      if (!this.calm) this.send(this.spans())
      for (const [index, workload] of this.workloads.entries()) if ((this.round + index) % SAMPLED === 0) this.send(this.samples(workload))
      await sleep(ROUND_MS)
    }
  }

  private send(request: Request): void {
    for (const item of request.items) this.items.set(item, false)
    const delivery = this.deliver(request).finally(() => this.underWay.delete(delivery))
    this.underWay.add(delivery)
  }

  private async deliver({ signal, body, items, persistent }: Request): Promise<void> {
    for (;;) {
      const taken = await fetch(`${this.url}/v1/${signal}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        body: new Uint8Array(body),
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      }).then(
        async response => {
          await response.arrayBuffer()
          return response.ok
        },
        () => false,
      )
      const lost = taken && this.random.next() < LOST
      if (lost) this.requests.answersLost++
      if (taken && !lost) {
        for (const item of items) this.items.set(item, true)
        this.requests.acknowledged++
        return
      }
      if (!persistent) {
        this.requests.givenUp++
        return
      }
      this.requests.repeated++
      await sleep(50 + this.random.next() * 100)
    }
  }

  private whole(below: number): number {
    return Math.floor(this.random.next() * below)
  }

  /** Spans of two workloads in one request. */
  private spans(): Request {
    const items: string[] = []
    const first = this.whole(this.workloads.length)
    const resourceSpans = [0, 1].map(next => {
      const spans = Array.from({ length: SPANS }, () => {
        const spanId = this.random.text(16, '0123456789abcdef')
        const tokens = { input: 1 + this.whole(900), output: 1 + this.whole(300) }
        items.push(spanId)
        this.spanTokens.set(spanId, tokens)
        const end = Date.now()
        return {
          traceId: Buffer.from(this.random.text(32, '0123456789abcdef'), 'hex'),
          spanId: Buffer.from(spanId, 'hex'),
          name: 'llm_request',
          kind: 2,
          startTimeUnixNano: nanos(end - 20 - this.whole(800)),
          endTimeUnixNano: nanos(end),
          attributes: attributes({ 'gen_ai.usage.prompt_tokens': tokens.input, 'gen_ai.usage.completion_tokens': tokens.output }),
        }
      })
      const { id } = this.workloads[(first + next) % this.workloads.length]!
      return { resource: resourceOf(id), scopeSpans: [{ scope: { name: 'vllm' }, spans }] }
    })
    const body = encode(requestType('traces'), { resourceSpans })
    return { signal: 'traces', body, items, persistent: this.random.next() >= FAINT_HEARTED }
  }

  /** Every series of one workload, now. */
  private samples({ id, totals }: WorkloadTruth): Request {
    const time = Date.now()
    const items: string[] = []
    const point = (metric: string, labels: Labels, value: number): Plain => {
      items.push(sampleName(metric, labelText(labels), time))
      return { timeUnixNano: nanos(time), asDouble: value, attributes: attributes(labels) }
    }
    const gauge = (metric: string, labels: Labels, value: number): Plain => ({
      name: metric,
      gauge: { dataPoints: [point(metric, labels, value)] },
    })
    /** `scale`: from the series' unit to the one of the figure. */
    const counter = (metric: string, labels: Labels, figure: string, growth: number, scale = 1): Plain => {
      const key = `${figure} ${labelText(labels)}`
      const total = totals.get(key) ?? { first: 1e6 * scale, last: 1e6 * scale }
      if (totals.has(key) && !this.calm) total.last += growth * scale
      totals.set(key, total)
      const dataPoints = [point(metric, labels, total.last / scale)]
      return { name: metric, sum: { dataPoints, aggregationTemporality: 2, isMonotonic: true } }
    }
    const gpus = [0, 1].flatMap(index => {
      const labels = { gpu: String(index), UUID: `GPU-${id}-${index}` }
      const watts = 200 + this.whole(400)
      return [
        gauge('DCGM_FI_DEV_GPU_UTIL', labels, this.whole(101)),
        gauge('DCGM_FI_DEV_POWER_USAGE', labels, watts),
        counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', labels, 'ai_factory.gpu.energy', watts * ROUND_MS * SAMPLED, 0.001),
      ]
    })
    const labels = { model_name: 'model', engine: id }
    const engine = [
      gauge('vllm:num_requests_running', labels, this.whole(64)),
      counter('vllm:prompt_tokens_total', labels, 'ai_factory.tokens{gen_ai.token.type=input}', this.whole(5000)),
      counter('vllm:generation_tokens_total', labels, 'ai_factory.tokens{gen_ai.token.type=output}', this.whole(900)),
      ...FINISHES.map(reason =>
        counter(
          'vllm:request_success_total',
          { ...labels, finished_reason: reason },
          `ai_factory.requests{ai_factory.finish_reason=${reason}}`,
          this.whole(9),
        ),
      ),
    ]
    const resourceMetrics = [{ resource: resourceOf(id), scopeMetrics: [{ scope: { name: 'exporters' }, metrics: [...gpus, ...engine] }] }]
    return { signal: 'metrics', body: encode(requestType('metrics'), { resourceMetrics }), items, persistent: true }
  }
}

const resourceOf = (id: string): Plain => ({ attributes: attributes({ 'ai_factory.workload.id': id, 'host.name': 'node-1' }) })
