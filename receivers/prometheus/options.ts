/** `config:` as a Prometheus user writes it: `global` and `scrape_configs` of Prometheus 3. */
import { z } from 'zod'
import { byteSize, duration } from '../../config/options.js'
import { checkClient, client, type Refuse } from './client_options.js'
import { dnsOptions, fileOptions, httpOptions, labelMap, staticOptions } from './discovery/options.js'
import { relabelOptions } from './relabel/options.js'
import { strict } from './strict.js'

export const PROTOCOLS = ['OpenMetricsText1.0.0', 'OpenMetricsText0.0.1', 'PrometheusText1.0.0', 'PrometheusText0.0.4'] as const
const protocol = z.enum(PROTOCOLS, {
  error: issue =>
    issue.input === 'PrometheusProto' ? 'PrometheusProto is not spoken: list text protocols, which every target offers too' : undefined,
})

/** What `global` sets for all jobs and a job may set for itself. */
const shared = {
  scrape_protocols: z
    .array(protocol)
    .min(1)
    .optional()
    .describe('Formats asked for, best first: OpenMetricsText1.0.0, OpenMetricsText0.0.1, PrometheusText1.0.0, PrometheusText0.0.4.'),
  body_size_limit: byteSize()
    .optional()
    .describe('Largest body, uncompressed; a larger one fails the scrape. 64MiB by default, 0 = no limit.'),
  sample_limit: z
    .int()
    .nonnegative()
    .optional()
    .describe('Most samples of a scrape after relabelling; more fail it. 200000 by default, 0 = no limit.'),
  label_limit: z.int().nonnegative().optional().describe('Most labels of a series, its name included. 128 by default, 0 = no limit.'),
  label_name_length_limit: z.int().nonnegative().optional().describe('Longest label name, in bytes. 1024 by default, 0 = no limit.'),
  label_value_length_limit: z.int().nonnegative().optional().describe('Longest label value, in bytes. 8192 by default, 0 = no limit.'),
  target_limit: z.int().nonnegative().optional().describe('Most targets of a job; more fail all of them. 0, the default, = no limit.'),
}

const globalOptions = strict({
  scrape_interval: duration('1m').describe('How often targets are scraped.'),
  scrape_timeout: duration('10s').describe('How long a scrape may take; at most the interval.'),
  external_labels: labelMap().default({}).describe('Labels added to every series that has none of that name.'),
  ...shared,
})

const jobOptions = strict({
  job_name: z.string().min(1).describe('Name of the job: the label `job` and the resource’s `service.name`.'),
  scrape_interval: duration().optional().describe('How often targets are scraped; absent = as in `global`.'),
  scrape_timeout: duration().optional().describe('How long a scrape may take; absent = as in `global`, but at most the interval.'),
  metrics_path: z.string().startsWith('/').default('/metrics').describe('Path that is asked for.'),
  scheme: z.enum(['http', 'https']).default('http').describe('Protocol of the targets.'),
  params: z.record(z.string(), z.array(z.string())).default({}).describe('Parameters of the URL.'),
  honor_labels: z
    .boolean()
    .default(false)
    .describe('Where a series brings a label that the target has too: true keeps the series’ own, false renames it to `exported_…`.'),
  honor_timestamps: z
    .boolean()
    .default(true)
    .describe('Whether timestamps in the exposition count; else all samples are of the scrape’s time.'),
  track_timestamps_staleness: z
    .boolean()
    .default(false)
    .describe('Declare vanished series gone also where they bring their own timestamps.'),
  fallback_scrape_protocol: protocol.optional().describe('Format of targets that name none or an unknown one in Content-Type.'),
  enable_compression: z.boolean().default(true).describe('Ask for gzip.'),
  ...client('the targets'),
  static_configs: z.array(staticOptions).default([]).describe('Targets written here.'),
  file_sd_configs: z.array(fileOptions).default([]).describe('Targets read from files.'),
  dns_sd_configs: z.array(dnsOptions).default([]).describe('Targets looked up in DNS.'),
  http_sd_configs: z.array(httpOptions).default([]).describe('Targets that a URL lists.'),
  relabel_configs: z.array(relabelOptions).default([]).describe('Rules that rewrite or drop targets.'),
  metric_relabel_configs: z.array(relabelOptions).default([]).describe('Rules that rewrite or drop series.'),
  ...shared,
}).superRefine((job, context) => {
  const refuse: Refuse = (key, message) => context.addIssue({ code: 'custom', path: [key], message })
  checkClient(job, refuse)
  if (job.scrape_interval === 0) refuse('scrape_interval', 'the interval is above 0')
})

export const options = strict({
  config: strict({
    global: globalOptions.prefault({}).describe('What holds for all jobs.'),
    scrape_configs: z.array(jobOptions).min(1).describe('Jobs: what is scraped and how.'),
  }).describe('Prometheus’ own configuration.'),
  max_concurrent_scrapes: z
    .int()
    .positive()
    .default(1000)
    .describe('Most scrapes under way at once; further ones wait, and are skipped when their next one is due.'),
}).superRefine(({ config: { global, scrape_configs: jobs } }, context) => {
  const names = new Set<string>()
  jobs.forEach((job, index) => {
    const path = ['config', 'scrape_configs', index]
    if (names.has(job.job_name))
      context.addIssue({ code: 'custom', path: [...path, 'job_name'], message: `two jobs are named ${JSON.stringify(job.job_name)}` })
    names.add(job.job_name)
    const interval = job.scrape_interval ?? global.scrape_interval
    if (job.scrape_timeout !== undefined && job.scrape_timeout > interval)
      context.addIssue({ code: 'custom', path: [...path, 'scrape_timeout'], message: 'scrape_timeout is longer than scrape_interval' })
  })
  if (global.scrape_interval === 0)
    context.addIssue({ code: 'custom', path: ['config', 'global', 'scrape_interval'], message: 'the interval is above 0' })
  if (
    global.scrape_timeout > global.scrape_interval &&
    jobs.some(job => job.scrape_interval === undefined && job.scrape_timeout === undefined)
  )
    context.addIssue({
      code: 'custom',
      path: ['config', 'global', 'scrape_timeout'],
      message: 'scrape_timeout is longer than scrape_interval',
    })
})

export type Options = z.infer<typeof options>
type GlobalOptions = Options['config']['global']
type WrittenJob = Options['config']['scrape_configs'][number]

const DEFAULTS = {
  scrape_protocols: PROTOCOLS,
  body_size_limit: 64 * 2 ** 20,
  sample_limit: 200_000,
  label_limit: 128,
  label_name_length_limit: 1024,
  label_value_length_limit: 8192,
  target_limit: 0,
} as const

/** A job with everything that `global` and the defaults leave to say. */
export type JobOptions = Omit<WrittenJob, keyof typeof shared | 'scrape_interval' | 'scrape_timeout'> & {
  readonly [K in keyof typeof shared]: NonNullable<WrittenJob[K]> | (typeof DEFAULTS)[K]
} & {
  readonly scrape_interval: number
  readonly scrape_timeout: number
  readonly external_labels: ReadonlyMap<string, string>
}

export const completeJob = (job: WrittenJob, global: GlobalOptions): JobOptions => {
  const scrape_interval = job.scrape_interval ?? global.scrape_interval
  const pick = <K extends keyof typeof DEFAULTS>(key: K) => job[key] ?? global[key] ?? DEFAULTS[key]
  return {
    ...job,
    scrape_interval,
    scrape_timeout: job.scrape_timeout ?? Math.min(global.scrape_timeout, scrape_interval),
    external_labels: new Map(Object.entries(global.external_labels)),
    scrape_protocols: pick('scrape_protocols'),
    body_size_limit: pick('body_size_limit'),
    sample_limit: pick('sample_limit'),
    label_limit: pick('label_limit'),
    label_name_length_limit: pick('label_name_length_limit'),
    label_value_length_limit: pick('label_value_length_limit'),
    target_limit: pick('target_limit'),
  }
}
