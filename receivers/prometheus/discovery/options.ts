/** Where targets are found: `static_configs` and `*_sd_configs`. */
import { z } from 'zod'
import { duration, url } from '../../../config/options.js'
import { checkClient, client } from '../client_options.js'
import { strict } from '../strict.js'

const labelName = z.string().regex(/^[^\s]/u, 'a label name is not empty')
export const labelMap = () =>
  z
    .record(labelName, z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]))
    .refine(labels => !Object.hasOwn(labels, '__name__'), 'the label __name__ is the metric’s name and cannot be set here')

const target = z.string().refine(address => address !== '' && !/[/\s]/.test(address), {
  error: 'expected host:port without scheme and path, such as "node-1:9400"; set scheme and metrics_path on the job',
})
export const staticOptions = strict({
  targets: z.array(target).describe('Addresses, each `host:port`.'),
  labels: labelMap().default({}).describe('Labels that these targets get.'),
})

export const fileOptions = strict({
  files: z
    .array(z.string().regex(/\.(json|ya?ml)$/, 'a file of targets ends in .json, .yml or .yaml'))
    .min(1)
    .describe('Files with lists of `{targets, labels}`; the last part of a path may hold `*`. Read again as soon as they change.'),
  refresh_interval: duration('5m').describe('How often the files are read in any case.'),
})

export const dnsOptions = strict({
  names: z.array(z.string().min(1)).min(1).describe('Names that are looked up.'),
  type: z
    .string()
    .transform(type => type.toUpperCase())
    .pipe(z.enum(['SRV', 'A', 'AAAA']))
    .prefault('SRV')
    .describe('Records asked for: SRV, A or AAAA.'),
  port: z.int().min(1).max(65_535).optional().describe('Port of the targets; needed for A and AAAA, SRV records bring their own.'),
  refresh_interval: duration('30s').describe('How often the names are looked up.'),
}).refine(({ type, port }) => type === 'SRV' || port !== undefined, { path: ['port'], error: 'records of type A and AAAA need a port' })

export const httpOptions = strict({
  url: url().describe('Answers with a JSON list of `{targets, labels}`, as application/json.'),
  refresh_interval: duration('1m').describe('How often it is asked, and how long an answer may take.'),
  ...client('that place'),
}).superRefine((options, context) => {
  checkClient(options, (key, message) => context.addIssue({ code: 'custom', path: [key], message }))
  if (options.refresh_interval === 0) context.addIssue({ code: 'custom', path: ['refresh_interval'], message: 'the interval is above 0' })
})

export type StaticOptions = z.infer<typeof staticOptions>
export type FileOptions = z.infer<typeof fileOptions>
export type DnsOptions = z.infer<typeof dnsOptions>
export type HttpOptions = z.infer<typeof httpOptions>
