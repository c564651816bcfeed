/**
 * Whether a request met what was promised, from its span alone. Rules as GuideLLM has them: an error is bad, a request that its client gave up is not judged, nor one
 * whose objective cannot be evaluated. "At most" is met by equality.
 */
import { matcher } from '../../config/pattern.js'
import type { Attributes } from '../../proto/views/attributes.js'
import { SPAN_KIND, type SpanView, STATUS_CODE } from '../../proto/views/traces.js'
import {
  AGGREGATES,
  CANCELLED,
  ERROR_TYPE_KEY,
  FINISH_REASONS_KEY,
  FIRST_TOKEN_KEYS,
  OPERATION_KEY,
  REQUEST_SECONDS_KEY,
  TOKEN_KEYS,
} from '../../proto/vocabulary/usage.js'
import type { Options } from './options.js'

const keys = (names: readonly string[]): readonly Uint8Array[] => names.map(name => Buffer.from(name))
const FIRST_TOKEN = keys(FIRST_TOKEN_KEYS)
const OUTPUT = keys(TOKEN_KEYS.output)
const REQUEST_SECONDS = keys([REQUEST_SECONDS_KEY])
const OPERATION = Buffer.from(OPERATION_KEY)
const ERROR_TYPE = Buffer.from(ERROR_TYPE_KEY)
const FINISH_REASONS = Buffer.from(FINISH_REASONS_KEY)

/** What was missed, as bits. */
export const MISSED = { error: 1, time_to_first_token: 2, time_per_output_token: 4, duration: 8 } as const

export interface Verdict {
  /** Bits of MISSED; 0 = good. */
  readonly missed: number
  readonly target: number
}

interface Objective {
  readonly ofWorkload: (workload: string) => boolean
  readonly ofTenant: ((tenant: string) => boolean) | undefined
  /** Seconds; Infinity = nothing is promised. */
  readonly firstToken: number
  readonly eachToken: number
  readonly duration: number
  readonly target: number
}

export class Judge {
  private readonly objectives: readonly Objective[]

  constructor(objectives: Options['objectives']) {
    const seconds = (milliseconds: number | undefined): number =>
      milliseconds === undefined ? Number.POSITIVE_INFINITY : milliseconds / 1000
    this.objectives = objectives.map(({ workload, tenant, time_to_first_token, time_per_output_token, duration, target }) => ({
      ofWorkload: matcher(workload),
      ofTenant: tenant === undefined ? undefined : matcher(tenant),
      firstToken: seconds(time_to_first_token),
      eachToken: seconds(time_per_output_token),
      duration: seconds(duration),
      target,
    }))
  }

  /** Those that may fit requests of a workload. */
  of(workload: string): readonly Objective[] {
    return this.objectives.filter(({ ofWorkload }) => ofWorkload(workload))
  }

  /** Undefined when the span is no request, nothing is promised, or it cannot be judged. `tenant` is asked for only where it matters. Throws WireError. */
  judge(span: SpanView, objectives: readonly Objective[], tenant: () => string): Verdict | undefined {
    if (span.kind !== SPAN_KIND.server && span.kind !== SPAN_KIND.client) return undefined
    const { attributes } = span
    const output = first(attributes, OUTPUT)
    const firstToken = first(attributes, FIRST_TOKEN)
    if (output === undefined && firstToken === undefined) return undefined
    if (AGGREGATES.includes(attributes.string(OPERATION) ?? '')) return undefined
    const objective = objectives.find(({ ofTenant }) => !ofTenant || ofTenant(tenant()))
    if (!objective || cancelled(attributes)) return undefined
    const { target } = objective
    if (span.statusCode === STATUS_CODE.error) return { missed: MISSED.error, target }
    const whole = first(attributes, REQUEST_SECONDS) ?? (span.endTime - span.startTime) / 1000
    let missed = 0
    if (objective.firstToken < Number.POSITIVE_INFINITY) {
      if (firstToken === undefined) return undefined
      if (firstToken > objective.firstToken) missed |= MISSED.time_to_first_token
    }
    if (objective.eachToken < Number.POSITIVE_INFINITY && output !== 1) {
      if (firstToken === undefined || output === undefined || !(output > 1)) return undefined
      if (exceeds((whole - firstToken) / (output - 1), objective.eachToken)) missed |= MISSED.time_per_output_token
    }
    if (objective.duration < Number.POSITIVE_INFINITY) {
      if (!(whole >= 0)) return undefined
      if (exceeds(whole, objective.duration)) missed |= MISSED.duration
    }
    return { missed, target }
  }
}

/** What subtracting times that are not binary fractions leaves is no miss. */
const ROUNDING = 1e-9
const exceeds = (value: number, limit: number): boolean => value > limit * (1 + ROUNDING)

/** The first of several spellings that is there, and a number that is one. */
const first = (attributes: Attributes, spellings: readonly Uint8Array[]): number | undefined => {
  for (const key of spellings) {
    const value = attributes.number(key)
    if (value !== undefined && Number.isFinite(value) && value >= 0) return value
  }
  return undefined
}

const cancelled = (attributes: Attributes): boolean => {
  if (CANCELLED.has(attributes.string(ERROR_TYPE) ?? '')) return true
  const at = attributes.find(FINISH_REASONS)
  if (at < 0) return false
  const reasons = attributes.value(at).plain()
  return Array.isArray(reasons) && reasons.some(reason => typeof reason === 'string' && CANCELLED.has(reason))
}
