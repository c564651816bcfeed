/** Why a scrape failed, or its samples went nowhere: `reason` is a label of a counter, the message is for a person. */
import { ExpositionError } from '../../proto/exposition/error.js'

export type Reason =
  | ExpositionError['reason']
  | 'connection'
  | 'timeout'
  | 'status'
  | 'content_type'
  | 'encoding'
  | 'credentials'
  | 'body_size_limit'
  | 'sample_limit'
  | 'label_limit'
  | 'bucket_limit'
  | 'target_limit'
  | 'duplicate_series'
  | 'memory_pressure'
  | 'stopped'
  | 'internal'

export class ScrapeError extends Error {
  override readonly name = 'ScrapeError'
  constructor(
    message: string,
    readonly reason: Reason,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}

export const scrapeErrorOf = (error: unknown): ScrapeError => {
  if (error instanceof ScrapeError) return error
  if (error instanceof ExpositionError) return new ScrapeError(error.message, error.reason, { cause: error })
  return new ScrapeError(messageOf(error), 'internal', { cause: error })
}

/** Node's own name of a fault (`ECONNREFUSED`, `Z_DATA_ERROR`); undefined for faults that have none. */
export const codeOf = (error: unknown): unknown => (typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined)
export const messageOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
