/** What counters grew in one window, summed by what they count (rules 9, 10). */
import type { Latency, LatencyName } from '../../proto/events/event.js'
import type { Booked } from './state.js'

/** Amounts of one kind of counter: [on time, late]; undefined = there is no such counter. */
export type Amounts = [number, number] | undefined
const LATENCY = 'engine.'

/** Amounts of the histograms of one family: counts of buckets, then the sum. */
class Buckets {
  family = ''
  name: LatencyName = 'request_duration'
  bounds: readonly number[] = []
  onTime = new Float64Array(32)
  late = new Float64Array(32)

  begin({ family, role, bounds }: Booked): this {
    this.family = family
    this.name = role.slice(LATENCY.length) as LatencyName
    this.bounds = bounds
    const width = bounds.length + 2
    if (this.onTime.length < width) {
      this.onTime = new Float64Array(2 * width)
      this.late = new Float64Array(2 * width)
    }
    this.onTime.fill(0, 0, width)
    this.late.fill(0, 0, width)
    return this
  }

  /** Undefined when nothing grew. */
  latency(late: boolean): Latency | undefined {
    const { name, bounds } = this
    const amounts = late ? this.late : this.onTime
    const buckets = bounds.length + 1
    let count = 0
    for (let i = 0; i < buckets; i++) count += amounts[i]!
    const sum = amounts[buckets]!
    if (!(count > 0 || sum > 0)) return undefined
    const bucketCounts: number[] = []
    for (let i = 0; i < buckets; i++) bucketCounts.push(amounts[i]!)
    return { name, count, sum, bounds, bucketCounts, late }
  }
}

/**
 * What the counters of one workload grew in one window; used again for the next one after `clear`. Sums are made in the order of targets and keys,
 * so that every run makes the same.
 */
export class Ledger {
  /** Whether anything grew, histograms aside. */
  grew = false
  /** Role, and variant of finished requests, → amounts. */
  private readonly scalars = new Map<string, [number, number]>()
  private readonly variants = new Map<string, [number, number]>()
  private readonly histograms = new Map<string, Buckets>()
  /** All that were ever needed at once; the first ones are in `histograms`. */
  private readonly buckets: Buckets[] = []
  private readonly onTime = new Float64Array(1)
  private readonly late = new Float64Array(1)

  clear(): this {
    this.grew = false
    this.scalars.clear()
    this.variants.clear()
    this.histograms.clear()
    return this
  }

  take(counters: readonly Booked[], end: number): void {
    for (const booked of counters) {
      const { counter } = booked
      if (counter.width === 1) {
        this.onTime[0] = this.late[0] = 0
        counter.advance(end, this.onTime)
        counter.takeLate(this.late)
        this.takeScalar(booked, this.onTime[0], this.late[0])
      } else {
        const { onTime, late } = this.histograms.get(booked.family) ?? this.begin(booked)
        counter.advance(end, onTime)
        counter.takeLate(late)
      }
    }
  }

  amounts(role: string): Amounts {
    return this.scalars.get(role)
  }

  /** Other amounts for a role; undefined leaves what there is. */
  replace(role: string, amounts: Amounts): void {
    if (!amounts) return
    this.scalars.set(role, amounts)
    if (amounts[0] > 0 || amounts[1] > 0) this.grew = true
  }

  /** Amounts of the requests by how they finished. */
  get finished(): ReadonlyMap<string, [number, number]> {
    return this.variants
  }

  /** What grew of the histograms, in the order of their families. */
  latencies(): Latency[] {
    const latencies: Latency[] = []
    for (const buckets of [...this.histograms.values()].sort((a, b) => (a.family < b.family ? -1 : 1)))
      for (const late of [false, true]) {
        const latency = buckets.latency(late)
        if (latency) latencies.push(latency)
      }
    return latencies
  }

  private begin(booked: Booked): Buckets {
    const { size } = this.histograms
    const buckets = (this.buckets[size] ??= new Buckets()).begin(booked)
    this.histograms.set(booked.family, buckets)
    return buckets
  }

  private takeScalar({ role, variant, scale }: Booked, onTime: number, late: number): void {
    if (onTime > 0 || late > 0) this.grew = true
    add(this.scalars, role, onTime * scale, late * scale)
    if (role === 'engine.requests') add(this.variants, variant, onTime * scale, late * scale)
  }
}

const add = (amounts: Map<string, [number, number]>, key: string, onTime: number, late: number): void => {
  const sums = amounts.get(key)
  if (sums) {
    sums[0] += onTime
    sums[1] += late
  } else amounts.set(key, [onTime, late])
}
