/** Objects of options that know Prometheus' own keys. */
import { z } from 'zod'

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
export const strict = <S extends z.ZodRawShape>(shape: S) =>
  z.strictObject(shape, {
    error: issue => {
      if (issue.code !== 'unrecognized_keys') return undefined
      const hints = issue.keys.flatMap(key => (Object.hasOwn(ELSEWHERE, key) ? [`${key} is not supported: ${ELSEWHERE[key]}`] : []))
      return hints.length > 0 ? hints.join('; ') : undefined
    },
  })
