/** A GPU whose power, heat and counters follow from what its engine does. Time constants are divided by the speed factor like every duration. */
import type { Engine } from './engine.js'
import type { GpuSpec } from './plan.js'

export interface Owner {
  namespace: string
  pod: string
  container: string
}

const POWER_LAG = 0.4
const HEAT_LAG = 12
const THROTTLE_AT = 84

export class Gpu {
  watts: number
  celsius = 31
  /** Joules since the start: the meter and the books are one. */
  joules = 0
  throttledSeconds = 0
  utilisation = 0
  smActive = 0
  tensorActive = 0
  dramActive = 0
  memoryUsedMiB: number

  constructor(
    readonly spec: GpuSpec,
    readonly index: number,
    readonly uuid: string,
    readonly host: string,
    readonly owner: Owner | undefined,
    private readonly speed: number,
  ) {
    this.watts = spec.idleWatts
    this.memoryUsedMiB = owner ? Math.round(spec.memoryMiB * 0.9) : 4
  }

  step(seconds: number, engine: Engine | undefined): void {
    const prefill = engine?.prefillShare ?? 0
    const batch = engine ? engine.decoding / engine.spec.maxSequences : 0
    const busy = prefill > 0 || batch > 0 ? 1 : 0
    const near = (current: number, target: number, lag: number) => target + (current - target) * Math.exp((-seconds * this.speed) / lag)
    const activity = Math.min(1, 0.35 * busy + 0.45 * prefill + 0.25 * Math.sqrt(batch))
    const before = this.watts
    this.watts = near(before, this.spec.idleWatts + (this.spec.maxWatts - this.spec.idleWatts) * activity, POWER_LAG)
    this.joules += ((before + this.watts) / 2) * seconds
    this.celsius = near(this.celsius, 30 + (55 * this.watts) / this.spec.maxWatts, HEAT_LAG)
    if (this.celsius > THROTTLE_AT) this.throttledSeconds += seconds
    this.utilisation = near(this.utilisation, busy, POWER_LAG)
    this.smActive = near(this.smActive, busy * Math.min(1, 0.12 + 0.75 * prefill + 0.45 * batch), POWER_LAG)
    this.tensorActive = near(this.tensorActive, Math.min(1, 0.55 * prefill + 0.12 * batch), POWER_LAG)
    this.dramActive = near(this.dramActive, busy * Math.min(1, 0.35 + 0.4 * batch), POWER_LAG)
  }
}
