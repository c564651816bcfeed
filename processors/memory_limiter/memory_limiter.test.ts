import { Batch } from '../../proto/batch.js'
import { Admission, MemoryAdmission } from '../../runtime/admission.js'
import { RetryableError } from '../../runtime/errors.js'
import { TokenMap } from '../../runtime/host.js'
import { TestClock } from '../../runtime/testing/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import limiter from './index.js'

const MIB = 2 ** 20
const batch = Batch.of('traces', [new Uint8Array(10)], 1)

const setUp = (written: Record<string, unknown>) => {
  const clock = new TestClock()
  const memory = { bytes: 50 * MIB, collections: 0, rss: () => memory.bytes, collectGarbage: () => void memory.collections++ }
  const admission = new MemoryAdmission(clock, 1_000 * MIB, memory)
  const machine = harness('memory_limiter', { clock, host: new TokenMap().put(Admission, admission) })
  const instance = limiter.create(limiter.config.parse(written), machine.upstream)
  return { ...machine, memory, admission, instance }
}
const stop = AbortSignal.timeout(1_000)

test('below the soft limit the same batch passes', async () => {
  const { instance, out } = setUp({ limit_mib: 100 })
  await instance.start?.()
  await instance.consume(batch)
  expect(out.batches).toEqual([batch])
  expect(out.batches[0]).toBe(batch)
  await instance.stop?.(stop)
})

test('resident memory above the soft limit refuses as retryable with a delay, and service resumes alone below it', async () => {
  const { instance, out, memory, clock, admission } = setUp({ limit_mib: 100, spike_limit_mib: 20, check_interval: '2s' })
  await instance.start?.()
  const held = admission.reserve(12 * MIB)
  memory.bytes = 85 * MIB
  await clock.advance(2_000)
  const refusal = await instance.consume(batch).catch(error => error)
  expect(refusal).toBeInstanceOf(RetryableError)
  expect(refusal.reason).toBe('memory_pressure')
  expect(refusal.after).toBeGreaterThanOrEqual(2_000)
  expect(refusal.after).toBeLessThanOrEqual(4_000)
  expect(out.batches).toHaveLength(0)
  memory.bytes = 70 * MIB
  await clock.advance(2_000)
  await instance.consume(batch)
  expect(out.batches).toHaveLength(1)
  held()
  await instance.stop?.(stop)
})

test('bytes admitted since memory was read count as resident, so that a burst between two checks is refused', async () => {
  const { instance, admission } = setUp({ limit_mib: 100, spike_limit_mib: 20 })
  await instance.start?.()
  const releases = [admission.reserve(20 * MIB)]
  expect(() => admission.reserve(20 * MIB)).toThrow(RetryableError)
  releases.push(admission.reserve(9 * MIB))
  for (const release of releases) release()
  expect(admission.admitted).toBe(0)
  await instance.stop?.(stop)
})

test('above the limit garbage is collected at every check, above the soft limit at most every interval', async () => {
  const { instance, memory, clock } = setUp({ limit_mib: 100, spike_limit_mib: 20, min_gc_interval_when_soft_limited: '3s' })
  await instance.start?.()
  memory.bytes = 90 * MIB
  await clock.advance(4_000)
  expect(memory.collections).toBe(2)
  memory.bytes = 110 * MIB
  await clock.advance(3_000)
  expect(memory.collections).toBe(5)
  await instance.stop?.(stop)
})

test('between the soft limit and the limit half the spike may be held, so that memory which stays resident after a rush stops nobody', async () => {
  const { instance, memory, clock, admission } = setUp({ limit_mib: 100, spike_limit_mib: 20 })
  await instance.start?.()
  memory.bytes = 85 * MIB
  await clock.advance(1_000)
  const release = admission.reserve(10 * MIB)
  expect(() => admission.reserve(1)).toThrow(RetryableError)
  release()
  memory.bytes = 95 * MIB
  await clock.advance(1_000)
  expect(() => admission.reserve(6 * MIB)).toThrow(RetryableError)
  admission.reserve(5 * MIB)()
  memory.bytes = 101 * MIB
  await clock.advance(1_000)
  expect(() => admission.reserve(1)).toThrow(RetryableError)
  await instance.stop?.(stop)
})

test('crossing the soft limit is logged once each way', async () => {
  const { instance, memory, clock, log } = setUp({ limit_mib: 100 })
  await instance.start?.()
  memory.bytes = 90 * MIB
  await clock.advance(5_000)
  memory.bytes = 60 * MIB
  await clock.advance(5_000)
  expect(log.lines.map(line => line.level)).toEqual(['warn', 'info'])
  await instance.stop?.(stop)
})

test('of several limits the strictest rules until it is lifted', async () => {
  const { instance, admission } = setUp({ limit_mib: 200 })
  await instance.start?.()
  const lift = admission.limit({ limit: 60 * MIB, spike: 5 * MIB, checkInterval: 1_000, gcInterval: { soft: 0, hard: 0 } })
  expect(() => admission.reserve(10 * MIB)).toThrow(RetryableError)
  lift()
  admission.reserve(10 * MIB)()
  await instance.stop?.(stop)
})

test('once stopped it limits nothing and leaves no timer; started again it limits again', async () => {
  const { instance, clock, admission } = setUp({ limit_mib: 60, spike_limit_mib: 5 })
  await instance.start?.()
  expect(() => admission.reserve(10 * MIB)).toThrow(RetryableError)
  await instance.stop?.(stop)
  await instance.stop?.(stop)
  expect(clock.pending).toBe(0)
  admission.reserve(10 * MIB)()
  await instance.start?.()
  expect(() => admission.reserve(10 * MIB)).toThrow(RetryableError)
  await instance.stop?.(stop)
})

test.each([
  [{}, 'set limit_mib or limit_percentage'],
  [{ limit_mib: 100, spike_limit_mib: 100 }, 'the spike limit must be smaller than the limit'],
  [{ limit_mib: 100, check_interval: '0s' }, 'must be above 0'],
  [{ limit_mib: 100, limit: 5 }, 'limit'],
])('options %j are refused: %s', (written, message) => {
  const result = limiter.config.safeParse(written)
  expect(result.success).toBe(false)
  expect(result.error?.message).toContain(message)
})
