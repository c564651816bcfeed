/** Device time, money and energy of a correlated event as metrics; deltas like all of them. */
import * as names from '../vocabulary/attributes.js'
import { BUCKETS, type CorrelatedEvent, type Efficiency, type SloFigures } from './event.js'
import { INPUT, OUTPUT, sourceLabel } from './labels.js'
import { gauge, type Label, label, labelsOf, type MetricsWriter, type Point, sum } from './metrics-writer.js'

const GPU_TIME = sum(names.GPU_TIME, 's')
/** Amounts of money have no unit of UCUM: the currency is an attribute. */
const GPU_TIME_COST = sum(names.GPU_TIME_COST, '{currency}')
const COST = sum(names.COST, '{currency}')
const COST_TOKENS = sum(names.COST_TOKENS, '{currency}')
const UNPRICED = sum(names.UNPRICED_TIME, 's')
const TENANT_COST = sum(names.TENANT_COST, '{currency}')
const TENANT_ENERGY = sum(names.TENANT_ENERGY, 'J')
const TENANT_REQUESTS = sum(names.TENANT_REQUESTS, '{request}')
const TENANT_TOKENS = sum(names.TENANT_TOKENS, '{token}')
const bucketLabel = labelsOf(names.BUCKET, BUCKETS)
const PARTS = {
  active: label(names.COST_PART, 'active'),
  idle: label(names.COST_PART, 'idle'),
  unknown: label(names.COST_PART, 'unknown'),
}
const NONE: readonly Label[] = []

const FIGURES = [
  [sum(names.IDLE_ENERGY, 'J'), 'idleJoules'],
  [sum(names.HOST_ENERGY, 'J'), 'hostJoules'],
  [sum(names.FACILITY_ENERGY, 'J'), 'facilityJoules'],
  [sum(names.CARBON, 'g'), 'carbonGrams'],
  [gauge(names.ENERGY_PER_TOKEN, 'J/{token}'), 'joulesPerToken'],
  [gauge(names.ENERGY_PER_OUTPUT_TOKEN, 'J/{token}'), 'joulesPerOutputToken'],
  [gauge(names.TOKEN_RATE_PER_GPU, '{token}/s'), 'tokensPerSecondPerGpu'],
  [gauge(names.MODEL_FLOPS_UTILIZATION, '1'), 'modelFlopsUtilization'],
  [gauge(names.COST_PER_GOOD_TOKEN, '{currency}/{token}'), 'costPerGoodToken'],
] as const satisfies readonly (readonly [unknown, keyof Efficiency])[]

export const writeEfficiency = (writer: MetricsWriter, { gpuTime, tenants, efficiency, slo }: CorrelatedEvent): void => {
  const currency = efficiency ? [label(names.CURRENCY, efficiency.currency)] : NONE
  if (gpuTime.length > 0) {
    const kinds = gpuTime.map(({ model, bucket }) => [bucketLabel(bucket), label(names.GPU_MODEL, model)])
    writer.numbers(
      GPU_TIME,
      gpuTime.map(({ seconds }, i): Point => ({ value: seconds, labels: kinds[i]! })),
    )
    writer.numbers(
      GPU_TIME_COST,
      gpuTime.map(({ cost }, i): Point => ({ value: cost, labels: [...kinds[i]!, ...currency] })),
    )
  }
  writeTenants(writer, tenants, currency)
  for (const figures of slo) writeSlo(writer, figures)
  if (!efficiency) return
  const { activeCost, idleCost, unknownCost, inputCost, outputCost, costSplit, unpricedSeconds } = efficiency
  writer.numbers(COST, [
    { value: activeCost, labels: [PARTS.active, ...currency] },
    { value: idleCost, labels: [PARTS.idle, ...currency] },
    { value: unknownCost, labels: [PARTS.unknown, ...currency] },
  ])
  const split = label(names.COST_SPLIT, costSplit)
  writer.numbers(COST_TOKENS, [
    { value: inputCost, labels: [INPUT, split, ...currency] },
    { value: outputCost, labels: [OUTPUT, split, ...currency] },
  ])
  writer.numbers(UNPRICED, [{ value: unpricedSeconds || undefined, labels: NONE }])
  for (const [metric, figure] of FIGURES) writer.numbers(metric, [{ value: efficiency[figure], labels: NONE }])
}

const SLO_REQUESTS = sum(names.SLO_REQUESTS, '{request}')
const SLO_MISSES = sum(names.SLO_MISSES, '{request}')
const SLO_GOOD_TOKENS = sum(names.SLO_GOOD_TOKENS, '{token}')
const SLO_ATTAINMENT = gauge(names.SLO_ATTAINMENT, '1')
const SLO_BURN_RATE = gauge(names.SLO_BURN_RATE, '1')
const SLO_TARGET = gauge(names.SLO_TARGET, '1')
const TENANT_SLO_REQUESTS = sum(names.TENANT_SLO_REQUESTS, '{request}')
const GOOD = label(names.SLO_GOOD, true)
const BAD = label(names.SLO_GOOD, false)
const objective = (name: string): Label => label(names.SLO_OBJECTIVE, name)
const OBJECTIVES = [
  [objective('error'), 'errors'],
  [objective('time_to_first_token'), 'missedTimeToFirstToken'],
  [objective('time_per_output_token'), 'missedTimePerOutputToken'],
  [objective('duration'), 'missedDuration'],
] as const satisfies readonly (readonly [Label, keyof SloFigures])[]

/** Attainment = good / eligible; burn rate = (1 − attainment) / (1 − target), 1 = as fast as the target allows. */
const writeSlo = (writer: MetricsWriter, slo: SloFigures): void => {
  const { source, target, eligible, good, goodOutput } = slo
  const from = sourceLabel(source)
  writer.numbers(SLO_REQUESTS, [
    { value: good, labels: [GOOD, from] },
    { value: eligible - good, labels: [BAD, from] },
  ])
  writer.numbers(
    SLO_MISSES,
    OBJECTIVES.map(([name, figure]): Point => ({ value: slo[figure], labels: [name, from] })),
  )
  writer.numbers(SLO_GOOD_TOKENS, [{ value: goodOutput, labels: [from] }])
  writer.numbers(SLO_TARGET, [{ value: target, labels: [from] }])
  if (eligible === 0) return
  writer.numbers(SLO_ATTAINMENT, [{ value: good / eligible, labels: [from] }])
  writer.numbers(SLO_BURN_RATE, [{ value: (1 - good / eligible) / (1 - target), labels: [from] }])
}

/** Of both sources; whoever adds them up chooses one. */
const writeTenants = (writer: MetricsWriter, tenants: CorrelatedEvent['tenants'], currency: readonly Label[]): void => {
  if (tenants.length === 0) return
  const whose = tenants.map(({ tenant, source }) => [label(names.TENANT_ID, tenant), sourceLabel(source)])
  writer.numbers(
    TENANT_REQUESTS,
    tenants.map(({ requests }, i): Point => ({ value: requests, labels: whose[i]! })),
  )
  writer.numbers(
    TENANT_TOKENS,
    tenants.flatMap(({ input, output }, i): Point[] => [
      { value: input, labels: [INPUT, ...whose[i]!] },
      { value: output, labels: [OUTPUT, ...whose[i]!] },
    ]),
  )
  writer.numbers(
    TENANT_COST,
    tenants.flatMap(({ cost, idleCost }, i): Point[] => [
      { value: cost, labels: [PARTS.active, ...whose[i]!, ...currency] },
      { value: idleCost, labels: [PARTS.idle, ...whose[i]!, ...currency] },
    ]),
  )
  writer.numbers(
    TENANT_SLO_REQUESTS,
    tenants.flatMap(({ eligible, good }, i): Point[] => [
      { value: good, labels: [GOOD, ...whose[i]!] },
      { value: eligible === undefined || good === undefined ? undefined : eligible - good, labels: [BAD, ...whose[i]!] },
    ]),
  )
  writer.numbers(
    TENANT_ENERGY,
    tenants.map(({ energyJoules }, i): Point => ({ value: energyJoules, labels: whose[i]! })),
  )
}
