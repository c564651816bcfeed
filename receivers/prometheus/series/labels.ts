/** A series' own labels and its target's, brought together; limits on the result. */
import type { SeriesText } from '../../../proto/exposition/series.js'
import { ScrapeError } from '../failure.js'
import type { Labels } from '../relabel/relabel.js'

/** Where both name a label, `honor` keeps the series' own value; else that becomes `exported_…` and the target's stands. */
export const mergeLabels = (series: SeriesText, target: Labels, honor: boolean): Labels => {
  const labels: Labels = new Map([['__name__', series.name]])
  for (const { name, value } of series.labels) if (value !== '') labels.set(name, value)
  for (const [name, value] of target) {
    if (honor) {
      if (!series.labels.some(label => label.name === name)) labels.set(name, value)
      continue
    }
    const own = labels.get(name)
    labels.set(name, value)
    if (own === undefined) continue
    let exported = `exported_${name}`
    while (labels.has(exported) || target.has(exported)) exported = `exported_${exported}`
    labels.set(exported, own)
  }
  return labels
}

/** 0 = no limit; lengths in bytes. */
export interface LabelLimits {
  readonly label_limit: number
  readonly label_name_length_limit: number
  readonly label_value_length_limit: number
}

/** Throws ScrapeError `label_limit`. The metric's name counts as a label, as in Prometheus. */
export const enforceLimits = (labels: Labels, limits: LabelLimits): void => {
  const { label_limit: most, label_name_length_limit: longestName, label_value_length_limit: longestValue } = limits
  const refuse = (what: string): never => {
    throw new ScrapeError(`the series ${JSON.stringify(labels.get('__name__')?.slice(0, 80))} ${what}`, 'label_limit')
  }
  if (most > 0 && labels.size > most) refuse(`has ${labels.size} labels; label_limit is ${most}`)
  for (const [name, value] of labels) {
    if (isLonger(name, longestName))
      refuse(`has the label ${JSON.stringify(name.slice(0, 80))}, whose name is longer than label_name_length_limit, ${longestName} bytes`)
    if (isLonger(value, longestValue))
      refuse(
        `has the label ${JSON.stringify(name.slice(0, 80))}, whose value is longer than label_value_length_limit, ${longestValue} bytes`,
      )
  }
}

/** A character takes at most three bytes of UTF-8 for each of its UTF-16 units. */
const isLonger = (text: string, limit: number): boolean => limit > 0 && text.length * 3 > limit && Buffer.byteLength(text) > limit
