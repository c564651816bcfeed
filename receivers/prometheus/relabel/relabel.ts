/**
 * Relabelling: rules that rewrite a set of labels, or drop what carries it.
 * Source: prometheus/prometheus model/relabel/relabel.go. A label with an empty value is no label.
 */
import { createHash } from 'node:crypto'
import type { RelabelRule } from './options.js'

/** Name → value; insertion order has no meaning. */
export type Labels = Map<string, string>

/** Rewrites `labels` in place. False: what carries them is dropped. */
export const relabel = (labels: Labels, rules: readonly RelabelRule[]): boolean => {
  for (const rule of rules) if (!apply(labels, rule)) return false
  return true
}

const set = (labels: Labels, name: string, value: string): void => {
  if (value === '') labels.delete(name)
  else labels.set(name, value)
}

const apply = (labels: Labels, rule: RelabelRule): boolean => {
  const { regex, target_label: target } = rule
  const value = rule.source_labels.length === 1 ? (labels.get(rule.source_labels[0]!) ?? '') : joined(labels, rule)
  switch (rule.action) {
    case 'keep':
      return regex.test(value)
    case 'drop':
      return !regex.test(value)
    case 'keepequal':
      return (labels.get(target) ?? '') === value
    case 'dropequal':
      return (labels.get(target) ?? '') !== value
    case 'replace': {
      const groups = regex.match(value)
      if (!groups) return true
      const name = expand(target, groups, regex.names)
      if (name !== '') set(labels, name, expand(rule.replacement, groups, regex.names))
      return true
    }
    case 'lowercase':
      set(labels, target, value.toLowerCase())
      return true
    case 'uppercase':
      set(labels, target, value.toUpperCase())
      return true
    case 'hashmod':
      set(labels, target, String(createHash('md5').update(value).digest().readBigUInt64BE(8) % BigInt(rule.modulus)))
      return true
    case 'labelmap':
      for (const [name, mapped] of Array.from(labels)) {
        const groups = regex.match(name)
        const copy = groups && expand(rule.replacement, groups, regex.names)
        if (copy) set(labels, copy, mapped)
      }
      return true
    case 'labeldrop':
      for (const name of Array.from(labels.keys())) if (regex.test(name)) labels.delete(name)
      return true
    case 'labelkeep':
      for (const name of Array.from(labels.keys())) if (!regex.test(name)) labels.delete(name)
      return true
  }
}

const joined = (labels: Labels, rule: RelabelRule): string => rule.source_labels.map(name => labels.get(name) ?? '').join(rule.separator)

const REFERENCE = /\$(?:(\$)|\{(\w+)\}|(\w+))/g

/** Go's Regexp.Expand: `$1x` is the group named `1x`, which is empty; `${1}x` is what is meant. An unknown group is empty. */
export const expand = (template: string, groups: readonly (string | undefined)[], names: ReadonlyMap<string, number>): string =>
  template.includes('$')
    ? template.replace(REFERENCE, (_, dollar?: string, braced?: string, bare?: string) => {
        if (dollar) return '$'
        const name = braced ?? bare ?? ''
        const index = /^\d+$/.test(name) ? Number(name) : names.get(name)
        return (index === undefined ? undefined : groups[index]) ?? ''
      })
    : template
