/** Two kinds of refusal inside the pipeline; protocols turn them into codes at the edge (docs/design.md, Delivery). */

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
  override readonly name = 'PermanentError'
  constructor(
    message: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

/** The refusal's label, whatever was thrown. */
export const reasonOf = (error: unknown): string =>
  error instanceof RetryableError || error instanceof PermanentError ? error.reason : 'internal'
