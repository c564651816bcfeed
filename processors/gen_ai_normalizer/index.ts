import { z } from 'zod'
import type { Batch } from '../../proto/batch.js'
import { ItemEditor } from '../../proto/edit.js'
import type { ItemCursor } from '../../proto/views/items.js'
import { DIALECTS, type DialectName } from '../../proto/vocabulary/gen_ai/dialects.js'
import { Fields, type Writer } from '../../proto/wire.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'
import { Normalizer } from './normalizer.js'

const NAMES = Object.keys(DIALECTS) as [DialectName, ...DialectName[]]

const options = z.strictObject({
  dialects: z
    .array(z.enum(NAMES))
    .default([...NAMES])
    .describe('Which dialects are read. Where two tell the same, the first one in this list counts.'),
  keep_originals: z
    .boolean()
    .default(true)
    .describe(
      '`true`: what was read stays beside what is written, for dashboards that ask for it. `false`: attributes that were read whole are removed.',
    ),
})

export default component({
  kind: 'processor',
  type: 'gen_ai_normalizer',
  summary: 'Writes the names of OpenTelemetry’s generative AI conventions (v1.41.1) on spans that speak another dialect.',
  stability: 'alpha',
  signals: ['traces'],
  config: options,
  examples: {
    'Every dialect, originals kept': '{}\n',
    'Two of them, renamed': 'dialects: [openinference, vercel]\nkeep_originals: false\n',
  },
  create({ dialects, keep_originals }, { next, meter, id }) {
    const unfit = (dialect: DialectName): void =>
      meter
        .counter(
          'ai_factory_gateway_gen_ai_unfit_values_total',
          'Attribute values that could not be read as what they should be, and were left alone.',
          {
            processor: id,
            dialect,
          },
        )
        .add(1)
    const normalizer = new Normalizer(dialects, unfit)
    const editor = new ItemEditor('traces')
    const add = ({ item }: ItemCursor): Uint8Array | undefined => normalizer.find(item.attributes).added
    const fields = new Fields()
    /** The span without the attributes that were read, and with what they say behind it. */
    const replace = ({ item }: ItemCursor, body: Writer): boolean => {
      const { added, read } = normalizer.find(item.attributes)
      if (!added && read.length === 0) return false
      fields.reset(item.bytes, item.start, item.end)
      let attribute = 0
      while (fields.next()) {
        if (fields.number === item.attributesField && read.includes(attribute++)) continue
        body.raw(item.bytes, fields.tagStart, fields.end)
      }
      if (added) body.raw(added)
      return true
    }
    const normalized = (batch: Batch): Batch => {
      const groups = batch.groups.map(group => {
        const rest = keep_originals ? editor.append(group.rest, add) : editor.edit(group.rest, replace)
        return rest === group.rest ? group : group.withRest(rest)
      })
      return groups.some((group, at) => group !== batch.groups[at]) ? batch.withGroups(groups) : batch
    }
    return { consume: async batch => next(refusingUnreadable('malformed', () => normalized(batch))) }
  },
})
