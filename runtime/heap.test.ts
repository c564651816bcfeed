import { growthFor, keepHeadroom } from './heap.js'
import { TestClock } from './testing/clock.js'

const MIB = 2 ** 20

test.each([
  [1 * MIB, 6_400],
  [16 * MIB, 400],
  [40 * MIB, 160],
  [64 * MIB, 0],
  [500 * MIB, 0],
])('a heap of %d bytes may grow by %d percent: 64 MiB, or what V8 chooses', (used, percent) => {
  expect(growthFor(used)).toBe(percent)
})

test('it follows the heap until it is ended', async () => {
  const clock = new TestClock()
  const end = keepHeadroom(clock)
  await clock.advance(60_000)
  expect(clock.pending).toBe(1)
  end()
  expect(clock.pending).toBe(0)
})
