/** Families of one scrape as groups of a batch: one for each resource, in slices of time. */
import { Group } from '../../../proto/batch.js'
import { sizeOfHeader, Writer } from '../../../proto/wire.js'
import type { Turns } from '../turns.js'
import { type MetricSize, measureFamily, writeFamilyHead, writeFamilyTail, writeGone, writePoint } from './encode.js'
import type { Family, Place } from './point.js'

const SCOPE_METRICS = 2
const SCOPE = 1
const METRIC = 2
const SCHEMA_URL = 3

interface MeasuredScope {
  readonly scope: Place
  readonly families: { readonly family: Family; readonly size: MetricSize }[]
  bytes: number
}
export interface Measured {
  readonly origins: ReadonlyMap<Place['origin'], MeasuredScope[]>
  readonly items: number
  readonly bytes: number
}

/** Families without a point are left out. */
export const measure = async (families: readonly Family[], scrape: number, turns: Turns): Promise<Measured> => {
  const origins = new Map<Place['origin'], MeasuredScope[]>()
  let items = 0
  let bytes = 0
  for (const family of families) {
    const points = family.present.length + family.gone.length
    if (points === 0) continue
    items += points
    const { scope } = family
    let scopes = origins.get(scope.origin)
    if (!scopes) origins.set(scope.origin, (scopes = []))
    let measured = scopes.find(each => each.scope === scope)
    if (!measured) {
      measured = { scope, families: [], bytes: sizeOfHeader(SCOPE, scope.body.length) + scope.body.length }
      const { length } = Buffer.from(scope.schemaUrl)
      if (length > 0) measured.bytes += sizeOfHeader(SCHEMA_URL, length) + length
      scopes.push(measured)
    }
    const size = await measureFamily(family, scrape, turns)
    measured.families.push({ family, size })
    const whole = sizeOfHeader(METRIC, size.metric) + size.metric
    measured.bytes += whole
    bytes += whole
  }
  return { origins, items, bytes }
}

export const encodeGroups = async ({ origins }: Measured, scrape: number, time: number, turns: Turns): Promise<Group[]> => {
  const groups: Group[] = []
  for (const [origin, scopes] of origins) {
    const writer = new Writer(scopes.reduce((sum, { bytes }) => sum + sizeOfHeader(SCOPE_METRICS, bytes) + bytes, 0))
    for (const { scope, families, bytes } of scopes) {
      writer.header(SCOPE_METRICS, bytes).bytes(SCOPE, scope.body)
      for (const { family, size } of families) {
        writeFamilyHead(writer, family, size)
        await turns.each(family.present, point => writePoint(writer, point, scrape))
        await turns.each(family.gone, point => writeGone(writer, point, time))
        writeFamilyTail(writer, family)
      }
      if (scope.schemaUrl !== '') writer.string(SCHEMA_URL, scope.schemaUrl)
    }
    groups.push(Group.of(origin.resource(scrape), writer.finish()))
  }
  return groups
}
