import fc from 'fast-check'
import type { Files } from './files.js'
import { type LogEvents, type LogOptions, LogRefusal, SegmentedLog } from './log.js'
import { LogReader } from './reader.js'
import { TestDisk } from './testing/disk.js'

const DIRECTORY = '/log'
const RESERVE = 4096
const OPTIONS: LogOptions = { fsync: 'group', segmentBytes: 2000, reserveBytes: RESERVE, startAt: 0, interval: 0 }

class Seen implements LogEvents {
  torn = 0
  damagedBytes = 0
  lostItems = 0
  failures = 0
  readonly fulls: boolean[] = []
  tornTail(bytes: number) {
    this.torn += bytes
  }
  damaged(_path: string, _position: number, bytes: number) {
    this.damagedBytes += bytes
  }
  lost(items: number) {
    this.lostItems += items
  }
  failed() {
    this.failures++
  }
  full(full: boolean) {
    this.fulls.push(full)
  }
}

/** Timers that run when told to. */
class Timers {
  private tasks = new Set<() => void>()
  now = 0
  monotonic(): number {
    return this.now
  }
  after(_ms: number, task: () => void): () => void {
    this.tasks.add(task)
    return () => this.tasks.delete(task)
  }
  fire(): void {
    const { tasks } = this
    this.tasks = new Set()
    for (const task of tasks) task()
  }
}

const open = (files: Files, seen = new Seen(), options: Partial<LogOptions> = {}, timers = new Timers()) =>
  SegmentedLog.open(files, DIRECTORY, { ...OPTIONS, ...options }, seen, timers)

const record = (text: string, items = 1) => ({ items, slices: [Buffer.from(text.slice(0, 3)), Buffer.from(text.slice(3))] })

const readAll = async (log: SegmentedLog, seen: Seen, from = 0): Promise<{ text: string; position: number; end: number }[]> => {
  const reader = new LogReader(log, from, seen)
  const found: { text: string; position: number; end: number }[] = []
  while (!reader.caughtUp) for (const { body, position, end } of await reader.read()) found.push({ text: body.toString(), position, end })
  return found
}
const texts = async (log: SegmentedLog, seen = new Seen()) => (await readAll(log, seen)).map(({ text }) => text)

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}
const segmentNames = async (disk: TestDisk) => (await disk.list(DIRECTORY)).filter(name => name.endsWith('.log')).sort()
const EIO = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })

describe('segmented log', () => {
  test('what was appended is read back in order, over segments and after a restart', async () => {
    const disk = new TestDisk()
    const log = await open(disk)
    const written = Array.from({ length: 100 }, (_, index) => `record ${index} ${'x'.repeat(index)}`)
    for (const text of written) await log.append([record(text)])
    expect(await texts(log)).toEqual(written)
    await log.close()
    const again = await open(disk)
    expect(await texts(again)).toEqual(written)
    await again.append([record('one more')])
    expect(await texts(again)).toEqual([...written, 'one more'])
    expect((await segmentNames(disk)).length).toBeGreaterThan(3)
  })

  test('appends that come while a sync runs share the next one', async () => {
    const disk = new TestDisk()
    const log = await open(disk, new Seen(), { segmentBytes: 1e6 })
    const before = disk.syncs
    await Promise.all(Array.from({ length: 500 }, (_, index) => log.append([record(`r${index}`)])))
    expect(disk.syncs - before).toBeLessThanOrEqual(3)
    expect((await texts(log)).length).toBe(500)
  })

  test('readers see nothing before it is synced', async () => {
    const disk = new TestDisk()
    const log = await open(disk)
    const appended = log.append([record('r')])
    expect(await texts(log)).toEqual([])
    await appended
    expect(await texts(log)).toEqual(['r'])
  })

  test('a record larger than a block is read whole', async () => {
    const log = await open(new TestDisk(), new Seen(), { segmentBytes: 1e9 })
    const large = 'y'.repeat(3 * 1024 * 1024)
    await log.append([record('a'), record(large), record('b')])
    // Push it out of the tail that is kept in memory, so that it is read from the disk.
    for (let count = 0; count < 12; count++) await log.append([record('z'.repeat(1024 * 1024))])
    expect((await texts(log)).slice(0, 3)).toEqual(['a', large, 'b'])
  })

  test('extents are read again, neighbours and strangers, from disk and from memory', async () => {
    const disk = new TestDisk()
    const first = await open(disk)
    for (let index = 0; index < 60; index++) await first.append([record(`record ${index} ${'x'.repeat(50)}`)])
    await first.close()
    const log = await open(disk)
    for (let index = 60; index < 80; index++) await log.append([record(`record ${index} ${'x'.repeat(50)}`)])
    const all = await readAll(log, new Seen())
    const wanted = [79, 3, 4, 5, 40, 0, 61, 25, 24]
    const { found } = await log.reread(wanted.map(index => ({ from: all[index]!.position, to: all[index]!.end })))
    expect(found.map(frames => frames.map(({ body }) => body.toString()))).toEqual(wanted.map(index => [all[index]!.text]))
    const range = (await log.reread([{ from: all[10]!.position, to: all[50]!.end }])).found
    expect(range[0]!.map(({ body }) => body.toString())).toEqual(all.slice(10, 51).map(({ text }) => text))
  })

  test('records that keep coming share a write every interval; one that comes alone is written at once', async () => {
    const disk = new TestDisk()
    const timers = new Timers()
    const log = await open(disk, new Seen(), { interval: 20 }, timers)
    timers.now = 1000
    await log.append([record('alone')])
    const done: string[] = []
    const add = (text: string) => void log.append([record(text)]).then(() => done.push(text))
    timers.now = 1002
    add('a')
    await settle()
    add('b')
    timers.now = 1007
    timers.fire()
    await settle()
    // More came in the last quarter of the interval: perhaps still more will.
    expect(done).toEqual([])
    add('c')
    timers.now = 1012
    timers.fire()
    await settle()
    expect(done).toEqual([])
    timers.now = 1017
    timers.fire()
    await settle()
    // Nobody else came: waiting longer serves nobody.
    expect(done).toEqual(['a', 'b', 'c'])
    add('d')
    for (const text of ['e', 'f', 'g', 'h']) {
      await settle()
      expect(done).toEqual(['a', 'b', 'c'])
      timers.now += 5
      add(text)
      timers.fire()
    }
    // They still come, and have waited for an interval.
    await settle()
    expect(done).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    add('at the end')
    await settle()
    expect(done).not.toContain('at the end')
    await log.close()
    expect(done).toContain('at the end')
    const again = await open(disk)
    expect((await texts(again)).at(-1)).toBe('at the end')
    await again.close()
  })
  test('segments are freed whole, and never the one being written', async () => {
    const disk = new TestDisk()
    const log = await open(disk)
    for (let index = 0; index < 100; index++) await log.append([record('x'.repeat(100))])
    const all = await readAll(log, new Seen())
    const freed = await log.free(all[50]!.position)
    expect(freed).toBeGreaterThan(4000)
    expect(log.start).toBeLessThanOrEqual(all[50]!.position)
    expect(log.start).toBeGreaterThan(all[30]!.position)
    expect((await readAll(log, new Seen(), all[50]!.position)).length).toBe(50)
    await log.free(log.durable)
    expect((await segmentNames(disk)).length).toBe(1)
  })

  test('B F09 a torn tail is cut at the last whole record and reported', async () => {
    const disk = new TestDisk()
    const log = await open(disk, new Seen(), { segmentBytes: 1e6 })
    await log.append([record('one'), record('two')])
    await log.close()
    const [name] = await segmentNames(disk)
    disk.edit(`${DIRECTORY}/${name}`, content => content.subarray(0, content.length - 2))
    const seen = new Seen()
    const again = await open(disk, seen)
    expect(await texts(again, seen)).toEqual(['one'])
    expect(seen.torn).toBe(29)
    await again.append([record('three')])
    expect(await texts(again)).toEqual(['one', 'three'])
  })

  test('offsets are never reused: a log shorter than its checkpoint goes on at the checkpoint', async () => {
    const disk = new TestDisk()
    const log = await open(disk)
    await log.append([record('one')])
    await log.close()
    const again = await open(disk, new Seen(), { startAt: 5000 })
    await again.append([record('two')])
    expect((await readAll(again, new Seen())).map(({ text, position }) => [text, position])).toEqual([
      ['one', 0],
      ['two', 5000],
    ])
  })

  test('B F08 a failed sync is reported, its records are refused, and they are not there afterwards, nor after a restart', async () => {
    const disk = new TestDisk()
    const seen = new Seen()
    const log = await open(disk, seen, { segmentBytes: 1e6 })
    await log.append([record('good')])
    let failing = true
    disk.fault = operation => (operation === 'sync' && failing ? EIO : undefined)
    const refused = log.append([record('refused', 5)])
    const gathered = log.append([record('gathered', 7)])
    await expect(refused).rejects.toThrow('EIO')
    await expect(gathered).rejects.toThrow('EIO')
    failing = false
    await log.append([record('after')])
    expect(await texts(log, seen)).toEqual(['good', 'after'])
    expect([seen.failures, seen.lostItems]).toEqual([1, 0])
    const all = await readAll(log, seen)
    expect(all[1]!.position).toBeGreaterThan(all[0]!.end)
    for (const random of [() => 0, () => 0.9]) {
      const later = new Seen()
      expect(await texts(await open(disk.cut(random), later), later)).toEqual(['good', 'after'])
      expect(later.lostItems).toBe(0)
    }
  })

  test('B F08 what a failed write left in a segment that cannot even be cut is not read after a restart', async () => {
    const disk = new TestDisk()
    const log = await open(disk, new Seen(), { segmentBytes: 1e6 })
    await log.append([record('good')])
    const [suspect] = await segmentNames(disk)
    let syncs = 1
    disk.fault = (operation, path) =>
      path.endsWith(suspect!) && ((operation === 'sync' && syncs-- > 0) || (operation === 'write' && syncs < 1)) ? EIO : undefined
    await expect(log.append([record('refused')])).rejects.toThrow('EIO')
    await log.append([record('after')])
    disk.fault = () => undefined
    expect(await texts(await open(disk))).toEqual(['good', 'after'])
  })

  test('bytes of the log inside a record are never taken for records, whatever is damaged around them', async () => {
    const disk = new TestDisk()
    const log = await open(disk, new Seen(), { segmentBytes: 1e6 })
    await log.append([record('inner', 7)])
    const [name] = await segmentNames(disk)
    const path = `${DIRECTORY}/${name}`
    let bytes = Buffer.alloc(0)
    disk.edit(path, content => (bytes = Buffer.from(content)))
    await log.close()
    const again = await open(disk, new Seen(), { segmentBytes: 1e6 })
    await again.append([{ items: 3, slices: [bytes] }, record('last')])
    await again.close()
    // The header of the record that holds the copy.
    disk.edit(path, content => content.fill(0, bytes.length, bytes.length + 28))
    const seen = new Seen()
    expect(await texts(await open(disk, seen), seen)).toEqual(['inner', 'last'])
    expect(seen.lostItems).toBe(3)
  })

  test('a bad sector costs the records that lie on it, and their items are counted', async () => {
    const disk = new TestDisk()
    const first = await open(disk, new Seen(), { segmentBytes: 1e6 })
    for (let index = 0; index < 40; index++) await first.append([record(`${index}:`.padEnd(900, 'x'), 1)])
    await first.append([record('the end')])
    await first.close()
    disk.fault = (operation, _path, position, length) =>
      operation === 'read' && position <= 9000 && position + length > 9000 ? EIO : undefined
    const seen = new Seen()
    const log = await open(disk, seen, { segmentBytes: 1e6 })
    const found = await texts(log, seen)
    expect(found.length).toBeGreaterThan(30)
    expect(found.length + seen.lostItems).toBe(41)
  })

  test('B F07 a full disk refuses records, still takes ticks, and is used again when space returns', async () => {
    const disk = new TestDisk()
    const seen = new Seen()
    const timers = new Timers()
    const log = await open(disk, seen, { segmentBytes: 1e6 }, timers)
    await log.append([record('before')])
    disk.capacity = disk.used + 500
    await expect(log.append([record('x'.repeat(1000))])).rejects.toThrow('ENOSPC')
    await expect(log.append([record('y')])).rejects.toThrow(LogRefusal)
    for (let tick = 0; tick < 20; tick++) await log.append([record(`tick ${tick}`, 0)], true)
    timers.fire()
    await settle()
    await expect(log.append([record('y')])).rejects.toThrow('no space')
    disk.capacity = Infinity
    timers.fire()
    await settle()
    await log.append([record('again')])
    expect(seen.fulls).toEqual([true, false])
    expect((await texts(log, seen)).filter(text => !text.startsWith('tick'))).toEqual(['before', 'again'])
    expect(seen.lostItems).toBe(0)
    expect(await texts(await open(disk))).toEqual(await texts(log))
  })
})

describe('segmented log, any damage', () => {
  const script = fc.array(fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 9 }), fc.boolean()), {
    minLength: 1,
    maxLength: 60,
  })
  const random = (seed: number) => () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed / 2 ** 32
  }

  /** Appends in order, waiting where told; what was acknowledged when the power went. */
  const play = async (disk: TestDisk, steps: readonly [number, number, boolean][], cutAfter: number) => {
    const log = await open(disk)
    const acknowledged = new Set<string>()
    let count = 0
    for (const [length, items, wait] of steps.slice(0, cutAfter)) {
      const text = `${count++}:`.padEnd(length + 4, 'q')
      const done = log.append([record(text, items)]).then(() => void acknowledged.add(text))
      if (wait) await done
    }
    return { log, acknowledged: () => new Set(acknowledged) }
  }

  test('power cut: what was acknowledged survives, in order, and nothing else than what was appended appears', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.nat(60), fc.nat(), async (steps, cutAfter, seed) => {
        const disk = new TestDisk()
        const { acknowledged } = await play(disk, steps, cutAfter)
        const sure = acknowledged()
        const after = disk.cut(random(seed))
        await settle()
        const seen = new Seen()
        const log = await open(after, seen)
        const found = await readAll(log, seen)
        const survived = new Set(found.map(({ text }) => text))
        for (const text of sure) expect(survived).toContain(text)
        const order = found.map(({ text }) => Number.parseInt(text, 10))
        expect(order).toEqual([...order].sort((a, b) => a - b))
        expect(new Set(order).size).toBe(order.length)
        await log.append([record('next')])
        expect((await readAll(log, seen)).at(-1)!.position).toBeGreaterThanOrEqual(found.at(-1)?.end ?? 0)
      }),
      { numRuns: 150 },
    )
  })

  test('B F10 a flipped byte costs the record it lies in and no other, and the items lost are counted', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.nat(), fc.integer({ min: 1, max: 255 }), async (steps, where, flip) => {
        const disk = new TestDisk()
        const all = steps.map(([length, items]): [number, number, boolean] => [length, items, true])
        const { log } = await play(disk, all, all.length)
        await log.append([record('the end', 0)])
        const before = await readAll(log, new Seen())
        await log.close()
        const names = await segmentNames(disk)
        const name = names[where % names.length]!
        disk.edit(`${DIRECTORY}/${name}`, content => {
          const at = where % content.length
          content[at] = content[at]! ^ flip
          return content
        })
        const seen = new Seen()
        const again = await open(disk, seen)
        const after = (await readAll(again, seen)).map(({ text }) => text)
        const missing = before.map(({ text }, index) => ({ text, items: all[index]?.[1] ?? 0 })).filter(({ text }) => !after.includes(text))
        expect(missing.length).toBeLessThanOrEqual(1)
        expect(after).toEqual(before.map(({ text }) => text).filter(text => !missing.some(lost => lost.text === text)))
        expect(seen.lostItems).toBe(missing.reduce((sum, { items }) => sum + items, 0))
      }),
      { numRuns: 200 },
    )
  })

  test('any extents, alone or neighbours, over blocks and segments, in memory and on disk, are read again whole', async () => {
    const extents = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 })), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.constantFrom(3000, 200_000, 1e9),
        fc.boolean(),
        extents,
        async (count, segmentBytes, fromDisk, wanted) => {
          const disk = new TestDisk()
          const first = await open(disk, new Seen(), { segmentBytes })
          let batch: { items: number; slices: readonly Buffer[] }[] = []
          for (let index = 0; index < count; index++) {
            batch.push(record(`${index}:`.padEnd((index * 7919) % 1500, 'x')))
            if (index % 13 === 0 || index === count - 1) {
              await first.append(batch)
              batch = []
            }
          }
          const all = await readAll(first, new Seen())
          if (fromDisk) await first.close()
          const log = fromDisk ? await open(disk, new Seen(), { segmentBytes }) : first
          const ranges = wanted.map(([start, length]) => all.slice(start % count, (start % count) + length))
          const { found } = await log.reread(ranges.map(range => ({ from: range[0]!.position, to: range.at(-1)!.end })))
          expect(found.map(frames => frames.map(({ body }) => body.toString()))).toEqual(ranges.map(range => range.map(({ text }) => text)))
          expect(all.length).toBe(count)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('a file cut anywhere and filled with anything: no crash, no endless loop, only true records', async () => {
    await fc.assert(
      fc.asyncProperty(script, fc.nat(), fc.uint8Array({ maxLength: 300 }), async (steps, where, garbage) => {
        const disk = new TestDisk()
        const { log, acknowledged } = await play(
          disk,
          steps.map(([length, items]) => [length, items, true]),
          steps.length,
        )
        await log.close()
        const names = await segmentNames(disk)
        disk.edit(`${DIRECTORY}/${names[where % names.length]}`, content =>
          Buffer.concat([content.subarray(0, where % (content.length + 1)), garbage]),
        )
        const seen = new Seen()
        const again = await open(disk, seen)
        const known = acknowledged()
        for (const text of await texts(again, seen)) expect(known).toContain(text)
        await again.append([record('on we go')])
        expect((await texts(again)).at(-1)).toBe('on we go')
      }),
      { numRuns: 200 },
    )
  })
})
