/** Explanations as text for a terminal. */
import type { Explanation } from './explain.js'
import type { Verdict } from './resolver.js'

const MOST_NAMES = 3

const counted = ({ items, what }: Explanation): string => `${items} ${what}${items === 1 ? '' : 's'}`

const named = ({ names }: Explanation): string => {
  const [...all] = names
  const more = all.length - MOST_NAMES
  return all.length === 0 ? '' : `: ${all.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const pairs = (texts: ReadonlyMap<string, string>): string =>
  Array.from(texts, ([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ')

const lines = (verdicts: readonly Verdict[]): string[] =>
  verdicts.map(verdict => ('id' in verdict ? `    + ${verdict.rule}: ${verdict.id}` : `    - ${verdict.rule}: ${verdict.why}`))

const whose = ({ workload, what }: Explanation): string => {
  if (workload !== undefined) return workload
  return what === 'model call' ? 'nobody that is known (no_target)' : 'nobody (no_workload)'
}

/** One paragraph: what, where it belongs, and the rules asked; `+` is the one that holds. */
export const explanationText = (explanation: Explanation): string =>
  [
    `${counted(explanation)}${named(explanation)}`,
    ...(explanation.resource.size > 0 ? [`  resource: ${pairs(explanation.resource)}`] : []),
    ...(explanation.item.size > 0 ? [`  says: ${pairs(explanation.item)}`] : []),
    `  belongs to ${whose(explanation)}`,
    ...lines(explanation.verdicts),
    ...(explanation.caller ? [`  called by ${explanation.caller.id}`, ...lines(explanation.caller.verdicts)] : []),
    '',
  ].join('\n')
