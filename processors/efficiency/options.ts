import { z } from 'zod'

const price = z.strictObject({
  gpu: z
    .string()
    .min(1)
    .describe('Pattern (`*`, `?`) over the model as the device calls itself, such as `NVIDIA H100*`; the first that matches counts.'),
  per_gpu_hour: z
    .number()
    .nonnegative()
    .describe('Price of one GPU for an hour, in `currency`. A MIG slice or a time share pays its share of it.'),
  source: z.enum(['contract', 'amortised', 'list']).default('list').describe('Where the price comes from; stands beside every cost.'),
  idle_power: z
    .number()
    .nonnegative()
    .optional()
    .describe('Watts that the GPU takes with nothing to do. Absent = the energy is not split.'),
  peak_flops: z
    .number()
    .positive()
    .optional()
    .describe('Dense floating-point operations a second at the precision in use (H100 BF16: 989e12), for model FLOPs utilisation.'),
})

const model = z.strictObject({
  workload: z.string().min(1).describe('Pattern over the workload id; the first that matches counts.'),
  active_parameters: z.number().positive().describe('Parameters a token passes through (of a mixture of experts: the active ones).'),
  training: z.boolean().default(false).describe('`true`: 6 operations for each parameter and token instead of 2.'),
})

export const options = z.strictObject({
  currency: z.string().min(1).default('USD').describe('Of every price and cost.'),
  prices: z.array(price).default([]).describe('GPU prices. Time of GPUs without one is counted as unpriced, never as free.'),
  idle: z
    .enum(['keep', 'proportional'])
    .default('keep')
    .describe(
      '`keep`: idle time is a line of its own. `proportional`: tenants also carry it, by what they used (`idle_cost` beside their `cost`).',
    ),
  output_weight: z
    .number()
    .positive()
    .default(2.5)
    .describe('What an output token costs in input tokens, where engines do not tell prefill and decode times (OpenCost: 2.5).'),
  host_power_per_gpu: z
    .number()
    .nonnegative()
    .default(0)
    .describe('Watts of CPU, memory and network for each GPU, for energy at host level. 0 = not stated, and no host level.'),
  pue: z
    .number()
    .min(1)
    .optional()
    .describe('Power usage effectiveness of the building, for energy at facility level. Absent = no facility level.'),
  carbon_intensity: z.number().nonnegative().optional().describe('Grams of CO2 a kWh, for carbon.'),
  models: z.array(model).default([]).describe('What workloads run, for model FLOPs utilisation.'),
})

export type Options = z.infer<typeof options>
