/** `config:` as a Prometheus user writes it: `global` and `scrape_configs` of Prometheus 3. */
import { z } from 'zod'
import { byteSize, duration, secret } from '../../config/options.js'
import { relabelOptions } from './relabel/options.js'

/** Keys that Prometheus knows and this receiver does not: what to do instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  alerting: 'alerts are the backend’s work; remove it',
  rule_files: 'rules are the backend’s work; remove it',
  evaluation_interval: 'rules are the backend’s work; remove it',
  query_log_file: 'there are no queries here; remove it',
  remote_write: 'where metrics go is said under exporters; remove it',
  remote_read: 'there are no queries here; remove it',
  storage: 'nothing is stored here; remove it',
  scrape_config_files: 'write the jobs under scrape_configs, or merge files with several --config',
  http_sd_configs: 'use file_sd_configs or dns_sd_configs',
  kubernetes_sd_configs: 'use dns_sd_configs with a headless service, or file_sd_configs',
  consul_sd_configs: 'use dns_sd_configs with Consul’s DNS interface, or file_sd_configs',
  ec2_sd_configs: 'use file_sd_configs',
  oauth2: 'use authorization with credentials_file, kept fresh by a sidecar',
  proxy_url: 'targets are scraped directly; run the gateway where it reaches them',
  proxy_from_environment: 'targets are scraped directly; run the gateway where it reaches them',
  no_proxy: 'targets are scraped directly; remove it',
  scrape_classic_histograms: 'histograms of the text formats are always read; remove it',
  always_scrape_classic_histograms: 'histograms of the text formats are always read; remove it',
  native_histogram_bucket_limit: 'native histograms come by protobuf, which is not spoken; remove it',
  native_histogram_min_bucket_factor: 'native histograms come by protobuf, which is not spoken; remove it',
  convert_classic_histograms_to_nhcb: 'histograms keep their buckets in OTLP; remove it',
  metric_name_validation_scheme: 'names are taken in UTF-8 as they are; remove it',
  metric_name_escaping_scheme: 'names are taken in UTF-8 as they are; remove it',
  keep_dropped_targets: 'dropped targets are not kept; remove it',
}

/** An object whose unknown keys are refused, and those of Prometheus with a word on what to do. */
const strict = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return undefined
      const hints = issue.keys.flatMap(key => (Object.hasOwn(ELSEWHERE, key) ? [`${key} is not supported: ${ELSEWHERE[key]}`] : []))
      return hints.length > 0 ? hints.join('; ') : undefined
    },
  })

const labelName = z.string().regex(/^[^\s]/u, 'a label name is not empty')
const labelMap = () =>
  z
    .record(labelName, z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]))
    .refine(labels => !Object.hasOwn(labels, '__name__'), 'the label __name__ is the metric’s name and cannot be set here')

const target = z.string().refine(address => address !== '' && !/[/\s]/.test(address), {
  error: 'expected host:port without scheme and path, such as "node-1:9400"; set scheme and metrics_path on the job',
})
const staticOptions = strict({
  targets: z.array(target).describe('Addresses, each `host:port`.'),
  labels: labelMap().default({}).describe('Labels that these targets get.'),
})

const fileOptions = strict({
  files: z
    .array(z.string().regex(/\.(json|ya?ml)$/, 'a file of targets ends in .json, .yml or .yaml'))
    .min(1)
    .describe('Files with lists of `{targets, labels}`; the last part of a path may hold `*`. Read again as soon as they change.'),
  refresh_interval: duration('5m').describe('How often the files are read in any case.'),
})

const dnsOptions = strict({
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

const basicAuth = strict({
  username: z.string().default('').describe('User name.'),
  username_file: z.string().optional().describe('File that holds the user name; read at every scrape.'),
  password: secret().optional().describe('Password.'),
  password_file: z.string().optional().describe('File that holds the password; read at every scrape.'),
})
const authorization = strict({
  type: z.string().default('Bearer').describe('First word of the Authorization header.'),
  credentials: secret().optional().describe('The rest of the Authorization header.'),
  credentials_file: z.string().optional().describe('File that holds the credentials; read at every scrape.'),
})
const tlsVersion = z.enum(['TLS12', 'TLS13'])
const tls = strict({
  ca: z.string().optional().describe('Authorities that the target’s certificate is checked against, in PEM.'),
  ca_file: z.string().optional().describe('File that holds them.'),
  cert: z.string().optional().describe('Client certificate, in PEM.'),
  cert_file: z.string().optional().describe('File that holds it.'),
  key: secret().optional().describe('Key of the client certificate, in PEM.'),
  key_file: z.string().optional().describe('File that holds it.'),
  server_name: z.string().optional().describe('Name that the target’s certificate must carry, instead of its address.'),
  insecure_skip_verify: z.boolean().default(false).describe('Accept any certificate. Only for tests: anybody can then pose as the target.'),
  min_version: tlsVersion.default('TLS12').describe('Oldest TLS version spoken.'),
  max_version: tlsVersion.optional().describe('Newest TLS version spoken; absent = the newest there is.'),
})
const httpHeader = strict({
  values: z.array(z.string()).default([]).describe('Values.'),
  secrets: z.array(secret()).default([]).describe('Values that are never shown.'),
  files: z.array(z.string()).default([]).describe('Files that hold values; read at every scrape.'),
})

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
  enable_http2: z.boolean().default(true).describe('Taken for compatibility; scrapes speak HTTP/1.1, which every target does.'),
  follow_redirects: z.boolean().default(true).describe('Follow up to ten redirects.'),
  basic_auth: basicAuth.optional().describe('Credentials by HTTP Basic.'),
  authorization: authorization.optional().describe('Credentials in the Authorization header.'),
  tls_config: tls.optional().describe('TLS towards the targets.'),
  http_headers: z.record(z.string(), httpHeader).default({}).describe('More headers of the request.'),
  static_configs: z.array(staticOptions).default([]).describe('Targets written here.'),
  file_sd_configs: z.array(fileOptions).default([]).describe('Targets read from files.'),
  dns_sd_configs: z.array(dnsOptions).default([]).describe('Targets looked up in DNS.'),
  relabel_configs: z.array(relabelOptions).default([]).describe('Rules that rewrite or drop targets.'),
  metric_relabel_configs: z.array(relabelOptions).default([]).describe('Rules that rewrite or drop series.'),
  ...shared,
}).superRefine((job, context) => {
  const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
  if (job.basic_auth && job.authorization) refuse('authorization', 'a job has either basic_auth or authorization, not both')
  if (job.basic_auth?.password !== undefined && job.basic_auth.password_file !== undefined)
    refuse('basic_auth', 'set password or password_file, not both')
  if (job.authorization?.type.toLowerCase() === 'basic') refuse('authorization', 'for type Basic use basic_auth')
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
export type StaticOptions = z.infer<typeof staticOptions>
export type FileOptions = z.infer<typeof fileOptions>
export type DnsOptions = z.infer<typeof dnsOptions>
export type JobTls = NonNullable<WrittenJob['tls_config']>

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
