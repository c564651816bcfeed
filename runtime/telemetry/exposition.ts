/** The registry as Prometheus text 0.0.4, byte for byte as the Collector's client library writes it: families and series sorted, Go's number format. */
import type { Labels } from '../component.js'
import type { Distribution, Family } from './registry.js'

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores'

/** As Go's strconv 'g' with the shortest precision: an exponent of two digits from 1e+06 up and below 1e-04. */
export const formatNumber = (value: number): string => {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  const size = Math.abs(value)
  if (size === 0 || (size >= 1e-4 && size < 1e6)) return String(value)
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const escapeValue = (text: string) => escapeHelp(text).replaceAll('"', '\\"')

const renderLabels = (labels: Labels, le?: string): string => {
  const pairs = Object.keys(labels)
    .sort()
    .map(name => `${name}="${escapeValue(labels[name]!)}"`)
  if (le !== undefined) pairs.push(`le="${le}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

const renderHistogram = (name: string, labels: Labels, { bounds, counts, sum }: Distribution): string => {
  const plain = renderLabels(labels)
  let text = ''
  let below = 0
  counts.forEach((count, i) => {
    below += count
    text += `${name}_bucket${renderLabels(labels, formatNumber(bounds[i] ?? Infinity))} ${formatNumber(below)}\n`
  })
  return `${text}${name}_sum${plain} ${formatNumber(sum)}\n${name}_count${plain} ${formatNumber(below)}\n`
}

/** A family without a readable series is left out. */
export const render = (families: readonly Family[]): string => {
  let text = ''
  for (const { name, help, type, series } of families) {
    let lines = ''
    for (const { labels, value } of series) {
      if (typeof value === 'number') lines += `${name}${renderLabels(labels)} ${formatNumber(value)}\n`
      else if (value) lines += renderHistogram(name, labels, value)
    }
    if (lines) text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines}`
  }
  return text
}
