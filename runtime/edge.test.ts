import { Batch } from '../proto/batch.js'
import { WireError } from '../proto/wire.js'
import { edge } from './edge.js'
import { PermanentError, RetryableError } from './errors.js'
import { TestLog } from './testing/log.js'

const batch = Batch.of('traces', [], 0)
const thrownBy = async (thrown: unknown) => {
  const log = new TestLog()
  const refusal = await edge(() => Promise.reject(thrown), [], log)(batch).catch(error => error)
  return { refusal, lines: log.lines }
}

test('bytes that cannot be read are refused for good, and are nobody’s bug', async () => {
  const { refusal, lines } = await thrownBy(new WireError('cut', 7))
  expect(refusal).toBeInstanceOf(PermanentError)
  expect(refusal.reason).toBe('malformed')
  expect(lines).toEqual([])
})

test('a refusal crosses as it is; anything else is told as a bug and may be sent again', async () => {
  const own = new PermanentError('no', 'bad_data')
  expect((await thrownBy(own)).refusal).toBe(own)
  const { refusal, lines } = await thrownBy(new TypeError('x of undefined'))
  expect(refusal).toBeInstanceOf(RetryableError)
  expect(refusal.reason).toBe('internal')
  expect(JSON.stringify(lines)).toContain('bug')
})
