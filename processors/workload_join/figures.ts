/** From integrals over an interval to the figures that spans and events carry. NaN = unknown. */
import { DEVICE, ENGINE } from './columns.js'
import { FIGURE } from './figure.js'
import type { Target } from './state.js'
import { Timeline } from './timeline.js'

const tracksOf = (targets: readonly Target[]) => targets.map(({ track }) => track)
const mean = (timeline: Timeline, column: number): number =>
  timeline.covered[column]! > 0 ? timeline.values[column]! / timeline.covered[column]! : Number.NaN
const total = (timeline: Timeline, column: number): number => (timeline.covered[column]! > 0 ? timeline.totals[column]! : Number.NaN)

/** Looks at one set of targets over one range, then at any number of intervals inside it. */
export class Lens {
  readonly devices = new Timeline(DEVICE.columns, [DEVICE.used, DEVICE.power], [DEVICE.temperature])
  readonly engines = new Timeline(ENGINE.columns, [ENGINE.waiting, ENGINE.running])

  point(devices: readonly Target[], engines: readonly Target[], low: number, high: number, maxGap: number): void {
    this.devices.build(tracksOf(devices), low, high, maxGap)
    this.engines.build(tracksOf(engines), low, high, maxGap)
  }

  look(start: number, end: number): void {
    this.devices.over(start, end)
    this.engines.over(start, end)
  }

  /** Busy share of the time: as the device says, else of its graphics engine (all there is per MIG slice). */
  get utilization(): number {
    const said = mean(this.devices, DEVICE.utilization)
    return Number.isNaN(said) ? mean(this.devices, DEVICE.engineActive) : said
  }

  /** used / (used + free + reserved), or used / total; sums over devices first. */
  get memoryUtilization(): number {
    const { values, covered } = this.devices
    const used = values[DEVICE.used]!
    if (!(covered[DEVICE.used]! > 0)) return Number.NaN
    const whole = covered[DEVICE.free]! > 0 ? used + values[DEVICE.free]! + values[DEVICE.reserved]! : values[DEVICE.total]!
    return whole > 0 ? used / whole : Number.NaN
  }

  get smActive(): number {
    return mean(this.devices, DEVICE.smActive)
  }
  get tensorActive(): number {
    return mean(this.devices, DEVICE.tensorActive)
  }
  get memoryUsage(): number {
    return total(this.devices, DEVICE.used)
  }
  get power(): number {
    return total(this.devices, DEVICE.power)
  }
  /** Joules: power over the time it stands for. */
  get energyOfPower(): number {
    return this.devices.covered[DEVICE.power]! > 0 ? this.devices.values[DEVICE.power]! / 1000 : Number.NaN
  }
  get temperatureMax(): number {
    const greatest = this.devices.greatest[DEVICE.temperature]!
    return Number.isFinite(greatest) ? greatest : Number.NaN
  }
  get throttled(): number {
    return mean(this.devices, DEVICE.throttled)
  }
  get clock(): number {
    return mean(this.devices, DEVICE.clock)
  }
  get queueDepth(): number {
    return total(this.engines, ENGINE.waiting)
  }
  get running(): number {
    return total(this.engines, ENGINE.running)
  }
  get kvCache(): number {
    return mean(this.engines, ENGINE.kvCache)
  }

  /** Writes all figures of [start, end) to `into[offset…]`. Returns whether anything at all was known. */
  write(start: number, end: number, into: Float64Array, offset: number): boolean {
    this.look(start, end)
    const { devices, engines } = this
    const whole = (devices.targets + engines.targets) * (end - start)
    into[offset + FIGURE.coverage] = whole > 0 ? (devices.observed + engines.observed) / whole : 0
    into[offset + FIGURE.carried] = whole > 0 ? (devices.carried + engines.carried) / (devices.targets + engines.targets) / 1000 : 0
    into[offset + FIGURE.utilization] = this.utilization
    into[offset + FIGURE.smActive] = this.smActive
    into[offset + FIGURE.memoryUtilization] = this.memoryUtilization
    into[offset + FIGURE.memoryUsage] = this.memoryUsage
    into[offset + FIGURE.power] = this.power
    into[offset + FIGURE.temperatureMax] = this.temperatureMax
    into[offset + FIGURE.throttled] = this.throttled
    into[offset + FIGURE.queueDepth] = this.queueDepth
    into[offset + FIGURE.running] = this.running
    into[offset + FIGURE.kvCache] = this.kvCache
    return devices.covered[DEVICE.presence]! > 0 || engines.covered[DEVICE.presence]! > 0
  }
}
