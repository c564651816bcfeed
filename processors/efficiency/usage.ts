/** What the requests of a window took, as weights to share its cost by. */
import type { CorrelatedEvent, CostSplit, LatencyName, TenantFigures } from '../../proto/events/event.js'

export interface Tokens {
  readonly input: number
  readonly output: number
  /** Input that was not read from a cache. vLLM counts hits in tokens; more hits than input are none of a request's. */
  readonly computed: number
}

/** Of the headline's source, late ones included: what is booked in this window. Undefined when no source told any. */
export const tokensOf = ({ tokens, headlineSource }: CorrelatedEvent): Tokens | undefined => {
  const told = tokens.find(({ source }) => source === headlineSource)
  if (!told) return undefined
  const input = (told.input ?? 0) + (told.lateInput ?? 0)
  const output = (told.output ?? 0) + (told.lateOutput ?? 0)
  const cached = (told.cached ?? 0) + (told.lateCached ?? 0)
  return { input, output, computed: Math.max(0, input - cached) }
}

/** What a computed and an output token weigh. */
export interface Weights {
  readonly computed: number
  readonly output: number
  readonly split: CostSplit
}

/**
 * Seconds a token where the engines tell how long they computed (OpenCost, on `request_prefill_time_seconds` and `request_decode_time_seconds`: the older
 * `time_per_output_token_seconds` is gone since vLLM 0.13), else the multiplier.
 */
export const weightsOf = ({ serving }: CorrelatedEvent, { computed, output }: Tokens, multiplier: number): Weights => {
  const seconds = (wanted: LatencyName): number =>
    (serving?.latencies ?? []).reduce((total, { name, sum }) => (name === wanted ? total + sum : total), 0)
  const prefill = seconds('prefill_duration')
  const decode = seconds('decode_duration')
  return prefill > 0 && decode > 0 && computed > 0 && output > 0
    ? { computed: prefill / computed, output: decode / output, split: 'compute_time' }
    : { computed: 1, output: multiplier, split: 'multiplier' }
}

export interface Shares {
  readonly source: TenantFigures['source']
  /** Of each tenant of that source; they add up to 1. */
  readonly of: ReadonlyMap<TenantFigures, number>
}

/** By tokens, else by requests. The engine's own spans go before those of its clients. Undefined when no tenant took anything. */
export const sharesOf = ({ tenants }: CorrelatedEvent, weights: Weights): Shares | undefined => {
  for (const source of ['engine_spans', 'client_spans'] as const) {
    const rows = tenants.filter(tenant => tenant.source === source)
    const byTokens = ({ input, output, cached }: TenantFigures): number =>
      weights.computed * Math.max(0, input - cached) + weights.output * output
    for (const weigh of [byTokens, ({ requests }: TenantFigures): number => requests]) {
      const whole = rows.reduce((total, row) => total + weigh(row), 0)
      if (whole > 0) return { source, of: new Map(rows.map(row => [row, weigh(row) / whole])) }
    }
  }
  return undefined
}
