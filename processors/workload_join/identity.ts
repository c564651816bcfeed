/** From the labels of a point and of its resource to the device or engine that was sampled. */

import type { Attributes } from '../../proto/views/attributes.js'
import { CALLER_ID, WORKLOAD_CONFIDENCE, WORKLOAD_SOURCE } from '../../proto/vocabulary/attributes.js'
import { BLANK_LABELS, IDENTITY, type IdentityPart } from '../../proto/vocabulary/roles.js'

/** What a target is called by; '' = not known. */
export interface Identity {
  /** Device UUID (and slice), or engine instance (and engine number). */
  readonly id: string
  readonly pod: string
  readonly host: string
  readonly instance: string
  /** GPU model, as the device calls itself. */
  readonly model: string
}

export type Labels = ReadonlyMap<string, string>

/** Attributes of a point as labels; a value that says "none" is left out. Throws WireError. */
export const labelsOf = (attributes: Attributes): Map<string, string> => {
  const labels = new Map<string, string>()
  for (let index = 0; index < attributes.length; index++) {
    const value = attributes.value(index).text()
    if (!BLANK_LABELS.has(value)) labels.set(attributes.key(index), value)
  }
  return labels
}

const OF_RESOURCES: ReadonlySet<string> = new Set([...IDENTITY.keys(), CALLER_ID, WORKLOAD_SOURCE, WORKLOAD_CONFIDENCE])
/** A longer value names nothing. */
const MAX_LABEL = 1024

/** The attributes of a resource that tell what it is; the others are not looked at. Throws WireError. */
export const resourceLabels = (attributes: Attributes): Map<string, string> => {
  const labels = new Map<string, string>()
  for (let index = 0; index < attributes.length; index++) {
    const key = attributes.key(index)
    if (!OF_RESOURCES.has(key)) continue
    const value = attributes.value(index).text()
    if (value.length <= MAX_LABEL && !BLANK_LABELS.has(value)) labels.set(key, value)
  }
  return labels
}

/** All labels in the order of their names. */
export const canonicalOf = (labels: Labels): string =>
  [...labels]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('\u0001')

/** What the labels tell of each part; of several labels for a part the one of the lowest rank counts, and points go before resources. */
export const partsOf = (...levels: readonly Labels[]): Partial<Record<IdentityPart, string>> => {
  const parts: Partial<Record<IdentityPart, string>> = {}
  const ranks: Partial<Record<IdentityPart, number>> = {}
  for (const labels of levels)
    for (const [name, value] of labels) {
      const identity = IDENTITY.get(name)
      if (!identity || identity.rank >= (ranks[identity.part] ?? Number.POSITIVE_INFINITY)) continue
      parts[identity.part] = value
      ranks[identity.part] = identity.rank
    }
  return parts
}

export const deviceIdentity = (parts: Partial<Record<IdentityPart, string>>): Identity => {
  const { uuid, slice, index = '', host = '', pod = '', instance = '', board: model = '' } = parts
  const board = uuid ?? `${host || instance}/${index}`
  return { id: slice === undefined ? board : `${board}/${slice}`, pod, host: hostName(host), instance, model }
}

export const engineIdentity = (parts: Partial<Record<IdentityPart, string>>): Identity => {
  const { engine, host = '', pod = '', instance = '' } = parts
  const copy = instance || pod || host
  return { id: engine === undefined ? copy : `${copy}#${engine}`, pod, host: hostName(host), instance, model: '' }
}

/** Short name, lower case: exporters write either the short or the full one. */
export const hostName = (host: string): string => (/^[\d.:]+$/.test(host) ? host : (host.toLowerCase().split('.')[0] ?? ''))
