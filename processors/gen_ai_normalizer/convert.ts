/** A value of a dialect as the convention writes it. */
import type { AttributeValue } from '../../proto/attribute.js'
import type { Plain } from '../../proto/views/any-value.js'
import { type Conversion, FINISH_REASONS, PROVIDERS } from '../../proto/vocabulary/gen_ai/table.js'

/** JSON texts beyond this are not read. */
export const LONGEST_JSON = 64 << 10

const numberOf = (value: Plain): number | undefined => {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined
}

const integerOf = (value: Plain): number | undefined => {
  const number = numberOf(value)
  return number !== undefined && number >= 0 && Number.isSafeInteger(number) ? number : undefined
}

const booleanOf = (value: Plain): boolean | undefined => {
  if (typeof value === 'boolean') return value
  return value === 'true' || value === 'True' ? true : value === 'false' || value === 'False' ? false : undefined
}

/** What is no JSON is undefined. */
export const jsonOf = (text: Plain): unknown => {
  if (typeof text !== 'string' || text.length > LONGEST_JSON) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const textsOf = (value: Plain): string[] | undefined => {
  const list = typeof value === 'string' && value.startsWith('[') ? jsonOf(value) : value
  if (typeof list === 'string') return list === '' ? undefined : [list]
  return Array.isArray(list) && list.length > 0 && list.every(each => typeof each === 'string') ? (list as string[]) : undefined
}

const own = (words: Readonly<Record<string, string>>, word: string): string | undefined =>
  Object.hasOwn(words, word) ? words[word] : undefined

const providerOf = (value: Plain): string | undefined => {
  if (typeof value !== 'string' || value === '') return undefined
  const lower = value.toLowerCase()
  const maker = lower.split('.', 1)[0]!
  // `azure.ai.openai` is right already, `openai.chat` is one API of a provider.
  return own(PROVIDERS, lower) ?? (/^(?:azure|aws|gcp|ibm)\./.test(lower) ? lower : (own(PROVIDERS, maker) ?? maker))
}

const hostOf = (value: Plain): string | undefined => {
  if (typeof value !== 'string' || value === '') return undefined
  try {
    return new URL(value.includes('://') ? value : `http://${value}`).hostname || undefined
  } catch {
    return undefined
  }
}

/** Undefined when the value does not fit. `same` is not for here: its bytes are copied. */
export const convert = (value: Plain, as: Exclude<Conversion, 'same'>): AttributeValue | undefined => {
  switch (as) {
    case 'integer':
      return integerOf(value)
    case 'number':
      return numberOf(value)
    case 'boolean':
      return booleanOf(value)
    case 'text':
      return typeof value === 'string' && value !== '' ? value : undefined
    case 'milliseconds': {
      const number = numberOf(value)
      return number !== undefined && number >= 0 ? number / 1000 : undefined
    }
    case 'texts':
      return textsOf(value)
    case 'finish_reasons':
      return textsOf(value)?.map(reason => own(FINISH_REASONS, reason) ?? reason)
    case 'provider':
      return providerOf(value)
    case 'host':
      return hostOf(value)
    default:
      return typeof value === 'string' ? own(as, value) : undefined
  }
}

/** Of counts that do not contain each other: each kind of token by the names of its parts. */
export const exclusiveUsage = (json: unknown): { input: number; output: number; cached: number; reasoning: number } | undefined => {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined
  const sums = { input: 0, output: 0, cached: 0, reasoning: 0 }
  let told = false
  for (const [name, value] of Object.entries(json)) {
    const count = integerOf(value as Plain)
    if (count === undefined || !/^(?:input|output)(?:_|$)/.test(name)) continue
    told = true
    sums[name.startsWith('input') ? 'input' : 'output'] += count
    if (/^input_(?:cached|cache_read)/.test(name)) sums.cached += count
    if (/^output_reasoning/.test(name)) sums.reasoning += count
  }
  return told ? sums : undefined
}
