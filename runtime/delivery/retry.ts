/** Sends again what failed for now: exponential backoff with jitter, the backend's own hints honoured, an end when one is set. */
import type { Clock, Consume } from '../component.js'
import { PermanentError, RetryableError, reasonOf } from '../errors.js'
import type { RetryOptions } from './options.js'
import { type Shutdown, shuttingDown } from './shutdown.js'

/** A backend that asks to be left alone for longer than this is asked again all the same. Milliseconds. */
export const LONGEST_HINT = 300_000

interface Ports {
  readonly clock: Clock
  readonly shutdown: Shutdown
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly onRetry: (error: unknown, delay: number) => void
}

/**
 * The wait before the next attempt, milliseconds. Without a hint: `interval`, spread by ± `randomization`.
 * With one: never less than the hint, and spread above it so that those who got the same hint do not come back in one burst.
 */
export const backoff = (interval: number, randomization: number, hint: number | undefined, random: number): number => {
  if (hint !== undefined && hint > 0) return Math.min(hint, LONGEST_HINT) + interval * randomization * random
  return interval * (1 - randomization + 2 * randomization * random)
}

/** PermanentError passes at once; anything else is tried again until it succeeds, `max_elapsed_time` has passed or the shutdown's deadline has come. */
export const retry = (options: RetryOptions, next: Consume, { clock, shutdown, random, onRetry }: Ports): Consume => {
  if (!options.enabled) return next
  const sleepers = new Set<{ wake: (() => void) | undefined; release: () => void }>()
  shutdown.onBegin(() => {
    for (const sleeper of sleepers) sleeper.wake?.()
  })
  shutdown.onExpire(() => {
    for (const sleeper of sleepers) sleeper.release()
  })

  /** A shutdown ends a wait of our own choosing at once, and a wait the backend asked for at the deadline. */
  const sleep = (ms: number, asked: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const done = (): void => {
        cancel()
        sleepers.delete(sleeper)
        resolve()
      }
      const release = (): void => {
        cancel()
        sleepers.delete(sleeper)
        reject(shuttingDown())
      }
      const cancel = clock.after(ms, done)
      const sleeper = { wake: asked ? undefined : done, release }
      sleepers.add(sleeper)
    })

  return async batch => {
    const started = clock.monotonic()
    let interval = Math.min(options.initial_interval, options.max_interval)
    for (;;) {
      let failure: unknown
      try {
        return await next(batch)
      } catch (error) {
        failure = error
      }
      if (failure instanceof PermanentError || shutdown.expired) throw failure
      const hint = failure instanceof RetryableError ? failure.after : undefined
      const delay = backoff(interval, options.randomization_factor, hint, random())
      const elapsed = clock.monotonic() - started
      if (options.max_elapsed_time > 0 && elapsed + delay > options.max_elapsed_time) throw givenUp(failure, elapsed, delay)
      onRetry(failure, delay)
      interval = Math.min(interval * options.multiplier, options.max_interval)
      await sleep(delay, hint !== undefined)
    }
  }
}

const givenUp = (failure: unknown, elapsed: number, after: number): RetryableError => {
  const why = failure instanceof Error ? failure.message : String(failure)
  const seconds = (elapsed / 1000).toFixed(0)
  return new RetryableError(`gave up after ${seconds} s of retries: ${why}`, reasonOf(failure), after, { cause: failure })
}
