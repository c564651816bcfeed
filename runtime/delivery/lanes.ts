/** At most `width` batches are under way at the same time; the others wait in order. */
import type { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { Fifo } from './fifo.js'
import { type Shutdown, shuttingDown } from './shutdown.js'

interface Waiting {
  readonly batch: Batch
  readonly resolve: (done: Promise<void>) => void
  readonly reject: (error: unknown) => void
}

export const lanes = (width: number, next: Consume, shutdown: Shutdown): Consume => {
  let running = 0
  const waiting = new Fifo<Waiting>()
  shutdown.onExpire(() => {
    for (let one = waiting.shift(); one; one = waiting.shift()) one.reject(shuttingDown())
  })
  const leave = (): void => {
    running--
    const one = waiting.shift()
    if (one) one.resolve(run(one.batch))
  }
  const run = async (batch: Batch): Promise<void> => {
    running++
    try {
      return await next(batch)
    } finally {
      leave()
    }
  }
  return batch => (running < width ? run(batch) : new Promise<void>((resolve, reject) => waiting.push({ batch, resolve, reject })))
}
