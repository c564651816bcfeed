/**
 * OpenTelemetry names as Prometheus names: specification/compatibility/prometheus_and_openmetrics.md, strategy UnderscoreEscapingWithSuffixes. A name that is one of Prometheus
 * already (no dot in it) came from there and is kept as it is, colons and all, whatever its unit says: dashboards ask for it.
 */

const PROMETHEUS_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/** UCUM → word of a name; source: the table in the specification's `prometheus` translator. */
const UNITS: Readonly<Record<string, string>> = {
  d: 'days',
  h: 'hours',
  min: 'minutes',
  s: 'seconds',
  ms: 'milliseconds',
  us: 'microseconds',
  ns: 'nanoseconds',
  By: 'bytes',
  KiBy: 'kibibytes',
  MiBy: 'mebibytes',
  GiBy: 'gibibytes',
  J: 'joules',
  W: 'watts',
  V: 'volts',
  A: 'amperes',
  Cel: 'celsius',
  Hz: 'hertz',
  g: 'grams',
  m: 'meters',
  '%': 'percent',
}
const PER: Readonly<Record<string, string>> = { s: 'second', min: 'minute', h: 'hour', d: 'day', m: 'month', y: 'year' }

const escaped = (text: string): string => text.replaceAll(/[^a-zA-Z0-9_:]/g, '_')
const words = (text: string): string[] => text.split('_').filter(word => word !== '')

/** What a unit adds to a name; '' for annotations (`{token}`) and for none. */
const unitWords = (unit: string, gauge: boolean): string => {
  const bare = unit.replaceAll(/\{[^}]*\}/g, '').trim()
  if (bare === '1') return gauge ? 'ratio' : ''
  const [main = '', per] = bare.split('/', 2)
  const left = main === '' ? '' : (UNITS[main] ?? escaped(main))
  return per === undefined || per === '' ? left : [left, `per_${PER[per] ?? escaped(per)}`].filter(Boolean).join('_')
}

export type NamedKind = 'gauge' | 'counter' | 'other'

/** How Prometheus names the ways of translating names, in its section `otlp`. */
export const STRATEGIES = [
  'UnderscoreEscapingWithSuffixes',
  'UnderscoreEscapingWithoutSuffixes',
  'NoUTF8EscapingWithSuffixes',
  'NoTranslation',
] as const
export type Strategy = (typeof STRATEGIES)[number]

/** Whether names keep characters that only Prometheus 3 knows. */
export const keepsUtf8 = (strategy: Strategy): boolean => strategy === 'NoUTF8EscapingWithSuffixes' || strategy === 'NoTranslation'

/** The unit as a word of its own, for metadata: `seconds`, `bytes_per_second`. */
export const unitName = (unit: string): string => unitWords(unit, false)

export const metricName = (
  name: string,
  unit: string,
  kind: NamedKind,
  namespace: string,
  strategy: Strategy = 'UnderscoreEscapingWithSuffixes',
): string => {
  if (PROMETHEUS_NAME.test(name)) return name
  if (strategy === 'NoUTF8EscapingWithSuffixes') return withSuffixes(prefixed(name, namespace), unit, kind)
  if (strategy === 'NoTranslation') return prefixed(name, namespace)
  if (strategy === 'UnderscoreEscapingWithoutSuffixes') {
    const whole = prefixed(words(escaped(name)).join('_'), namespace)
    return /^\d/.test(whole) ? `_${whole}` : whole
  }
  const parts = words(escaped(name))
  if (kind === 'counter' && parts.at(-1) === 'total') parts.pop()
  const suffix = unitWords(unit, kind === 'gauge')
  if (suffix !== '' && !words(suffix).every(word => parts.includes(word))) parts.push(...words(suffix))
  if (kind === 'counter') parts.push('total')
  const whole = (namespace === '' ? parts : [namespace, ...parts]).join('_')
  return /^\d/.test(whole) ? `_${whole}` : whole
}

const prefixed = (name: string, namespace: string): string => (namespace === '' ? name : `${namespace}_${name}`)

/** A name that keeps its characters, with what its unit and kind add where it is not there yet. */
const withSuffixes = (name: string, unit: string, kind: NamedKind): string => {
  const suffix = unitWords(unit, kind === 'gauge')
  const bare = kind === 'counter' ? name.replace(/[_.]total$/, '') : name
  const whole = suffix === '' || bare.endsWith(suffix) ? bare : `${bare}_${suffix}`
  return kind === 'counter' ? `${whole}_total` : whole
}

export const labelName = (key: string, utf8 = false): string => {
  if (utf8) return key
  const name = key.replaceAll(/[^a-zA-Z0-9_]/g, '_')
  return /^\d/.test(name) ? `key_${name}` : name
}
