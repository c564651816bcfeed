/** Telemetry → for each distinct resource and item, which rule finds its workload and why those before it do not. For people; the assigner decides alike. */
import type { Batch, Group } from '../../proto/batch.js'
import { ItemCursor } from '../../proto/views/items.js'
import { SPAN_KIND, SpanView } from '../../proto/views/traces.js'
import { ROLES } from '../../proto/vocabulary/roles.js'
import { UNKNOWN_CALLER } from './assign.js'
import { CALL_NAMES, ItemFacts, MODEL_CALL, POINT_NAMES, resourceTexts } from './facts.js'
import { layered } from './known.js'
import type { Options } from './options.js'
import { subjectOf, unallocated } from './points.js'
import { Resolver, type Verdict } from './resolver.js'
import { SPELLINGS } from './spellings.js'
import { readTables, type Tables } from './tables.js'

type Texts = ReadonlyMap<string, string>
const NO_TEXTS: Texts = new Map()

type What = 'span' | 'model call' | 'data point' | 'device sample' | 'log record'

export interface Explanation {
  readonly what: What
  readonly resource: Texts
  /** Attributes of the item that may decide. */
  readonly item: Texts
  /** Distinct names of the spans or metrics. */
  readonly names: Set<string>
  items: number
  /** Undefined: it belongs to nobody. */
  readonly workload: string | undefined
  readonly verdicts: readonly Verdict[]
  /** Of a call to a model: who calls. */
  readonly caller?: { readonly id: string; readonly verdicts: readonly Verdict[] }
}

export class Explainer {
  private readonly found = new Map<string, Explanation>()
  private readonly resolver: Resolver
  private readonly tables: Tables

  /** Throws ConfigError when a table file is wrong. */
  constructor(options: Options) {
    this.tables = readTables(options)
    this.resolver = new Resolver(this.tables, options)
  }

  /** In the order in which they first appeared. */
  get explanations(): readonly Explanation[] {
    return [...this.found.values()]
  }

  /** Throws WireError. */
  addBatch(batch: Batch): void {
    for (const group of batch.groups) this.addGroup(batch, group)
  }

  /** A scraped series: its labels stand where a data point's attributes stand. */
  addSeries(metric: string, labels: Texts): void {
    const decide = new Set([...POINT_NAMES, ...this.tables.attributes])
    this.addPoint(metric, NO_TEXTS, new Map([...labels].filter(([name]) => decide.has(name))))
  }

  private addGroup({ signal }: Batch, group: Group): void {
    const resource = resourceTexts(group.resource)
    const { attributes } = this.tables
    const own = new ItemFacts([...SPELLINGS.explicit, ...attributes])
    const calls = new ItemFacts([...CALL_NAMES, ...attributes])
    const points = new ItemFacts([...POINT_NAMES, ...attributes])
    const items = new ItemCursor(signal).over(group.rest)
    while (items.next()) {
      const { item, metric } = items
      if (metric) this.addPoint(metric.name(), resource, points.read(item, 0).texts(item))
      else if (item instanceof SpanView) {
        const asked = item.kind === SPAN_KIND.client ? calls : own
        this.addSpan(item, resource, asked.read(item, 0).texts(item))
      } else this.addOwn('log record', '', resource, own.read(item, 0).texts(item))
    }
  }

  private addSpan(span: SpanView, resource: Texts, item: Texts): void {
    const client = span.kind === SPAN_KIND.client && MODEL_CALL.some(name => item.has(name))
    if (!client || (!isExplicit(resource) && isExplicit(item))) this.addOwn('span', span.name(), resource, item)
    else this.add('model call', span.name(), resource, item, () => this.explainCall(resource, item))
  }

  private addOwn(what: What, name: string, resource: Texts, item: Texts): void {
    this.add(what, name, resource, item, () => outcome(this.resolver.explain(judged(resource, item), 'other')))
  }

  private addPoint(metric: string, resource: Texts, item: Texts): void {
    const subject = subjectOf(ROLES.get(metric))
    this.add(subject === 'device' ? 'device sample' : 'data point', metric, resource, item, () => {
      const facts = judged(resource, item)
      const verdicts = this.resolver.explain(facts, subject)
      const ids = this.resolver.resolve(facts, subject).map(({ id }) => id)
      if (ids.length === 0 && subject === 'device') ids.push(unallocated(item, resource).id)
      return { workload: ids.length > 0 ? ids.join(', ') : undefined, verdicts }
    })
  }

  private explainCall(resource: Texts, item: Texts): Pick<Explanation, 'workload' | 'verdicts' | 'caller'> {
    const call = outcome(this.resolver.explainCall(layered(item, resource)))
    const own = outcome(this.resolver.explain(layered(NO_TEXTS, resource), 'other'))
    if (call.workload === undefined && isExplicit(resource)) return { ...call, workload: own.workload }
    return call.workload === own.workload && call.workload !== undefined
      ? call
      : { ...call, caller: { id: own.workload ?? UNKNOWN_CALLER, verdicts: own.verdicts } }
  }

  private add(
    what: What,
    name: string,
    resource: Texts,
    item: Texts,
    explain: () => Pick<Explanation, 'workload' | 'verdicts' | 'caller'>,
  ): void {
    const key = JSON.stringify([what, ...resource, null, ...item])
    let explanation = this.found.get(key)
    if (!explanation) {
      explanation = { what, resource, item, names: new Set(), items: 0, ...explain() }
      this.found.set(key, explanation)
    }
    if (name !== '') explanation.names.add(name)
    explanation.items++
  }
}

const isExplicit = (texts: Texts): boolean => SPELLINGS.explicit.some(name => texts.has(name))

/** What is explicit on the resource is not asked of the item. */
const judged = (resource: Texts, item: Texts) => layered(isExplicit(resource) ? NO_TEXTS : item, resource)

const outcome = (verdicts: readonly Verdict[]): { workload: string | undefined; verdicts: readonly Verdict[] } => {
  const last = verdicts.at(-1)
  return { workload: last && 'id' in last ? last.id : undefined, verdicts }
}
