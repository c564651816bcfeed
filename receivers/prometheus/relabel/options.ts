/** `relabel_configs` and `metric_relabel_configs` as Prometheus users write them. */
import { z } from 'zod'
import { Pattern, PatternError } from '../re2/index.js'

export const ACTIONS = [
  'replace',
  'keep',
  'drop',
  'keepequal',
  'dropequal',
  'hashmod',
  'labelmap',
  'labeldrop',
  'labelkeep',
  'lowercase',
  'uppercase',
] as const
export type Action = (typeof ACTIONS)[number]

/** YAML turns `regex: 5` and `replacement: true` into a number and a boolean; Prometheus reads both as text. */
const text = () => z.union([z.string(), z.number().transform(String), z.boolean().transform(String)])

export const pattern = () =>
  text().transform((source, context): Pattern => {
    try {
      return new Pattern(source)
    } catch (error) {
      if (!(error instanceof PatternError)) throw error
      context.addIssue({ code: 'custom', message: error.message, input: source })
      return z.NEVER
    }
  })

const WITH_TARGET: readonly Action[] = ['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal']

export const relabelOptions = z
  .strictObject({
    source_labels: z
      .array(z.string())
      .default([])
      .describe('Labels whose values, joined by `separator`, are what `regex` is matched against. A missing label counts as empty.'),
    separator: z.string().default(';').describe('Text put between the joined values.'),
    regex: pattern()
      .prefault('(.*)')
      .describe('RE2 expression that must match from the first character to the last; `.` matches a newline too.'),
    modulus: z.int().nonnegative().default(0).describe('`hashmod`: the md5 of the joined values is taken modulo this number.'),
    target_label: z.string().default('').describe('Label that is written; for `replace` it may hold `$1` or `$name`.'),
    replacement: text()
      .prefault('$1')
      .describe(
        'Value that is written when `regex` matches; `$1` and `$name` stand for groups, `$$` for a dollar. Empty removes the label.',
      ),
    action: z
      .string()
      .transform(name => name.toLowerCase())
      .pipe(z.enum(ACTIONS))
      .prefault('replace')
      .describe(
        'What the rule does: replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase.',
      ),
  })
  .superRefine((rule, context) => {
    const refuse = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
    if (WITH_TARGET.includes(rule.action) && rule.target_label === '')
      refuse('target_label', `the action ${rule.action} needs target_label, the label to write or compare with`)
    if (rule.action === 'hashmod' && rule.modulus === 0) refuse('modulus', 'the action hashmod needs a modulus above 0')
    if ((rule.action === 'labeldrop' || rule.action === 'labelkeep') && (rule.source_labels.length > 0 || rule.target_label !== ''))
      refuse('source_labels', `the action ${rule.action} looks at label names: it takes regex alone`)
    if ((rule.action === 'keepequal' || rule.action === 'dropequal') && rule.regex.source !== '(.*)')
      refuse('regex', `the action ${rule.action} compares source_labels with target_label: it takes no regex`)
  })
export type RelabelRule = z.infer<typeof relabelOptions>
