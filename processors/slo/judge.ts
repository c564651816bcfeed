/**
 * Whether a request met what was promised, from its span alone. Rules as GuideLLM has them: an error is bad, a request that its client gave up is not judged, nor one
 * whose objective cannot be evaluated. "At most" is met by equality.
 */
import { matcher } from '../../config/pattern.js'
import { type Attributes, KeySet } from '../../proto/views/attributes.js'
import { SPAN_KIND, type SpanView, STATUS_CODE } from '../../proto/views/traces.js'
import { SLO_GOOD } from '../../proto/vocabulary/attributes.js'
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

const KEYS = [SLO_GOOD, OPERATION_KEY, ERROR_TYPE_KEY, FINISH_REASONS_KEY, REQUEST_SECONDS_KEY, ...FIRST_TOKEN_KEYS, ...TOKEN_KEYS.output]
const [GOOD, OPERATION, ERROR_TYPE, FINISH_REASONS, REQUEST_SECONDS, FIRST_TOKEN] = [0, 1, 2, 3, 4, 5]
const OUTPUT = FIRST_TOKEN + FIRST_TOKEN_KEYS.length
const KEY_SET = new KeySet(KEYS)

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
  private readonly found = new Int32Array(KEYS.length)

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

  /** Undefined when the span is no request, was judged before, nothing is promised, or it cannot be judged. `tenant` is asked for only where it matters. Throws WireError. */
  judge(span: SpanView, objectives: readonly Objective[], tenant: () => string): Verdict | undefined {
    if (span.kind !== SPAN_KIND.server && span.kind !== SPAN_KIND.client) return undefined
    const { attributes } = span
    if (!attributes.findAll(KEY_SET, this.found) || this.found[GOOD]! >= 0) return undefined
    const output = this.first(attributes, OUTPUT, KEYS.length)
    const firstToken = this.first(attributes, FIRST_TOKEN, OUTPUT)
    if (output === undefined && firstToken === undefined) return undefined
    if (AGGREGATES.includes(this.text(attributes, OPERATION))) return undefined
    const objective = objectives.find(({ ofTenant }) => !ofTenant || ofTenant(tenant()))
    if (!objective || this.cancelled(attributes)) return undefined
    const { target } = objective
    if (span.statusCode === STATUS_CODE.error) return { missed: MISSED.error, target }
    const whole = this.first(attributes, REQUEST_SECONDS, FIRST_TOKEN) ?? (span.endTime - span.startTime) / 1000
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

  /** The first of several spellings that is there, and a number that is one. */
  private first(attributes: Attributes, from: number, until: number): number | undefined {
    for (let key = from; key < until; key++) {
      const at = this.found[key]!
      const value = at < 0 ? undefined : attributes.value(at).number()
      if (value !== undefined && Number.isFinite(value) && value >= 0) return value
    }
    return undefined
  }

  private text(attributes: Attributes, key: number): string {
    const at = this.found[key]!
    return at < 0 ? '' : (attributes.value(at).string() ?? '')
  }

  private cancelled(attributes: Attributes): boolean {
    if (CANCELLED.has(this.text(attributes, ERROR_TYPE))) return true
    const at = this.found[FINISH_REASONS]!
    if (at < 0) return false
    const reasons = attributes.value(at).plain()
    return Array.isArray(reasons) && reasons.some(reason => typeof reason === 'string' && CANCELLED.has(reason))
  }
}

/** What subtracting times that are not binary fractions leaves is no miss. */
const ROUNDING = 1e-9
const exceeds = (value: number, limit: number): boolean => value > limit * (1 + ROUNDING)
