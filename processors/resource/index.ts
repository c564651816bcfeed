import { z } from 'zod'
import { AttributeEditor } from '../../proto/attribute-edit.js'
import { type Batch, SIGNALS } from '../../proto/batch.js'
import { actionsOf, attributeActions } from '../../runtime/attribute-actions.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'

/** Items are not looked at: a group with a changed resource shares the bytes of all its items. */
const withResources = (batch: Batch, editor: AttributeEditor): Batch => {
  const groups = batch.groups.map(group => editor.editResource(group))
  return groups.some((group, index) => group !== batch.groups[index]) ? batch.withGroups(groups) : batch
}

export default component({
  kind: 'processor',
  type: 'resource',
  summary: 'Inserts, updates and deletes attributes of the resource, once for all the items it sent.',
  stability: 'beta',
  signals: SIGNALS.filter(signal => signal !== 'events'),
  config: z.strictObject({
    attributes: attributeActions().describe(
      'What to do with the resource’s attributes, in order; each action sees what those before it did.',
    ),
  }),
  examples: {
    'Say which cluster this gateway stands in': 'attributes:\n  - {key: k8s.cluster.name, value: factory-1, action: upsert}\n',
    'Copy, then remove': [
      'attributes:',
      '  - {key: host.name, from_attribute: node, action: insert}',
      '  - {key: node, action: delete}',
      '',
    ].join('\n'),
  },
  create(config, { next }) {
    const editor = new AttributeEditor(actionsOf(config.attributes))
    return { consume: async batch => next(refusingUnreadable('malformed', () => withResources(batch, editor))) }
  },
})
