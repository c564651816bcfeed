/** What a GPU of some model costs and can do. */
import { matcher } from '../../config/pattern.js'
import type { Options } from './options.js'

export interface Price {
  readonly perSecond: number
  readonly source: string
  /** Watts; undefined = not stated. */
  readonly idlePower: number | undefined
  /** Operations a second; undefined = not stated. */
  readonly peakFlops: number | undefined
}

const SECONDS_PER_HOUR = 3600
/** Models that are remembered: names come off the wire. */
const MOST_KNOWN = 1000

export class Prices {
  private readonly rows: readonly { readonly fits: (model: string) => boolean; readonly price: Price }[]
  private readonly known = new Map<string, Price | undefined>()

  constructor(prices: Options['prices']) {
    this.rows = prices.map(({ gpu, per_gpu_hour, source, idle_power, peak_flops }) => ({
      fits: matcher(gpu),
      price: { perSecond: per_gpu_hour / SECONDS_PER_HOUR, source, idlePower: idle_power, peakFlops: peak_flops },
    }))
  }

  of(model: string): Price | undefined {
    if (this.known.has(model)) return this.known.get(model)
    const price = this.rows.find(({ fits }) => fits(model))?.price
    if (this.known.size >= MOST_KNOWN) this.known.clear()
    this.known.set(model, price)
    return price
  }
}
