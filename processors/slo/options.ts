import { z } from 'zod'
import { duration } from '../../config/options.js'
import { TENANT_KEYS } from '../../proto/vocabulary/usage.js'

const objective = z
  .strictObject({
    workload: z.string().min(1).default('*').describe('Pattern (`*`, `?`) over the workload id.'),
    tenant: z.string().min(1).optional().describe('Pattern over the tenant; absent = whoever it is, and requests that name none.'),
    time_to_first_token: duration()
      .optional()
      .describe('Longest time from the request to its first token. Requests that do not tell it (no streaming) are not judged.'),
    time_per_output_token: duration()
      .optional()
      .describe(
        'Longest mean time of each further token: (duration − time to first token) / (output tokens − 1). A single token has none, and meets it.',
      ),
    duration: duration().optional().describe('Longest time of the whole request.'),
    target: z.number().gt(0).lt(1).default(0.99).describe('Share of the requests that should meet all of it.'),
  })
  .refine(
    ({ time_to_first_token: first, time_per_output_token: each, duration: all }) =>
      first !== undefined || each !== undefined || all !== undefined,
    {
      error: 'an objective needs at least one of time_to_first_token, time_per_output_token and duration',
    },
  )

export const options = z.strictObject({
  objectives: z
    .array(objective)
    .min(1)
    .describe('What is promised; of several that fit a request the first counts. Requests that none fits are not judged.'),
  tenant_attributes: z
    .array(z.string().min(1))
    .default([...TENANT_KEYS])
    .describe('Attributes of a span, else of its resource, that name the tenant; as for `workload_join`.'),
})
export type Options = z.infer<typeof options>
