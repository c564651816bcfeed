/** Merges small requests into larger ones; each caller is answered for its own request. */
import { Batch } from '../../proto/batch.js'
import type { Clock, Consume } from '../component.js'
import { PartialError, PermanentError } from '../errors.js'
import { cut } from './cut.js'
import type { BatchOptions } from './options.js'
import type { Shutdown } from './shutdown.js'
import { sizeOf } from './size.js'

export type FlushReason = 'size' | 'timeout'

interface Ports {
  readonly clock: Clock
  readonly shutdown: Shutdown
  /** Metadata whose values keep requests apart, beside the signal and the epoch. */
  readonly apart?: readonly string[]
  readonly onFlush?: (batch: Batch, why: FlushReason) => void
}

interface Next {
  /** Where a request goes that was made of several. */
  readonly merged: Consume
  /** Where a request goes that stands alone. */
  readonly single: Consume
}

interface Request {
  readonly batch: Batch
  readonly resolve: (done: Promise<void> | undefined) => void
  readonly reject: (error: unknown) => void
}

/** Requests that will leave together. */
interface Company {
  requests: Request[]
  size: number
  cancel: (() => void) | undefined
}

/**
 * Requests of one signal (and epoch, and values of `apart`) wait for company until `min_size` is reached or `flush_timeout` has passed.
 * A merged request refused as bad data is sent once more request by request, so that only the guilty one is refused to its caller;
 * one that failed for now is given back to all its callers. Of one refused in part the rest is acknowledged, so nothing is sent again: whose the refused
 * items were is not known, they are counted where they were refused, and every caller is warned.
 */
export class Merging {
  private readonly waiting = new Map<string, Company>()

  constructor(
    private readonly options: BatchOptions,
    private readonly next: Next,
    private readonly ports: Ports,
  ) {
    ports.shutdown.onBegin(() => {
      for (const key of [...this.waiting.keys()]) this.flush(key, 'timeout')
    })
  }

  /** Kinds of requests that now wait for company. */
  get kinds(): number {
    return this.waiting.size
  }

  readonly consume: Consume = batch => {
    const { max_size: max, sizer } = this.options
    const key = this.keyOf(batch)
    if (max > 0 && sizeOf(batch, sizer) > max) return settleAll(cut(batch, max, sizer).map(part => this.join(key, part)))
    return this.join(key, batch)
  }

  private join(key: string, batch: Batch): Promise<void> {
    const { min_size: min, max_size: max, flush_timeout: flushTimeout, sizer } = this.options
    const size = sizeOf(batch, sizer)
    const present = this.waiting.get(key)
    if (present && max > 0 && present.size + size > max) this.flush(key, 'size')
    return new Promise((resolve, reject) => {
      const company = this.waiting.get(key) ?? this.gather(key)
      company.requests.push({ batch, resolve, reject })
      company.size += size
      if (company.size >= min || flushTimeout === 0 || this.ports.shutdown.begun) this.flush(key, 'size')
      else company.cancel ??= this.ports.clock.after(flushTimeout, () => this.flush(key, 'timeout'))
    })
  }

  private gather(key: string): Company {
    const company: Company = { requests: [], size: 0, cancel: undefined }
    this.waiting.set(key, company)
    return company
  }

  private flush(key: string, why: FlushReason): void {
    const company = this.waiting.get(key)
    if (!company) return
    this.waiting.delete(key)
    company.cancel?.()
    const { requests } = company
    const [only] = requests
    if (only && requests.length === 1) {
      this.ports.onFlush?.(only.batch, why)
      only.resolve(this.next.single(only.batch))
      return
    }
    // Nothing is read here, so that a malformed request cannot hurt its neighbours.
    const merged = Batch.concat(requests.map(request => request.batch))
    this.ports.onFlush?.(merged, why)
    void this.settle(requests, this.next.merged(merged))
  }

  private async settle(requests: readonly Request[], done: Promise<void>): Promise<void> {
    try {
      await done
      for (const { resolve } of requests) resolve(undefined)
    } catch (error) {
      for (const { batch, resolve, reject } of requests) {
        if (error instanceof PartialError) reject(new PartialError(error.message, error.reason, 0, { cause: error }))
        else if (error instanceof PermanentError) resolve(this.next.single(batch))
        else reject(error)
      }
    }
  }

  /** What may be merged has the same key. Sums over two epochs of a task must stay apart: each epoch is a start of its own. */
  private keyOf({ signal, metadata }: Batch): string {
    let key = `${signal}\0${metadata.epoch ?? ''}`
    for (const name of this.ports.apart ?? []) key += `\0${metadata[name] ?? ''}`
    return key
  }
}

/** One verdict for a request that was cut: all parts are waited for; a part that may succeed later outweighs one that never will. */
export const settleAll = async (parts: readonly Promise<void>[]): Promise<void> => {
  const results = await Promise.allSettled(parts)
  const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as unknown] : []))
  if (failures.length === 0) return
  const whole =
    failures.find(failure => !(failure instanceof PermanentError)) ?? failures.find(failure => !(failure instanceof PartialError))
  if (whole) throw whole
  const partial = failures.filter(failure => failure instanceof PartialError)
  throw new PartialError(
    partial[0]!.message,
    partial[0]!.reason,
    partial.reduce((sum, { items }) => sum + items, 0),
    { cause: partial[0] },
  )
}
