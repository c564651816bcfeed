import fc from 'fast-check'
import { Batch } from '../../proto/batch.js'
import { decodeEvents, eventsBatch } from '../../proto/events/codec.js'
import { BUCKETS, type CorrelatedEvent, type GpuTime, type LatencyName, type TenantFigures } from '../../proto/events/event.js'
import { bareEvent } from '../../proto/testing/events.js'
import { Assessor } from './assess.js'
import { options } from './options.js'

const HOUR = 3600
const gpu = (coverage: number, energyJoules?: number): Partial<CorrelatedEvent> => ({
  gpu: { count: 1, ids: ['a'], coverage, carriedSeconds: 0, ...(energyJoules === undefined ? {} : { energyJoules }) },
})
const busy = (seconds: number, model = 'H100'): GpuTime[] => [{ model, bucket: 'productive', seconds }]
const tokens = (input: number, output: number, cached = 0): Partial<CorrelatedEvent> => ({
  tokens: [{ source: 'engine_metrics', input, output, cached }],
})
const latency = (name: LatencyName, sum: number, late = false) => ({ name, count: 1, sum, bounds: [], bucketCounts: [1], late })
const serving = (...latencies: ReturnType<typeof latency>[]): Partial<CorrelatedEvent> => ({
  serving: { engines: 1, latencies, coverage: 1, carriedSeconds: 0 },
})
const assess = (written: object, ...changes: Partial<CorrelatedEvent>[]): CorrelatedEvent =>
  new Assessor(options.parse(written)).assess(bareEvent(Object.assign({}, ...changes)))
const price = (per_gpu_hour: number, more: object = {}) => ({ prices: [{ gpu: '*', per_gpu_hour, ...more }] })

describe('published test vectors', () => {
  test('InferenceX, OpenCost: $2.80 an hour and 1,000 tokens/s are $0.77778 a million tokens', () => {
    const { efficiency } = assess(price(2.8), { gpuTime: busy(HOUR) }, tokens(1.8e6, 1.8e6))
    expect((efficiency!.cost! / 3.6e6) * 1e6).toBeCloseTo(0.77778, 5)
  })

  test('InferenceX: 0.7 kW at 2,000 tokens/s are 0.35 J a token', () => {
    const { efficiency } = assess({}, { gpuTime: busy(10) }, gpu(1, 7000), tokens(10_000, 10_000))
    expect(efficiency).toMatchObject({ joulesPerToken: 0.35, joulesPerOutputToken: 0.7, tokensPerSecondPerGpu: 2000 })
  })

  test('OpenCost: cost of input and output by compute time adds up to the bill', () => {
    const { efficiency } = assess(
      price(3.2),
      { gpuTime: busy(HOUR) },
      tokens(12e6, 3e6, 0.8e6),
      serving(latency('prefill_duration', 500), latency('prefill_duration', 100, true), latency('decode_duration', 600)),
    )
    const { inputCost, outputCost, cost, costSplit } = efficiency!
    expect(costSplit).toBe('compute_time')
    expect(inputCost! / 11.2).toBeCloseTo(0.14286, 5)
    expect(outputCost! / 3).toBeCloseTo(0.53333, 5)
    expect((cost! / 15e6) * 1e6).toBeCloseTo(0.21333, 5)
    expect(inputCost! + outputCost!).toBeCloseTo(3.2, 12)
  })

  test('cached tokens are tokens, not blocks; more of them than input leave nothing negative', () => {
    const { efficiency } = assess(price(3.2), { gpuTime: busy(HOUR) }, tokens(12e6, 3e6, 12.8e6))
    expect(efficiency).toMatchObject({ costSplit: 'multiplier', inputCost: 0, outputCost: 3.2 })
  })

  test('without prefill and decode times an output token weighs 2.5 input tokens', () => {
    const { efficiency } = assess(price(3.2), { gpuTime: busy(HOUR) }, tokens(2.5e6, 1e6))
    expect(efficiency!.inputCost).toBeCloseTo(1.6, 12)
    expect(efficiency!.costSplit).toBe('multiplier')
  })

  test('l9gpu: 300 W, PUE 1.2 and 400 g a kWh are 0.04 g a second', () => {
    const { efficiency } = assess({ pue: 1.2, carbon_intensity: 400 }, { gpuTime: busy(10) }, gpu(1, 3000))
    expect(efficiency!.carbonGrams).toBeCloseTo(0.4, 12)
    expect(efficiency!.facilityJoules).toBeCloseTo(3600, 9)
  })

  test('Megatron-LM: 7 billion parameters, 4,096 tokens every 0.5 s on 989 TFLOPS are 34.8 % of them', () => {
    const { efficiency } = assess(
      { ...price(1, { peak_flops: 989e12 }), models: [{ workload: 'prod/*', active_parameters: 7e9, training: true }] },
      { gpuTime: busy(10) },
      gpu(1),
      tokens(4096 * 20, 0),
    )
    expect(efficiency!.modelFlopsUtilization).toBeCloseTo(0.348, 3)
  })
})

describe('the whole is the sum of its parts', () => {
  const row = fc.record({
    model: fc.constantFrom('H100', 'B200', 'T4'),
    bucket: fc.constantFrom(...BUCKETS),
    seconds: fc.double({ min: 0, max: 1000, noNaN: true }),
  })
  const amount = fc.integer({ min: 0, max: 1_000_000 })
  const tenant: fc.Arbitrary<TenantFigures> = fc.record({
    tenant: fc.string(),
    source: fc.constantFrom('engine_spans' as const, 'client_spans' as const),
    requests: fc.integer({ min: 1, max: 1000 }),
    input: amount,
    output: amount,
    cached: amount,
  })
  const close = (said: number, parts: readonly number[]) =>
    expect(Math.abs(parts.reduce((sum, part) => sum + part, 0) - said)).toBeLessThanOrEqual(1e-9 * Math.max(1e-6, Math.abs(said)))

  test.each(['keep', 'proportional'] as const)('money and energy of any window, idle: %s', idle => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1 }),
        fc.array(tenant),
        amount,
        amount,
        amount,
        amount,
        (gpuTime, tenants, input, output, cached, joules) => {
          const prices = [
            { gpu: 'H100', per_gpu_hour: 2.8, idle_power: 70 },
            { gpu: 'B*', per_gpu_hour: 5.1, source: 'contract', idle_power: 140 },
          ]
          const said = assess(
            { prices, idle, host_power_per_gpu: 100, pue: 1.3 },
            { gpuTime, tenants },
            gpu(1, joules),
            tokens(input, output, cached),
          )
          const { efficiency } = said
          const priced = gpuTime.filter(({ model }) => model !== 'T4')
          const bill = priced.reduce((sum, { model, seconds }) => sum + (seconds * (model === 'H100' ? 2.8 : 5.1)) / HOUR, 0)
          close(
            efficiency!.unpricedSeconds,
            gpuTime.filter(({ model }) => model === 'T4').map(({ seconds }) => seconds),
          )
          if (priced.length === 0) return expect(efficiency!.cost).toBeUndefined()
          const { cost = Number.NaN, activeCost = Number.NaN, idleCost = Number.NaN, unknownCost = Number.NaN } = efficiency!
          close(cost, [bill])
          close(cost, [activeCost, idleCost, unknownCost])
          close(
            cost,
            said.gpuTime.map(row => row.cost ?? 0),
          )
          if (efficiency!.costSplit !== '') close(activeCost, [efficiency!.inputCost!, efficiency!.outputCost!])
          const charged = said.tenants.filter(({ cost }) => cost !== undefined)
          expect(new Set(charged.map(({ source }) => source)).size).toBeLessThanOrEqual(1)
          if (tenants.length > 0) {
            close(
              activeCost,
              charged.map(({ cost }) => cost!),
            )
            close(
              joules - (efficiency!.idleJoules ?? 0),
              charged.map(({ energyJoules }) => energyJoules!),
            )
            if (idle === 'proportional')
              close(
                idleCost,
                charged.map(({ idleCost }) => idleCost!),
              )
            else expect(charged.every(({ idleCost }) => idleCost === undefined)).toBe(true)
          } else close(activeCost, [efficiency!.unattributedCost!])
          return undefined
        },
      ),
    )
  })
})

test('a good token costs what all of them did', () => {
  const slo = [
    {
      source: 'engine_spans' as const,
      target: 0.99,
      eligible: 0,
      good: 0,
      goodOutput: 0,
      errors: 0,
      missedTimeToFirstToken: 0,
      missedTimePerOutputToken: 0,
      missedDuration: 0,
    },
    {
      source: 'client_spans' as const,
      target: 0.99,
      eligible: 10,
      good: 5,
      goodOutput: 2000,
      errors: 0,
      missedTimeToFirstToken: 5,
      missedTimePerOutputToken: 0,
      missedDuration: 0,
    },
  ]
  expect(assess(price(3.6), { gpuTime: busy(1000), slo }).efficiency?.costPerGoodToken).toBeCloseTo(0.0005, 12)
  expect(assess(price(3.6), { gpuTime: busy(1000) }).efficiency).not.toHaveProperty('costPerGoodToken')
})

describe('what is not known is not said', () => {
  test('below half the time observed there are no ratios, but the bill stays', () => {
    const { efficiency } = assess(price(3.6), { gpuTime: busy(10) }, gpu(0.49, 7000), tokens(10, 10))
    expect(efficiency).not.toHaveProperty('joulesPerToken')
    expect(efficiency).not.toHaveProperty('tokensPerSecondPerGpu')
    expect(efficiency!.cost).toBeCloseTo(0.01, 12)
  })

  test('without prices there is no cost, without a second kind of price the source is named, else mixed', () => {
    expect(assess({}, { gpuTime: busy(10) }).efficiency).toEqual({ currency: 'USD', priceSource: '', unpricedSeconds: 10, costSplit: '' })
    expect(assess(price(1, { source: 'amortised' }), { gpuTime: busy(10) }).efficiency?.priceSource).toBe('amortised')
    const prices = [
      { gpu: 'a', per_gpu_hour: 1 },
      { gpu: 'b', per_gpu_hour: 1, source: 'contract' },
    ]
    expect(assess({ prices }, { gpuTime: [...busy(1, 'a'), ...busy(1, 'b')] }).efficiency?.priceSource).toBe('mixed')
  })

  test('an event without GPUs is the same object, and so is a batch of them', () => {
    const plain = bareEvent({})
    expect(new Assessor(options.parse({})).assess(plain)).toBe(plain)
  })

  test('what is added survives the wire', () => {
    const said = assess(
      price(3.6, { idle_power: 70 }),
      { gpuTime: busy(10), tenants: [{ tenant: 'x', source: 'client_spans', requests: 1, input: 1, output: 1, cached: 0 }] },
      gpu(1, 7000),
      tokens(10, 10),
    )
    const { slices } = eventsBatch([said])
    expect(decodeEvents(Batch.of('events', slices, 1))).toEqual([said])
  })
})
