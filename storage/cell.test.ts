import fc from 'fast-check'
import { Cell } from './cell.js'
import { TestDisk } from './testing/disk.js'

const open = (disk: TestDisk) => Cell.open(disk, '/cell', 'checkpoint', 4096)

describe('cell', () => {
  test('holds the last value written, over restarts', async () => {
    const disk = new TestDisk()
    let cell = await open(disk)
    expect(cell.initial).toBeUndefined()
    for (let round = 0; round < 5; round++) {
      await cell.write(Buffer.from(`value ${round}`))
      cell = await open(disk)
      expect(cell.initial?.toString()).toBe(`value ${round}`)
    }
  })

  test('needs no space once it is laid out', async () => {
    const disk = new TestDisk()
    const cell = await open(disk)
    disk.capacity = disk.used
    await cell.write(Buffer.alloc(4000, 1))
    await cell.write(Buffer.alloc(4000, 2))
    expect((await open(disk)).initial?.equals(Buffer.alloc(4000, 2))).toBe(true)
  })

  test('after a failed write the value before holds, and the next write counts', async () => {
    const disk = new TestDisk()
    const cell = await open(disk)
    await cell.write(Buffer.from('one'))
    disk.fault = operation => (operation === 'sync' ? new Error('EIO') : undefined)
    await expect(cell.write(Buffer.from('two'))).rejects.toThrow('EIO')
    disk.fault = () => undefined
    expect((await open(disk.cut(() => 0))).initial?.toString()).toBe('one')
    await cell.write(Buffer.from('three'))
    expect((await open(disk.cut(() => 0))).initial?.toString()).toBe('three')
  })

  test('a value that does not fit is refused, and both slots damaged are reported', async () => {
    const disk = new TestDisk()
    const cell = await open(disk)
    await expect(cell.write(Buffer.alloc(5000))).rejects.toThrow(RangeError)
    await cell.write(Buffer.from('one'))
    disk.edit('/cell/checkpoint', content => content.fill(7))
    expect((await open(disk)).damaged).toBe(true)
    expect((await open(disk)).damaged).toBe(false)
  })

  test('power cut in the middle of any write: the last acknowledged value, or the one that was being written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 10 }),
        fc.nat(10),
        fc.nat(),
        async (lengths, acknowledged, seed) => {
          const disk = new TestDisk()
          const cell = await open(disk)
          const values = lengths.map((length, index) => Buffer.alloc(length + 1, index + 1))
          const sure = Math.min(acknowledged, values.length)
          for (const value of values.slice(0, sure)) await cell.write(value)
          if (sure < values.length) void cell.write(values[sure]!)
          let state = seed
          const after = disk.cut(() => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32)
          const { initial } = await open(after)
          const possible = [values[sure - 1], values[sure]]
          if (sure > 0 || initial) expect(possible.some(value => value && initial?.equals(value))).toBe(true)
        },
      ),
    )
  })
})
