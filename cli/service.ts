/** The `service:` section: which pipelines run, and what the gateway tells of itself. */
import { z } from 'zod'
import { duration } from '../config/options.js'
import { telemetryOptions } from '../runtime/telemetry/options.js'

const ids = (what: string) => z.array(z.string().min(1)).describe(what)

const pipeline = z.strictObject({
  receivers: ids('Where telemetry comes in; a receiver may feed several pipelines.').min(1, 'name at least one receiver'),
  processors: ids('What is done to it, in this order.').default([]),
  exporters: ids('Where it goes; each exporter gets everything.').min(1, 'name at least one exporter'),
})

export const serviceSection = z.strictObject({
  extensions: ids('Extensions to start; one that is configured but not named here is not started.').default([]),
  pipelines: z
    .record(z.string().min(1), pipeline)
    .refine(
      pipelines => Object.keys(pipelines).length > 0,
      'configure at least one pipeline, such as "traces:" with receivers and exporters',
    )
    .describe('Name → pipeline. `traces`, `metrics/x` and `logs/y` carry one signal, any other name carries all.'),
  telemetry: telemetryOptions,
  shutdown_timeout: duration('30s').describe('How long a stop may take to deliver what is still held.'),
})
export type Service = z.infer<typeof serviceSection>
