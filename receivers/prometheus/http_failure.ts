/** What Node says of a request that failed → why, in our words. */
import { ExpositionError } from '../../proto/exposition/error.js'
import { codeOf, messageOf, ScrapeError } from './failure.js'

const ENCODING_FAULTS: ReadonlySet<unknown> = new Set([
  'Z_DATA_ERROR',
  'Z_STREAM_ERROR',
  'Z_NEED_DICT',
  'ERR_TRAILING_JUNK_AFTER_STREAM_END',
])
const TRUNCATED: ReadonlySet<unknown> = new Set(['Z_BUF_ERROR', 'ERR_STREAM_PREMATURE_CLOSE'])

export const failureOf = (error: unknown): unknown => {
  if (error instanceof ScrapeError || error instanceof ExpositionError) return error
  const code = codeOf(error)
  const options = { cause: error }
  if (ENCODING_FAULTS.has(code)) return new ScrapeError(`the gzip data is damaged: ${messageOf(error)}`, 'encoding', options)
  if (TRUNCATED.has(code) || (code === 'ECONNRESET' && messageOf(error) === 'aborted'))
    return new ScrapeError('the connection ended before the body did', 'truncated', options)
  return code === undefined ? error : new ScrapeError(`the connection failed: ${messageOf(error) || String(code)}`, 'connection', options)
}
