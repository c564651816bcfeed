/** A request refused as too large is cut in two, again and again down to one item. */
import type { Batch } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { PermanentError } from '../errors.js'
import { cut } from './cut.js'
import { settleAll } from './merging.js'

/** `reason` of the PermanentError by which a backend's "too large" (HTTP 413) is known. */
export const TOO_LARGE = 'too_large'

/** Two batches of half the items each; the batch itself where it has only one, or is no request. */
export const halve = (batch: Batch): Batch[] => cut(batch, Math.max(1, Math.ceil(batch.items / 2)), 'items')

/** `onFailed` learns of each part that got no better verdict, before the caller does. */
export const halving = (next: Consume, onFailed: (batch: Batch, error: unknown) => void): Consume => {
  const send: Consume = async batch => {
    try {
      return await next(batch)
    } catch (error) {
      const tooLarge = error instanceof PermanentError && error.reason === TOO_LARGE
      const halves = tooLarge ? halve(batch) : []
      if (halves.length < 2) {
        onFailed(batch, error)
        throw error
      }
      await settleAll(halves.map(send))
    }
  }
  return send
}
