/** The options of `workload_id`, and of the table files it reads. */
import { z } from 'zod'
import { duration } from '../../config/options.js'

const pattern = z.string().min(1)

const workload = z.strictObject({
  id: z
    .string()
    .min(1)
    .describe('The workload id. `{attribute}` is replaced by that attribute; an entry whose attribute is absent does not apply.'),
  match: z
    .record(z.string(), pattern)
    .default({})
    .describe('Attribute or label → what its value must be, all of them; `*` stands for any text, `?` for one character.'),
  models: z
    .array(z.string())
    .default([])
    .describe('Models it serves. A client span that names one belongs here when no other entry serves it.'),
})

const target = z.strictObject({
  address: pattern.describe('What clients call: `host` or `host:port` of server.address and server.port; `*` stands for any text.'),
  workload: z.string().min(1).describe('The workload behind it.'),
})

export const tables = z.strictObject({
  workloads: z
    .array(workload)
    .default([])
    .describe('Who is who, in order; the first entry that matches wins. Read before the default rules.'),
  targets: z.array(target).default([]).describe('Which workload answers at which address, in order.'),
})
export type TableEntries = z.infer<typeof tables>

export const options = tables.extend({
  cluster: z
    .string()
    .min(1)
    .default('default')
    .describe('Cluster of whatever names none: the first part of derived ids, on every signal alike.'),
  namespace: z.string().min(1).default('default').describe('Namespace of whatever names none.'),
  table_files: z
    .array(z.string())
    .default([])
    .describe('Files with `workloads:` and `targets:` lists, read after the inline ones and again when they change.'),
  refresh_interval: duration('5s').describe('How often table files are looked at for a change.'),
  exporter_pods: z
    .array(pattern)
    .default(['*dcgm-exporter*', '*device-metrics-exporter*', '*node-exporter*', 'nvidia-*', '*otel-collector*', '*prometheus*'])
    .describe('Names of pods that only report on others: such a pod name is not taken for the owner of what it reports.'),
})
export type Options = z.infer<typeof options>
