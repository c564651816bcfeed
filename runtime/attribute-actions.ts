/** The option block of processors that change attributes, with the Collector's keys. */
import { z } from 'zod'
import type { AttributeValue } from '../proto/attribute.js'
import type { AttributeAction } from '../proto/attribute-edit.js'

const value: z.ZodType<AttributeValue> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(value), z.record(z.string(), value)]),
)

const action = z
  .strictObject({
    key: z.string().min(1).describe('Attribute to change.'),
    action: z
      .enum(['insert', 'update', 'upsert', 'delete'])
      .describe('`insert` only where the key is absent, `update` only where it is present, `upsert` in both cases, `delete` to remove it.'),
    value: value
      .optional()
      .describe('New value: text, number, true or false, list or map. A whole number becomes an integer, any other number a double.'),
    from_attribute: z.string().min(1).optional().describe('Take the value of this attribute instead; where it is absent, nothing happens.'),
  })
  .superRefine((written, context) => {
    const given = Number(written.value !== undefined && written.value !== null) + Number(written.from_attribute !== undefined)
    if (written.action === 'delete' && given > 0)
      context.addIssue({ code: 'custom', message: 'delete takes neither value nor from_attribute' })
    if (written.action !== 'delete' && given !== 1)
      context.addIssue({ code: 'custom', message: `${written.action} needs either value or from_attribute` })
  })

/** The list of actions, applied in order; each sees what those before it did. */
export const attributeActions = () => z.array(action).min(1)

/** The same in the terms of `AttributeEditor`. */
export const actionsOf = (written: z.infer<ReturnType<typeof attributeActions>>): AttributeAction[] =>
  written.map(({ key, action, value, from_attribute: from }): AttributeAction => {
    if (action === 'delete') return { action, key }
    return from === undefined ? { action, key, value: value ?? null } : { action, key, from }
  })
