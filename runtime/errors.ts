/** Two kinds of refusal inside the pipeline; protocols turn them into codes at the edge (docs/design.md, Delivery). */

import { WireError } from '../proto/wire.js'

/** `reason` is a label of a counter: one of a small fixed set, lower_snake_case (`memory_pressure`, `queue_full`, `timeout`). */
export class RetryableError extends Error {
  override readonly name = 'RetryableError'
  constructor(
    message: string,
    readonly reason: string,
    /** Milliseconds the sender should wait before it tries again. */
    readonly after?: number,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The same bytes will never be accepted. */
export class PermanentError extends Error {
  override readonly name: string = 'PermanentError'
  constructor(
    message: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/**
 * Everything of the batch is acknowledged but `items` of it, which are refused for good. Like any refusal for good it is an end: nothing is sent again.
 * 0 items: a warning to a sender whose items may or may not be among those refused (they were merged with others).
 */
export class PartialError extends PermanentError {
  override readonly name = 'PartialError'
  constructor(
    message: string,
    reason: string,
    readonly items: number,
    options?: ErrorOptions,
  ) {
    super(message, reason, options)
  }
}

/**
 * Runs `read`; bytes that turn out to be malformed below what the door checks are the sender's news: refused for good with `reason`, the message beginning with
 * `about`. Throws what else `read` throws.
 */
export const refusingUnreadable = <T>(reason: 'malformed' | 'bad_data', read: () => T, about = ''): T => {
  try {
    return read()
  } catch (error) {
    if (error instanceof WireError) throw new PermanentError(about + error.message, reason, { cause: error })
    throw error
  }
}

/** How many of the batch's `items` were refused. */
export const refusedItems = (error: unknown, items: number): number =>
  error instanceof PartialError ? Math.min(error.items, items) : items

/** The refusal's label, whatever was thrown. */
export const reasonOf = (error: unknown): string =>
  error instanceof RetryableError || error instanceof PermanentError ? error.reason : 'internal'
