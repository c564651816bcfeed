import { randomInt } from 'node:crypto'
import { Admission } from '../../runtime/admission.js'
import { component } from '../../runtime/component.js'
import { STREAMS } from '../../streams/index.js'
import { Job } from './job.js'
import type { Shared } from './loop.js'
import { completeJob, options } from './options.js'
import { Places } from './places.js'
import { Turns } from './turns.js'

export default component({
  kind: 'receiver',
  type: 'prometheus',
  summary: 'Scrapes Prometheus and OpenMetrics endpoints, configured as Prometheus is.',
  stability: 'beta',
  signals: ['metrics'],
  config: options,
  examples: {
    'GPUs and engines, each at its own pace': `config:
  scrape_configs:
    - job_name: dcgm
      scrape_interval: 5s
      honor_labels: true
      static_configs:
        - targets: [gpu-node-1:9400, gpu-node-2:9400]
    - job_name: vllm
      scrape_interval: 5s
      static_configs:
        - targets: [vllm-0.vllm.llm.svc:8000]
          labels: { ai_factory.workload.id: prod/llm/vllm }
`,
    'Targets from files and from DNS, relabelled': `config:
  global:
    scrape_interval: 15s
    external_labels: { cluster: prod }
  scrape_configs:
    - job_name: node
      file_sd_configs:
        - files: [/etc/gateway/targets/*.yaml]
      metric_relabel_configs:
        - source_labels: [__name__]
          regex: node_(network|infiniband|disk)_.*
          action: keep
    - job_name: vllm
      dns_sd_configs:
        - names: [vllm.llm.svc.cluster.local]
          type: A
          port: 8000
      relabel_configs:
        - source_labels: [__meta_dns_name]
          regex: ([^.]+)\\..*
          target_label: service
`,
    'With TLS and a token': `config:
  scrape_configs:
    - job_name: secured
      scheme: https
      authorization: { credentials_file: /var/run/secrets/token }
      tls_config: { ca_file: /etc/gateway/ca.crt }
      static_configs:
        - targets: [metrics.example.com:443]
`,
  },
  create({ config, max_concurrent_scrapes }, context) {
    const streams = context.host.get(STREAMS)
    const shared: Shared = {
      context,
      admission: context.host.get(Admission),
      mine: key => streams.mine(key),
      turns: new Turns(context.clock),
      places: new Places(max_concurrent_scrapes),
      seed: randomInt(2 ** 31),
    }
    const jobs = config.scrape_configs.map(job => new Job(completeJob(job, config.global), shared))
    const stop = async (deadline: AbortSignal): Promise<void> => {
      let expire = (): void => {}
      const expired = new Promise<void>(resolve => {
        expire = resolve
      })
      if (deadline.aborted) expire()
      deadline.addEventListener('abort', expire, { once: true })
      await Promise.all(jobs.map(job => job.stop(expired)))
      deadline.removeEventListener('abort', expire)
    }
    return {
      async start() {
        try {
          for (const job of jobs) await job.start()
        } catch (error) {
          await stop(AbortSignal.abort())
          throw error
        }
      },
      stop,
    }
  },
})
