/** Facts → the workload they belong to. Only tables and rules: never from telemetry seen earlier, so that two gateways agree. */

import { matcher } from '../../config/pattern.js'
import { CALL_RULES } from './calls.js'
import type { Options } from './options.js'
import { type Defaults, EXPLICIT, LOGICAL_RULES, type Rule, UNIT_RULES } from './rules.js'
import type { Facts } from './spellings.js'
import type { Identity, Tables } from './tables.js'

/** What the facts describe: a GPU's or node's sample must not be taken for its exporter's. */
export type Subject = 'device' | 'other'

/** One rule's answer, for people: the id, or why there is none. */
export type Verdict = { readonly rule: string } & ({ readonly id: string } | { readonly why: string })

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
    for (const { source, confidence, answer } of CALL_RULES) {
      const found = answer(facts, this.tables, this.defaults)
      if ('id' in found) return { id: found.id, source, confidence }
    }
    return undefined
  }

  /** As `resolve`, with the answer of each rule up to the one that holds. */
  explain(facts: Facts, subject: Subject): Verdict[] {
    const ask = (rule: Rule): Verdict => {
      const id = rule.id(facts, this.defaults)
      return id ? { rule: rule.source, id } : { rule: rule.source, why: rule.unless?.(facts, this.defaults) ?? `needs ${rule.needs}` }
    }
    const [listed] = this.tables.matching(facts)
    return untilFound([
      () => ask(EXPLICIT),
      () => (listed === undefined ? { rule: 'table', why: this.tables.whyNoneMatches(facts) } : { rule: 'table', id: listed }),
      ...this.rulesFor(subject).map(rule => () => ask(rule)),
    ])
  }

  /** As `called`, with the answer of each rule up to the one that holds. */
  explainCall(facts: Facts): Verdict[] {
    return untilFound(
      CALL_RULES.map(({ source, answer }) => () => ({ rule: source, ...answer(facts, this.tables, this.defaults) })),
    )
  }

  private rulesFor(subject: Subject): readonly Rule[] {
    return subject === 'device' ? UNIT_RULES : [...UNIT_RULES, ...LOGICAL_RULES]
  }
}

const untilFound = (questions: readonly (() => Verdict)[]): Verdict[] => {
  const verdicts: Verdict[] = []
  for (const ask of questions) {
    const verdict = ask()
    verdicts.push(verdict)
    if ('id' in verdict) break
  }
  return verdicts
}
