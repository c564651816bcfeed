/** Parts of the text, in the Collector's words. */
import { type AnyValue, ARRAY, BOOL, BYTES_VALUE, DOUBLE, EMPTY, INT, KVLIST } from '../../proto/views/any-value.js'
import type { Attributes } from '../../proto/views/attributes.js'
import type { ScopeView } from '../../proto/views/resource.js'
import { WireError } from '../../proto/wire.js'

const KINDS: Readonly<Record<number, string>> = {
  [EMPTY]: 'Empty',
  [BOOL]: 'Bool',
  [INT]: 'Int',
  [DOUBLE]: 'Double',
  [ARRAY]: 'Slice',
  [KVLIST]: 'Map',
  [BYTES_VALUE]: 'Bytes',
}

/** What a value says, for people; one that cannot be read says why instead of hiding its neighbours. */
export const valueText = (value: AnyValue): string => {
  try {
    return value.text()
  } catch (error) {
    if (error instanceof WireError) return `(${error.message})`
    throw error
  }
}

/** `Str(x)`, `Int(3)`, `Empty()`. */
export const typedValue = (value: AnyValue): string => `${KINDS[value.kind] ?? 'Str'}(${valueText(value)})`

/** `key=value key=value`. */
export const attributesInLine = (attributes: Attributes): string => {
  const pairs: string[] = []
  for (let i = 0; i < attributes.length; i++) pairs.push(`${attributes.key(i)}=${valueText(attributes.value(i))}`)
  return pairs.join(' ')
}

/** One line for each attribute below `title`; nothing when there is none. */
export const attributeLines = (title: string, attributes: Attributes, indent = ''): string[] => {
  if (attributes.length === 0) return []
  const lines = [`${indent}${title}:`]
  for (let i = 0; i < attributes.length; i++) lines.push(`${indent}     -> ${attributes.key(i)}: ${typedValue(attributes.value(i))}`)
  return lines
}

export const scopeLines = (scope: ScopeView): string[] => [
  `InstrumentationScope ${[scope.name(), scope.version()].join(' ').trim()}`.trimEnd(),
  ...attributeLines('InstrumentationScope attributes', scope.attributes),
]

/** `2026-01-01 00:00:00.000000001 +0000 UTC`; zero nanoseconds are 1970, as OTLP has it. */
export const time = (nanos: bigint): string => {
  const seconds = new Date(Number(nanos / 1_000_000_000n) * 1_000).toISOString().slice(0, 19).replace('T', ' ')
  const fraction = (nanos % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  return `${seconds}${fraction && `.${fraction}`} +0000 UTC`
}

/** Words with single blanks between those that are not empty. */
export const words = (...parts: readonly string[]): string => parts.filter(part => part !== '').join(' ')

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g

/** Telemetry is written by strangers: what could move a terminal's cursor or fake a line is shown, not done. */
export const printable = (line: string): string =>
  line.replace(CONTROL, character => (character === '\n' ? '\\n' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`))
