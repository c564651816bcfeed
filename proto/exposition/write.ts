/** Families as an exposition: what `readExposition` reads back as the same families. */
import type { Format } from './cursor.js'
import { printNumber } from './number.js'
import type { Family, Sample } from './read.js'
import type { Label } from './series.js'

export const CONTENT_TYPE: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/

const escapeLine = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
/** A label's value or a name that needs quotes, with them. */
export const quoteText = (text: string): string => `"${escapeLine(text).replaceAll('"', '\\"')}"`

const printLabels = (labels: readonly Label[]): string[] =>
  labels.map(({ name, value }) => `${LABEL_NAME.test(name) ? name : quoteText(name)}=${quoteText(value)}`)

const printSeries = (name: string, labels: readonly Label[]): string => {
  const inside = printLabels(labels)
  if (!METRIC_NAME.test(name)) return `{${[quoteText(name), ...inside].join(',')}}`
  return inside.length === 0 ? name : `${name}{${inside.join(',')}}`
}

/** OpenMetrics counts in seconds, the text format in milliseconds. */
const printTime = (timestamp: number, format: Format): string => printNumber(format === 'text' ? Math.round(timestamp) : timestamp / 1000)

const printSample = (sample: Sample, format: Format): string => {
  let line = `${printSeries(sample.name, sample.labels)} ${printNumber(sample.value)}`
  if (sample.timestamp !== undefined) line += ` ${printTime(sample.timestamp, format)}`
  const { exemplar } = sample
  if (exemplar && format === 'openmetrics') {
    line += ` # {${printLabels(exemplar.labels).join(',')}} ${printNumber(exemplar.value)}`
    if (exemplar.timestamp !== undefined) line += ` ${printTime(exemplar.timestamp, format)}`
  }
  return line
}

/** The text format knows no units, no exemplars and half of the types: what it cannot say is left out, and such a type is `untyped`. */
export const writeExposition = (families: Iterable<Family>, format: Format): string => {
  const lines: string[] = []
  for (const { name, type, help, unit, samples } of families) {
    const written = METRIC_NAME.test(name) ? name : quoteText(name)
    if (help !== undefined)
      lines.push(`# HELP ${written} ${format === 'text' ? escapeLine(help) : escapeLine(help).replaceAll('"', '\\"')}`)
    const typeText = format === 'openmetrics' || ['counter', 'gauge', 'histogram', 'summary'].includes(type) ? type : 'untyped'
    lines.push(`# TYPE ${written} ${typeText}`)
    if (unit !== undefined && format === 'openmetrics') lines.push(`# UNIT ${written} ${unit}`)
    for (const sample of samples) lines.push(printSample(sample, format))
  }
  if (format === 'openmetrics') lines.push('# EOF')
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}
