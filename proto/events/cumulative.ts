/**
 * Running totals of the deltas that correlated events are rendered as, for backends that take cumulative series only.
 * A series begins at the start of the first window that it is summed from, and begins anew with each epoch: what an earlier life of the task
 * had summed is not known to the next one. Windows that a crash repeats are therefore in two lives of a series.
 */

/** Milliseconds since the epoch, whole. */
export interface Interval {
  readonly start: number
  readonly end: number
}

export interface Total extends Interval {
  readonly values: readonly number[]
}

/** Of the amounts that one point says about `over`: the point to write. Points whose buckets changed begin anew. */
export type Summing = (series: string, over: Interval, values: readonly number[], bounds?: readonly number[]) => Total

export interface SumLimits {
  /** Series that are remembered; beyond them the one that has been silent longest is forgotten, and begins anew when it speaks again. */
  readonly series: number
  /** A series that has said nothing for so long is forgotten; milliseconds of event time. */
  readonly silence: number
  /** Events that are known when they come again. */
  readonly events: number
}

const NO_BOUNDS: readonly number[] = []
const LIMITS: SumLimits = { series: 500_000, silence: 3_600_000, events: 100_000 }

interface Series {
  readonly epoch: string
  readonly bounds: readonly number[]
  readonly start: number
  end: number
  readonly values: number[]
}

export class RunningSums {
  /** The one that spoke last comes last. */
  private readonly series = new Map<string, Series>()
  /** Events that are in the sums, oldest first. */
  private readonly known = new Set<string>()
  private newest = Number.NEGATIVE_INFINITY

  constructor(private readonly limits: SumLimits = LIMITS) {}

  /** Series that are remembered. */
  get size(): number {
    return this.series.size
  }

  /** For the points of one event. An event that comes again within its epoch (its batch was sent again) adds nothing. */
  event(epoch: string, id: string): Summing {
    const name = `${epoch} ${id}`
    const repeated = this.known.has(name)
    if (!repeated) {
      this.known.add(name)
      if (this.known.size > this.limits.events) for (const oldest of this.known) if (this.known.delete(oldest)) break
    }
    return (series, over, values, bounds = NO_BOUNDS) => this.add(series, { epoch, bounds, repeated }, over, values)
  }

  /**
   * For the points of no event. One that ends no later than what its series was summed up to adds nothing: it was sent again, or (`late`) it was
   * overtaken by later ones.
   */
  point(series: string, over: Interval, values: readonly number[], bounds: readonly number[] = NO_BOUNDS): Total & { late: boolean } {
    const known = this.series.get(series)
    if (known && over.end < known.end) return { start: known.start, end: known.end, values: known.values, late: true }
    return { ...this.add(series, { epoch: '', bounds, repeated: over.end === known?.end }, over, values), late: false }
  }

  private add(
    name: string,
    { epoch, bounds, repeated }: { epoch: string; bounds: readonly number[]; repeated: boolean },
    over: Interval,
    values: readonly number[],
  ): Total {
    const known = this.series.get(name)
    this.newest = Math.max(this.newest, over.end)
    let series: Series
    if (known && known.epoch === epoch && known.values.length === values.length && same(known.bounds, bounds)) {
      series = known
      // Windows of one workload may overtake each other on their way; time goes on all the same.
      series.end = Math.max(series.end, over.end)
      if (!repeated) for (let i = 0; i < values.length; i++) series.values[i] = series.values[i]! + values[i]!
    } else series = { epoch, bounds, start: over.start, end: over.end, values: [...values] }
    this.series.delete(name)
    this.series.set(name, series)
    if (!known) this.forget()
    return { start: series.start, end: series.end, values: series.values }
  }

  private forget(): void {
    for (const [name, { end }] of this.series) {
      if (this.series.size <= this.limits.series && end >= this.newest - this.limits.silence) return
      this.series.delete(name)
    }
  }
}

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((bound, i) => Object.is(bound, b[i]))
