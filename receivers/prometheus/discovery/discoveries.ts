/** All ways a job finds its targets, as one list that changes. */
import type { Context } from '../../../runtime/component.js'
import type { JobOptions } from '../options.js'
import type { Labels } from '../relabel/relabel.js'
import type { Discovery } from './discovery.js'
import { DnsDiscovery } from './dns.js'
import { FileDiscovery } from './file.js'
import { HttpDiscovery } from './http.js'
import { labelSets } from './static.js'

export class Discoveries {
  private readonly sources: readonly Discovery[]
  private found: (readonly Labels[])[] = []

  constructor(
    private readonly job: JobOptions,
    context: Context,
    private readonly update: (labelSets: readonly Labels[]) => void,
  ) {
    const failures = (mechanism: string) =>
      context.meter.counter(
        'ai_factory_gateway_discovery_failures_total',
        'Times that targets could not be looked up; the last ones stay.',
        { component: context.id, job: job.job_name, mechanism },
      )
    this.sources = [
      ...job.file_sd_configs.map(options => new FileDiscovery(options, job.job_name, context, failures('file'))),
      ...job.dns_sd_configs.map(options => new DnsDiscovery(options, job.job_name, context, failures('dns'))),
      ...job.http_sd_configs.map(options => new HttpDiscovery(options, job.job_name, context, failures('http'))),
    ]
  }

  start(): void {
    const written = labelSets(this.job.static_configs)
    this.found = this.sources.map(() => [])
    this.update(written)
    for (const [index, source] of this.sources.entries())
      source.start(sets => {
        this.found[index] = sets
        this.update([...written, ...this.found.flat()])
      })
  }

  async stop(): Promise<void> {
    await Promise.all(this.sources.map(source => source.stop()))
  }
}
