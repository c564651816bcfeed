/** Attributes for tests, short to write: as protobufjs takes them. */
import type { Plain } from './oracle.js'

export type Value = string | number | boolean | readonly string[]
export type Values = Readonly<Record<string, Value>>

const anyValue = (value: Value): Plain => {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
  return { arrayValue: { values: value.map(text => ({ stringValue: text })) } }
}
export const attributes = (values: Values): Plain[] => Object.entries(values).map(([key, value]) => ({ key, value: anyValue(value) }))
