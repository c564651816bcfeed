/** One batch to several branches. The batch is shared, never copied; the promise settles when every branch has. */
import type { Batch } from '../proto/batch.js'
import type { Consume } from './component.js'
import { PartialError, PermanentError } from './errors.js'

/** Sends to one branch. */
export type Branch = () => Promise<void>

interface Rest {
  /** Branches that asked to be tried again. */
  readonly branches: readonly Branch[]
  /** The gravest refusal for good, kept until nothing is left to try. */
  readonly permanent: PermanentError | undefined
}

/** One that refuses all outweighs one that refuses part, and of those the one that refuses most. */
const graver = (one: PermanentError | undefined, other: PermanentError): PermanentError => {
  if (!(one instanceof PartialError)) return one ?? other
  return other instanceof PartialError && other.items <= one.items ? one : other
}

/**
 * A retryable rejection of any branch wins, so that the caller tries again; the same batch object then goes only to the branches that asked for it:
 * who has acknowledged it, or refused it for good, does not see it twice. When none is left to try, a refusal for good is the answer.
 */
export const fanOut = (branchesOf: (batch: Batch) => readonly Branch[]): Consume => {
  const unfinished = new WeakMap<Batch, Rest>()
  return async batch => {
    const earlier = unfinished.get(batch)
    const branches = earlier?.branches ?? branchesOf(batch)
    const results = await Promise.allSettled(branches.map(async branch => branch()))
    let permanent = earlier?.permanent
    let retryable: unknown
    const again: Branch[] = []
    results.forEach((result, i) => {
      if (result.status === 'fulfilled') return
      if (result.reason instanceof PermanentError) permanent = graver(permanent, result.reason)
      else {
        retryable ??= result.reason
        again.push(branches[i]!)
      }
    })
    if (again.length > 0) {
      unfinished.set(batch, { branches: again, permanent })
      throw retryable
    }
    unfinished.delete(batch)
    if (permanent) throw permanent
  }
}
