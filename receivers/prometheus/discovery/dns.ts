/** `dns_sd_configs`: targets that a name in DNS stands for. Source of the labels: prometheus/prometheus discovery/dns/dns.go. */
import { Resolver } from 'node:dns/promises'
import type { Context, Counter } from '../../../runtime/component.js'
import { codeOf, messageOf } from '../failure.js'
import type { Labels } from '../relabel/relabel.js'
import type { Discovery } from './discovery.js'
import type { DnsOptions } from './options.js'

/** Answers that say: there is no such name, or nothing of that kind. Any other fault leaves open what is there. */
const NOTHING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])

/** The part of Node's resolver that is asked; tests point it to a server of their own. */
export type Lookup = Pick<Resolver, 'resolve4' | 'resolve6' | 'resolveSrv' | 'cancel'>

export class DnsDiscovery implements Discovery {
  private cancelRefresh: (() => void) | undefined
  private asking: Promise<void> = Promise.resolve()
  private stopped = true
  private answers = new Map<string, readonly Labels[]>()
  private faults = new Map<string, string>()
  private last = ''

  constructor(
    private readonly options: DnsOptions,
    private readonly job: string,
    private readonly context: Context,
    private readonly failures: Counter,
    private readonly resolver: Lookup = new Resolver({ timeout: 5000, tries: 2 }),
  ) {}

  start(found: (labelSets: readonly Labels[]) => void): void {
    this.stopped = false
    this.answers = new Map()
    this.last = ''
    this.refresh(found)
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.cancelRefresh?.()
    this.resolver.cancel()
    await this.asking
  }

  private refresh(found: (labelSets: readonly Labels[]) => void): void {
    if (this.stopped) return
    this.asking = this.ask(found).finally(() => {
      if (!this.stopped) this.cancelRefresh = this.context.clock.after(this.options.refresh_interval, () => this.refresh(found))
    })
  }

  private async ask(found: (labelSets: readonly Labels[]) => void): Promise<void> {
    await Promise.all(
      this.options.names.map(async name => {
        try {
          this.answers.set(name, await this.lookUp(name))
          this.faults.delete(name)
        } catch (error) {
          if (this.stopped) return
          this.failures.add(1)
          this.tell(name, messageOf(error))
        }
      }),
    )
    if (this.stopped) return
    const sets = this.options.names.flatMap(name => this.answers.get(name) ?? [])
    const now = JSON.stringify(sets.map(labels => Array.from(labels)).sort())
    if (now === this.last) return
    this.last = now
    found(sets)
  }

  private async lookUp(name: string): Promise<Labels[]> {
    const { type, port } = this.options
    try {
      if (type === 'SRV')
        return (await this.resolver.resolveSrv(name)).map(record =>
          this.labels(
            name,
            `${record.name.replace(/\.+$/, '')}:${record.port}`,
            `${record.name.replace(/\.*$/, '.')}`,
            String(record.port),
          ),
        )
      const addresses = type === 'A' ? await this.resolver.resolve4(name) : await this.resolver.resolve6(name)
      return addresses.map(address => this.labels(name, type === 'A' ? `${address}:${port}` : `[${address}]:${port}`, '', ''))
    } catch (error) {
      if (NOTHING.has(codeOf(error))) return []
      throw error
    }
  }

  private labels(name: string, address: string, srvTarget: string, srvPort: string): Labels {
    return new Map([
      ['__address__', address],
      ['__meta_dns_name', name],
      ['__meta_dns_srv_record_target', srvTarget],
      ['__meta_dns_srv_record_port', srvPort],
    ])
  }

  private tell(name: string, error: string): void {
    if (this.faults.get(name) === error) return
    this.faults.set(name, error)
    this.context.log.error('a name of targets cannot be looked up; its last targets stay', { job: this.job, name, error })
  }
}
