/**
 * Units of Prometheus as UCUM: from `# UNIT`, else from the word the name ends with.
 * Source: open-telemetry/opentelemetry-collector-contrib pkg/translator/prometheus (unit words); UCUM.
 */
const UCUM: ReadonlyMap<string, string> = new Map([
  ['days', 'd'],
  ['hours', 'h'],
  ['minutes', 'min'],
  ['seconds', 's'],
  ['milliseconds', 'ms'],
  ['microseconds', 'us'],
  ['nanoseconds', 'ns'],
  ['bytes', 'By'],
  ['kibibytes', 'KiBy'],
  ['mebibytes', 'MiBy'],
  ['gibibytes', 'GiBy'],
  ['kilobytes', 'KBy'],
  ['megabytes', 'MBy'],
  ['gigabytes', 'GBy'],
  ['meters', 'm'],
  ['volts', 'V'],
  ['amperes', 'A'],
  ['joules', 'J'],
  ['watts', 'W'],
  ['grams', 'g'],
  ['celsius', 'Cel'],
  ['hertz', 'Hz'],
  ['ratio', '1'],
  ['percent', '%'],
])
/** Words that mean their unit when a name ends with them. */
const GUESSED: ReadonlySet<string> = new Set([
  'seconds',
  'milliseconds',
  'bytes',
  'joules',
  'watts',
  'celsius',
  'hertz',
  'volts',
  'amperes',
  'ratio',
])

/** `declared`: the text of `# UNIT`, empty when there was none. */
export const unitOf = (name: string, declared: string): string => {
  if (declared !== '') return UCUM.get(declared) ?? declared
  const word = /_([a-z]+?)(?:_total)?$/.exec(name)?.[1] ?? ''
  return GUESSED.has(word) ? (UCUM.get(word) ?? '') : ''
}
