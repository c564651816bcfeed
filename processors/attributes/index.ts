import { z } from 'zod'
import { AttributeEditor } from '../../proto/attribute-edit.js'
import { type Batch, SIGNALS, type Signal } from '../../proto/batch.js'
import { ItemEditor } from '../../proto/edit.js'
import { actionsOf, attributeActions } from '../../runtime/attribute-actions.js'
import { component } from '../../runtime/component.js'
import { refusingUnreadable } from '../../runtime/errors.js'

/** Every group without a changed item is the one that came. */
const withItems = (batch: Batch, items: ItemEditor, attributes: AttributeEditor): Batch => {
  const groups = batch.groups.map(group => {
    const rest = items.edit(group.rest, (cursor, body) => attributes.editItem(cursor, body))
    return rest === group.rest ? group : group.withRest(rest)
  })
  return groups.some((group, index) => group !== batch.groups[index]) ? batch.withGroups(groups) : batch
}

export default component({
  kind: 'processor',
  type: 'attributes',
  summary: 'Inserts, updates and deletes attributes of every span, data point and log record.',
  stability: 'beta',
  signals: SIGNALS.filter(signal => signal !== 'events'),
  config: z.strictObject({
    actions: attributeActions().describe('What to do with each item’s attributes, in order; each action sees what those before it did.'),
  }),
  examples: {
    'Remove prompts before anything is stored': [
      'actions:',
      '  - {key: gen_ai.input.messages, action: delete}',
      '  - {key: gen_ai.output.messages, action: delete}',
      '',
    ].join('\n'),
    'Fill in what a sender leaves out': 'actions:\n  - {key: deployment.environment.name, value: production, action: insert}\n',
  },
  create(config, { next }) {
    const attributes = new AttributeEditor(actionsOf(config.actions))
    const editors = new Map<Signal, ItemEditor>()
    const editorOf = (signal: Signal): ItemEditor => {
      const editor = editors.get(signal) ?? new ItemEditor(signal)
      editors.set(signal, editor)
      return editor
    }
    return { consume: async batch => next(refusingUnreadable('malformed', () => withItems(batch, editorOf(batch.signal), attributes))) }
  },
})
