/**
 * What a window cost, in money and energy, and what came of it. Pure: an event and the configuration give the figures. The whole is always the sum of its parts: cost = active +
 * idle + unknown, active = input + output = tenants (docs/efficiency.md has the formulas and their sources).
 */
import { matcher } from '../../config/pattern.js'
import type { Bucket, CorrelatedEvent, Efficiency, GpuTime } from '../../proto/events/event.js'
import type { Options } from './options.js'
import { Prices } from './prices.js'
import { sharesOf, type Tokens, tokensOf, type Weights, weightsOf } from './usage.js'

type Part = 'active' | 'idle' | 'unknown'
const PART: Partial<Record<Bucket, Part>> = {
  unknown: 'unknown',
  unavailable: 'unknown',
  unallocated: 'idle',
  starting: 'idle',
  idle_held: 'idle',
}
const JOULES_PER_KWH = 3.6e6
/** Below this part of the time observed, ratios are not published. */
const LEAST_COVERAGE = 0.5
/** Operations for each parameter and token: forward 2, backward 4 more (Megatron-LM). */
const INFERENCE = 2
const TRAINING = 6

export class Assessor {
  private readonly prices: Prices
  private readonly models: readonly { readonly fits: (workload: string) => boolean; readonly flopsPerToken: number }[]

  constructor(private readonly options: Options) {
    this.prices = new Prices(options.prices)
    this.models = options.models.map(({ workload, active_parameters, training }) => ({
      fits: matcher(workload),
      flopsPerToken: (training ? TRAINING : INFERENCE) * active_parameters,
    }))
  }

  /** The event with what it cost; the same one when it tells of no GPU. */
  assess(event: CorrelatedEvent): CorrelatedEvent {
    const energy = energyOf(event)
    if (event.gpuTime.length === 0 && energy === undefined) return event
    const efficiency: Efficiency = { currency: this.options.currency, priceSource: '', unpricedSeconds: 0, costSplit: '' }
    const gpuTime = this.price(event.gpuTime, efficiency)
    const tokens = tokensOf(event)
    const weights = tokens && weightsOf(event, tokens, this.options.output_weight)
    if (tokens && weights) split(efficiency, tokens, weights)
    if (energy !== undefined) this.energy(efficiency, event.gpuTime, energy)
    if ((event.gpu?.coverage ?? 0) >= LEAST_COVERAGE && tokens) this.ratios(efficiency, event, tokens, energy)
    const good = event.slo.find(({ eligible }) => eligible > 0)?.goodOutput
    if (efficiency.cost !== undefined && good !== undefined && good > 0) efficiency.costPerGoodToken = efficiency.cost / good
    const tenants = this.tenants(efficiency, event, weights, energy)
    return { ...event, gpuTime, tenants, efficiency }
  }

  /** Allocation basis: every second of a priced GPU, whoever used it. */
  private price(gpuTime: readonly GpuTime[], efficiency: Efficiency): GpuTime[] {
    const parts: Record<Part, number> = { active: 0, idle: 0, unknown: 0 }
    const sources = new Set<string>()
    const rows = gpuTime.map(row => {
      const price = this.prices.of(row.model)
      if (!price) {
        efficiency.unpricedSeconds += row.seconds
        return row
      }
      const cost = row.seconds * price.perSecond
      parts[PART[row.bucket] ?? 'active'] += cost
      sources.add(price.source)
      return { ...row, cost }
    })
    if (sources.size > 0) {
      efficiency.priceSource = sources.size > 1 ? 'mixed' : [...sources].join()
      efficiency.activeCost = parts.active
      efficiency.idleCost = parts.idle
      efficiency.unknownCost = parts.unknown
      efficiency.cost = parts.active + parts.idle + parts.unknown
    }
    return rows
  }

  /** Of GPUs, of their hosts, and of the building; never mixed. */
  private energy(efficiency: Efficiency, gpuTime: readonly GpuTime[], gpuJoules: number): void {
    const { host_power_per_gpu: hostPower, pue, carbon_intensity: intensity } = this.options
    let idle: number | undefined
    let seconds = 0
    for (const row of gpuTime) {
      seconds += row.seconds
      const power = this.prices.of(row.model)?.idlePower
      if (power !== undefined && row.bucket !== 'unknown') idle = (idle ?? 0) + row.seconds * power
    }
    if (idle !== undefined) efficiency.idleJoules = Math.min(idle, gpuJoules)
    const host = gpuJoules + seconds * hostPower
    if (hostPower > 0) efficiency.hostJoules = host
    if (pue !== undefined) efficiency.facilityJoules = host * pue
    if (intensity !== undefined) efficiency.carbonGrams = ((host * (pue ?? 1)) / JOULES_PER_KWH) * intensity
  }

  private ratios(efficiency: Efficiency, event: CorrelatedEvent, { input, output, computed }: Tokens, energy: number | undefined): void {
    const all = input + output
    if (energy !== undefined && all > 0) efficiency.joulesPerToken = energy / all
    if (energy !== undefined && output > 0) efficiency.joulesPerOutputToken = energy / output
    let seconds = 0
    let peak: number | undefined = 0
    for (const row of event.gpuTime) {
      seconds += row.seconds
      const flops = this.prices.of(row.model)?.peakFlops
      peak = flops === undefined || peak === undefined ? undefined : peak + flops * row.seconds
    }
    if (seconds > 0) efficiency.tokensPerSecondPerGpu = all / seconds
    const model = this.models.find(({ fits }) => fits(event.workloadId))
    if (model && peak !== undefined && peak > 0) efficiency.modelFlopsUtilization = (model.flopsPerToken * (computed + output)) / peak
  }

  /** Tenants of one source share what was active; without any it is unattributed. */
  private tenants(
    efficiency: Efficiency,
    event: CorrelatedEvent,
    weights: Weights | undefined,
    energy: number | undefined,
  ): CorrelatedEvent['tenants'] {
    const shares = sharesOf(event, weights ?? { computed: 1, output: this.options.output_weight, split: 'multiplier' })
    const { activeCost, idleCost, idleJoules } = efficiency
    if (!shares) {
      if (activeCost !== undefined) efficiency.unattributedCost = activeCost
      return event.tenants
    }
    const joules = energy === undefined ? undefined : energy - (idleJoules ?? 0)
    return event.tenants.map(tenant => {
      const share = shares.of.get(tenant)
      if (share === undefined) return tenant
      return {
        ...tenant,
        ...(activeCost === undefined ? {} : { cost: activeCost * share }),
        ...(idleCost === undefined || this.options.idle === 'keep' ? {} : { idleCost: idleCost * share }),
        ...(joules === undefined ? {} : { energyJoules: joules * share }),
      }
    })
  }
}

/** Joules that the window books, late ones included. */
const energyOf = ({ gpu }: CorrelatedEvent): number | undefined =>
  gpu?.energyJoules === undefined && gpu?.lateEnergyJoules === undefined ? undefined : (gpu.energyJoules ?? 0) + (gpu.lateEnergyJoules ?? 0)

/** Input and output by what they weigh: together they are the active cost, never more. */
const split = (efficiency: Efficiency, { computed, output }: Tokens, weights: Weights): void => {
  const { activeCost } = efficiency
  const whole = weights.computed * computed + weights.output * output
  if (activeCost === undefined || !(whole > 0)) return
  efficiency.costSplit = weights.split
  efficiency.inputCost = (activeCost * weights.computed * computed) / whole
  efficiency.outputCost = activeCost - efficiency.inputCost
}
