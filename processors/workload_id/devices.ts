/** Whose a device is when several share it. Judged within one batch: an exporter reports all owners of a device in one scrape. */
import { DEVICE } from './facts.js'

/** `share` of the device's watts and joules, and how it was found. */
export interface Sharing {
  share: number
  basis: 'mig_slices' | 'process' | 'equal'
}

/** Compute slices of a whole GPU: seven, but for the A30. Source: NVIDIA MIG user guide, profiles. */
const slicesOf = (model: string): number => (model.includes('A30') ? 4 : 7)

/** A MIG profile's part of its GPU: `1g.10gb` is 1/7. */
const migShare = (profile: string, model: string): number | undefined => {
  const slices = Number(/^(\d)g\./.exec(profile)?.[1])
  return slices > 0 ? Math.min(1, slices / slicesOf(model)) : undefined
}

/** Of the series of a MIG instance, its part of the GPU; NaN where its profile says none. Undefined for a whole GPU. */
export const sliceOf = (texts: ReadonlyMap<string, string>): number | undefined => {
  const profile = texts.get(DEVICE.profile)
  return profile === undefined ? undefined : (migShare(profile, texts.get(DEVICE.model) ?? '') ?? Number.NaN)
}

/** UUID, and the MIG instance on it. */
export const deviceOf = (texts: ReadonlyMap<string, string>): string | undefined => {
  for (const name of DEVICE.uuid) {
    const uuid = texts.get(name)
    if (uuid) return `${uuid}/${texts.get(DEVICE.slice) ?? ''}`
  }
  return undefined
}

/** Owners of the devices of one batch, gathered in a first walk, asked in the second. */
export class Owners {
  private readonly byDevice = new Map<string, Map<string, number>>()

  /** `busy`: the owner's own use of the device where the source tells it per process; else 0. */
  add(device: string, owner: string, busy: number): void {
    let owners = this.byDevice.get(device)
    if (!owners) this.byDevice.set(device, (owners = new Map()))
    owners.set(owner, (owners.get(owner) ?? 0) + busy)
  }

  /** Undefined: the device is the owner's alone. `slice`: as `sliceOf` says. */
  sharing(device: string, owner: string, slice: number | undefined): Sharing | undefined {
    const owners = this.byDevice.get(device)
    const among = owners && owners.size > 1 ? amongOwners(owners, owner) : undefined
    if (slice === undefined || Number.isNaN(slice)) return among
    return { share: slice * (among?.share ?? 1), basis: among?.basis ?? 'mig_slices' }
  }
}

const amongOwners = (owners: ReadonlyMap<string, number>, owner: string): Sharing => {
  let busy = 0
  for (const each of owners.values()) busy += each
  return busy > 0 ? { share: (owners.get(owner) ?? 0) / busy, basis: 'process' } : { share: 1 / owners.size, basis: 'equal' }
}
