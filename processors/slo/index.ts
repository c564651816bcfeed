import { writeAttribute } from '../../proto/attribute.js'
import type { Batch, Group } from '../../proto/batch.js'
import { ItemEditor } from '../../proto/edit.js'
import { SPAN } from '../../proto/fields.js'
import { ResourceView } from '../../proto/views/resource.js'
import { SpanView } from '../../proto/views/traces.js'
import { SLO_GOOD, SLO_MISSED, SLO_TARGET, WORKLOAD_ID } from '../../proto/vocabulary/attributes.js'
import { Writer } from '../../proto/wire.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'
import { Judge, MISSED, type Verdict } from './judge.js'
import { type Options, options } from './options.js'

const WORKLOAD = Buffer.from(WORKLOAD_ID)

/** Judges the requests of a batch and writes the verdict on their spans. */
class Marker {
  private readonly judge: Judge
  private readonly editor = new ItemEditor('traces')
  private readonly resource = new ResourceView()
  private readonly tenantKeys: readonly Uint8Array[]
  /** Verdict → the attributes that say so. */
  private readonly marks = new Map<string, Uint8Array>()

  constructor({ objectives, tenant_attributes }: Options) {
    this.judge = new Judge(objectives)
    this.tenantKeys = tenant_attributes.map(key => Buffer.from(key))
  }

  /** The same batch when nothing in it is judged. Throws WireError. */
  mark(batch: Batch): Batch {
    const groups = batch.groups.map(group => this.markGroup(group))
    return groups.some((group, at) => group !== batch.groups[at]) ? batch.withGroups(groups) : batch
  }

  private markGroup(group: Group): Group {
    const { attributes } = this.resource.read(group.resource)
    const objectives = this.judge.of(attributes.string(WORKLOAD) ?? '')
    if (objectives.length === 0) return group
    const rest = this.editor.append(group.rest, ({ item }) => {
      if (!(item instanceof SpanView)) return undefined
      const verdict = this.judge.judge(
        item,
        objectives,
        () => item.attributes.firstText(this.tenantKeys) ?? attributes.firstText(this.tenantKeys) ?? '',
      )
      return verdict && this.markOf(verdict)
    })
    return rest === group.rest ? group : group.withRest(rest)
  }

  private markOf({ missed, target }: Verdict): Uint8Array {
    const key = `${missed} ${target}`
    let mark = this.marks.get(key)
    if (!mark) {
      const writer = new Writer(128)
      writeAttribute(writer, SPAN.attributes, SLO_GOOD, missed === 0)
      const names = Object.entries(MISSED).flatMap(([name, bit]) => (missed & bit ? [name] : []))
      if (names.length > 0) writeAttribute(writer, SPAN.attributes, SLO_MISSED, names)
      writeAttribute(writer, SPAN.attributes, SLO_TARGET, target)
      mark = writer.finish()
      this.marks.set(key, mark)
    }
    return mark
  }
}

export default component({
  kind: 'processor',
  type: 'slo',
  summary:
    'Judges every inference request by what its workload or tenant was promised, and writes the verdict on its span. Stands before workload_join.',
  stability: 'alpha',
  signals: ['traces'],
  config: options,
  examples: {
    'Interactive chat': 'objectives:\n  - {workload: "prod/*", time_to_first_token: 500ms, time_per_output_token: 40ms}\n',
    'A customer was promised more than the others': [
      'objectives:',
      '  - {workload: "*", tenant: "gold-*", time_to_first_token: 300ms, duration: 10s, target: 0.999}',
      '  - {workload: "*", duration: 30s, target: 0.99}',
      '',
    ].join('\n'),
  },
  create(config, { next }) {
    const marker = new Marker(config)
    return { consume: async batch => next(refusingUnreadable('malformed', () => marker.mark(batch))) }
  },
})
