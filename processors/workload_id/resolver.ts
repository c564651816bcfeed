/** Facts → the workload they belong to. Only tables and rules: never from telemetry seen earlier, so that two gateways agree. */

import type { Options } from './options.js'
import { matcher } from './pattern.js'
import { type Defaults, EXPLICIT, LOGICAL_RULES, type Rule, UNIT_RULES } from './rules.js'
import type { Facts } from './spellings.js'
import type { Identity, Tables } from './tables.js'

/** What the facts describe: a GPU's or node's sample must not be taken for its exporter's. */
export type Subject = 'device' | 'other'

export const UNALLOCATED = 'unallocated'

/** One rule's answer, for people. */
export interface Verdict {
  rule: string
  needs: string
  id: string | undefined
}

export class Resolver {
  private readonly defaults: Defaults

  constructor(
    private readonly tables: Tables,
    { cluster, namespace, exporter_pods }: Pick<Options, 'cluster' | 'namespace' | 'exporter_pods'>,
  ) {
    const exporters = exporter_pods.map(matcher)
    this.defaults = { cluster, namespace, isExporterPod: pod => exporters.some(matches => matches(pod)) }
  }

  /** The workloads the facts belong to: none, one, or several for a device that the tables give to several. */
  resolve(facts: Facts, subject: Subject): Identity[] {
    const explicit = EXPLICIT.id(facts, this.defaults)
    if (explicit) return [{ id: explicit, source: EXPLICIT.source, confidence: EXPLICIT.confidence }]
    const listed = this.tables.matching(facts)
    if (listed.length > 1 && subject === 'device') return listed.map(id => ({ id, source: 'table', confidence: 'shared' }))
    if (listed[0] !== undefined) return [{ id: listed[0], source: 'table', confidence: 'exact' }]
    for (const rule of this.rulesFor(subject)) {
      const id = rule.id(facts, this.defaults)
      if (id) return [{ id, source: rule.source, confidence: rule.confidence }]
    }
    return []
  }

  /** The workload that a client span with these facts calls. */
  called(facts: Facts): Identity | undefined {
    const address = facts.attribute('server.address') ?? facts.attribute('net.peer.name')
    if (address !== undefined) {
      const target = this.tables.target(address, facts.attribute('server.port') ?? facts.attribute('net.peer.port'))
      if (target) return { id: target, source: 'target', confidence: 'exact' }
      const service = /^([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.|$)/.exec(address)
      if (service)
        return {
          id: `${facts.get('cluster') ?? this.defaults.cluster}/${service[2]}/${service[1]}`,
          source: 'kubernetes_service',
          confidence: 'derived',
        }
    }
    const model = facts.get('model')
    const serving = model === undefined ? undefined : this.tables.serving(model)
    return serving === undefined ? undefined : { id: serving, source: 'model_table', confidence: 'derived' }
  }

  /** Every rule's answer in order; the first with an id is the one that holds. */
  explain(facts: Facts, subject: Subject): Verdict[] {
    const ask = (rule: Rule): Verdict => ({ rule: rule.source, needs: rule.needs, id: rule.id(facts, this.defaults) })
    return [
      ask(EXPLICIT),
      { rule: 'table', needs: 'an entry of the workloads table that matches', id: this.tables.matching(facts)[0] },
      ...this.rulesFor(subject).map(ask),
    ]
  }

  private rulesFor(subject: Subject): readonly Rule[] {
    return subject === 'device' ? UNIT_RULES : [...UNIT_RULES, ...LOGICAL_RULES]
  }
}
