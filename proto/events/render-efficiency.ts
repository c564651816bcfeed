/** Device time, money and energy of a correlated event as metrics; deltas like all of them. */
import * as names from '../vocabulary/attributes.js'
import type { CorrelatedEvent, Efficiency } from './event.js'
import { gauge, type Label, label, type MetricsWriter, type Point, sum } from './metrics-writer.js'

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
const INPUT = label(names.TOKEN_TYPE, 'input')
const OUTPUT = label(names.TOKEN_TYPE, 'output')
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
] as const satisfies readonly (readonly [unknown, keyof Efficiency])[]

export const writeEfficiency = (writer: MetricsWriter, { gpuTime, tenants, efficiency }: CorrelatedEvent): void => {
  const currency = efficiency ? [label(names.CURRENCY, efficiency.currency)] : NONE
  if (gpuTime.length > 0) {
    const kinds = gpuTime.map(({ model, bucket }) => [label(names.BUCKET, bucket), label(names.GPU_MODEL, model)])
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

/** Of both sources; whoever adds them up chooses one. */
const writeTenants = (writer: MetricsWriter, tenants: CorrelatedEvent['tenants'], currency: readonly Label[]): void => {
  if (tenants.length === 0) return
  const whose = tenants.map(({ tenant, source }) => [label(names.TENANT_ID, tenant), label(names.FIGURE_SOURCE, source)])
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
    TENANT_ENERGY,
    tenants.map(({ energyJoules }, i): Point => ({ value: energyJoules, labels: whose[i]! })),
  )
}
