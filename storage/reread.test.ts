import { SegmentedLog } from './log.js'
import { LogReader } from './reader.js'
import { TestDisk } from './testing/disk.js'

const events = { tornTail() {}, damaged() {}, lost() {}, failed() {}, full() {} }
const timers = { monotonic: () => 0, after: () => () => {} }

test('an extent that begins inside one written block and ends in another is read again whole, from memory as from disk', async () => {
  const disk = new TestDisk()
  const options = { fsync: 'group', segmentBytes: 1e6, reserveBytes: 4096, startAt: 0, interval: 0 } as const
  const log = await SegmentedLog.open(disk, '/log', options, events, timers)
  // Each append is awaited, so each is a block of its own; several records a block.
  for (let block = 0; block < 12; block++)
    await log.append(Array.from({ length: 5 }, (_, i) => ({ items: 1, slices: [Buffer.alloc(50 * (block + 1) + i, block)] })))
  const extentsOf = async (from: SegmentedLog) => {
    const reader = new LogReader(from, 0, events)
    const frames = []
    while (!reader.caughtUp) frames.push(...(await reader.read()))
    return frames.map(({ position, end }) => ({ from: position, to: end }))
  }
  const extents = await extentsOf(log)
  expect(extents).toHaveLength(60)
  const again = await SegmentedLog.open(disk, '/log', options, events, timers)
  for (const source of [log, again])
    for (let first = 0; first < extents.length; first++)
      for (const count of [1, 2, 3, 9]) {
        const wanted = extents.slice(first, first + count)
        const { found, release } = await source.reread(wanted)
        expect(found.map(frames => frames.map(({ position, end }) => ({ from: position, to: end })))).toEqual(
          wanted.map(extent => [extent]),
        )
        release()
      }
  await log.close()
  await again.close()
})
