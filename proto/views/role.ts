/** What a metric's series mean, found by the bytes of its name: for every metric of every request, so no string is made. */
import { ROLES, type Role } from '../vocabulary/roles.js'
import { KeySet } from './attributes.js'

const NAMES = new KeySet([...ROLES.keys()])
const BY_INDEX = [...ROLES.values()]

/** The role of the metric that is called `bytes[start, end)`; undefined where the name is not known. */
export const roleAt = (bytes: Uint8Array, start: number, end: number): Role | undefined => {
  const index = NAMES.indexOf(bytes, start, end)
  return index < 0 ? undefined : BY_INDEX[index]
}
