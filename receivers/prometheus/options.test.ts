import { parse } from 'yaml'
import prometheus from './index.js'
import { completeJob, options } from './options.js'

const refusal = (yaml: string): string =>
  options
    .safeParse(parse(yaml))
    .error?.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`)
    .join('; ') ?? 'accepted'
const jobs = (job: string): string => `config: { scrape_configs: [{ job_name: a, ${job} }] }`

test('the examples are accepted', () => {
  for (const example of Object.values(prometheus.examples)) expect(refusal(example)).toBe('accepted')
})

test.each([
  [
    jobs('kubernetes_sd_configs: []'),
    'kubernetes_sd_configs is not supported: use dns_sd_configs with a headless service, or file_sd_configs',
  ],
  ['config: { scrape_configs: [{ job_name: a }], rule_files: [] }', 'rule_files is not supported: rules are the backend’s work; remove it'],
  [jobs('scrape_intervall: 5s'), 'Unrecognized key'],
  [jobs('static_configs: [{ targets: ["http://a:1/metrics"] }]'), 'expected host:port without scheme and path'],
  [jobs('scrape_interval: 1s, scrape_timeout: 2s'), 'scrape_timeout is longer than scrape_interval'],
  [jobs('scrape_interval: 0'), 'the interval is above 0'],
  [jobs('dns_sd_configs: [{ names: [x], type: A }]'), 'records of type A and AAAA need a port'],
  [jobs('file_sd_configs: [{ files: [x.toml] }]'), 'a file of targets ends in .json, .yml or .yaml'],
  [jobs('basic_auth: {}, authorization: {}'), 'either basic_auth or authorization'],
  [jobs('scrape_protocols: [PrometheusProto]'), 'PrometheusProto is not spoken'],
  [jobs('metric_relabel_configs: [{ regex: "(?=x)", target_label: b }]'), 'RE2 has no look-around'],
  ['config: { scrape_configs: [{ job_name: a }, { job_name: a }] }', 'two jobs are named "a"'],
  ['config: { global: { scrape_interval: 5s }, scrape_configs: [{ job_name: a }] }', 'scrape_timeout is longer than scrape_interval'],
])('refuses %s', (yaml, expected) => {
  expect(refusal(yaml)).toContain(expected)
})

test('a job says what it wants, global what jobs leave out, and limits are on where nobody says anything', () => {
  const { config } = options.parse(
    parse(
      'config: { global: { scrape_interval: 20s, label_limit: 30 }, scrape_configs: [{ job_name: a, scrape_interval: 5s, sample_limit: 0 }, { job_name: b }] }',
    ),
  )
  const [a, b] = config.scrape_configs.map(job => completeJob(job, config.global))
  expect(a).toMatchObject({ scrape_interval: 5000, scrape_timeout: 5000, sample_limit: 0, label_limit: 30, body_size_limit: 64 * 2 ** 20 })
  expect(b).toMatchObject({ scrape_interval: 20_000, scrape_timeout: 10_000, sample_limit: 200_000, label_limit: 30 })
})
