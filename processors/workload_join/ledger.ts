/** What counters grew in one window, summed by what they count (rules 9, 10). */
import type { Latency, LatencyName } from '../../proto/events/event.js'
import type { Booked } from './state.js'

/** Amounts of one kind of counter: [on time, late]; undefined = there is no such counter. */
export type Amounts = [number, number] | undefined
const LATENCY = 'engine.'

/** Room for the amounts of one counter, used again by every ledger of a partition. */
export class Room {
  onTime = new Float64Array(64)
  late = new Float64Array(64)

  clear(width: number): void {
    if (this.onTime.length < width) {
      this.onTime = new Float64Array(2 * width)
      this.late = new Float64Array(2 * width)
    }
    this.onTime.fill(0, 0, width)
    this.late.fill(0, 0, width)
  }
}

/** What the counters of one workload grew in one window. Sums are made in the order of targets and keys, so that every run makes the same. */
export class Ledger {
  /** Whether anything grew. */
  any = false
  /** Role, and role with variant, → amounts. */
  private readonly scalars = new Map<string, [number, number]>()
  private readonly variants = new Map<string, [number, number]>()
  private readonly histograms = new Map<
    string,
    { name: LatencyName; bounds: readonly number[]; onTime: Float64Array; late: Float64Array }
  >()

  constructor(private readonly room: Room) {}

  take(counters: readonly Booked[], end: number): void {
    for (const booked of counters) {
      const { counter } = booked
      const { room } = this
      room.clear(counter.width)
      counter.advance(end, room.onTime)
      counter.takeLate(room.late)
      if (counter.width === 1) this.takeScalar(booked, room.onTime[0]!, room.late[0]!)
      else this.takeHistogram(booked, room.onTime, room.late)
    }
  }

  amounts(role: string): Amounts {
    return this.scalars.get(role)
  }

  /** Other amounts for a role; undefined leaves what there is. */
  replace(role: string, amounts: Amounts): void {
    if (!amounts) return
    this.scalars.set(role, amounts)
    if (amounts[0] > 0 || amounts[1] > 0) this.any = true
  }

  /** Amounts of the requests by how they finished. */
  get finished(): ReadonlyMap<string, [number, number]> {
    return this.variants
  }

  latencies(): Latency[] {
    const latencies: Latency[] = []
    for (const key of [...this.histograms.keys()].sort()) {
      const { name, bounds, onTime, late } = this.histograms.get(key)!
      for (const [amounts, isLate] of [[onTime, false] as const, [late, true] as const]) {
        const buckets = bounds.length + 1
        const bucketCounts = [...amounts.subarray(0, buckets)]
        const count = bucketCounts.reduce((sum, bucket) => sum + bucket, 0)
        if (count > 0 || amounts[buckets]! > 0)
          latencies.push({ name, count, sum: amounts[buckets]!, bounds: [...bounds], bucketCounts, late: isLate })
      }
    }
    return latencies
  }

  private takeScalar({ role, variant, scale }: Booked, onTime: number, late: number): void {
    if (onTime > 0 || late > 0) this.any = true
    add(this.scalars, role, onTime * scale, late * scale)
    if (role === 'engine.requests') add(this.variants, variant, onTime * scale, late * scale)
  }

  private takeHistogram({ role, bounds, family }: Booked, onTime: Float64Array, late: Float64Array): void {
    let sums = this.histograms.get(family)
    if (!sums) {
      const width = bounds.length + 2
      sums = { name: role.slice(LATENCY.length) as LatencyName, bounds, onTime: new Float64Array(width), late: new Float64Array(width) }
      this.histograms.set(family, sums)
    }
    for (let i = 0; i < sums.onTime.length; i++) {
      sums.onTime[i]! += onTime[i]!
      sums.late[i]! += late[i]!
      if (onTime[i]! > 0 || late[i]! > 0) this.any = true
    }
  }
}

const add = (amounts: Map<string, [number, number]>, key: string, onTime: number, late: number): void => {
  const sums = amounts.get(key)
  if (sums) {
    sums[0] += onTime
    sums[1] += late
  } else amounts.set(key, [onTime, late])
}
