/** Joules from watts. */

interface Meter {
  owner: string
  start: number
  joules: number
  watts: number
  at: number
  time: number
}

export interface Energy {
  readonly joules: number
  /** Wall time at which they were 0, milliseconds. */
  readonly start: number
}

/**
 * Sums up the power of each device by the trapezoid rule. A device that changes hands begins a sum anew, so that nobody is told the energy of
 * the one before; the interval in which it changed is the first of the new sum, so that all sums together miss none.
 */
export class EnergyMeters {
  private readonly meters = new Map<string, Meter>()

  /** `maxGap`: milliseconds between two samples beyond which nothing is said about the time between. */
  constructor(private readonly maxGap: number) {}

  /** A sample at `time` (wall) and `at` (monotonic), milliseconds. */
  add(device: string, owner: string, watts: number, time: number, at: number): Energy {
    const before = this.meters.get(device)
    const gap = before ? at - before.at : Number.POSITIVE_INFINITY
    if (!before || gap > this.maxGap) {
      this.meters.set(device, { owner, start: time, joules: 0, watts, at, time })
      return { joules: 0, start: time }
    }
    const joules = ((before.watts + watts) / 2) * (gap / 1000)
    if (before.owner === owner) before.joules += joules
    else Object.assign(before, { owner, start: before.time, joules })
    Object.assign(before, { watts, at, time })
    return { joules: before.joules, start: before.start }
  }

  /** Forgets every device but these. */
  keep(devices: ReadonlySet<string>): void {
    for (const device of this.meters.keys()) if (!devices.has(device)) this.meters.delete(device)
  }
}
