import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { realFiles } from '../../storage/index.js'
import type { Refusal } from '../stream.js'
import { ManualClock } from '../testing/clock.js'
import { TestPorts } from '../testing/ports.js'
import { Scene, WINDOWING } from '../testing/scene.js'
import { diskWorld } from '../testing/worlds.js'
import { EmbeddedDriver } from './driver.js'

const metric = (scene: Scene, name: string): number => scene.meter.value(`ai_factory_gateway_stream_${name}`)
const logFiles = async (disk: { list(directory: string): Promise<string[]> }) =>
  (await disk.list('/stream')).filter(name => name.endsWith('.log')).sort()

describe('embedded driver on its disk', () => {
  test('rule 5: a second gateway on the same directory is refused', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await expect(new Scene(world).start()).rejects.toThrow('stream test: directory /stream cannot be used: /stream is in use')
    await scene.stop()
    await new Scene(world).start()
  })

  test('rule 5: a log that lost its end goes on at the stored next offset, and nothing is mixed up', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await scene.append({ items: 1 })
    await scene.sleep(300)
    await scene.append({ items: 2 })
    await scene.sleep(400)
    await scene.stop()
    scene.take()
    for (const name of await logFiles(world.disk)) world.disk.edit(`/stream/${name}`, content => content.subarray(0, 200))
    await scene.start()
    await scene.append({ items: 3 })
    await scene.sleep(400)
    expect(scene.take().filter(text => text.startsWith('due'))).toEqual([`due k@700 x3 saw 0`])
  })

  test('rule 21: a changed number of partitions is refused, and the message says how to drain', async () => {
    const world = diskWorld({ partitions: 2 })
    const scene = await new Scene(world).start()
    await scene.stop()
    const other = new EmbeddedDriver(
      world.disk,
      { stream: 'test', directory: '/stream', partitions: 3, fsync: 'group', maxSize: 1e9, syncInterval: 0 },
      new TestPorts(world.clock),
    )
    await expect(other.open()).rejects.toThrow(/made with partitions: 2, and the configuration says 3.*drain/)
  })

  test('rule 3: a log that is ahead of the clock is reported at open', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await scene.append({})
    await scene.sleep(400)
    await scene.stop()
    const ports = new TestPorts(new ManualClock(world.clock.now() - 3_600_000))
    const driver = new EmbeddedDriver(
      world.disk,
      { stream: 'test', directory: '/stream', partitions: 1, fsync: 'group', maxSize: 1e9, syncInterval: 0 },
      ports,
    )
    await driver.open()
    expect(ports.log.lines.map(({ level, message }) => `${level} ${message}`)).toContainEqual(
      expect.stringContaining('error the log is ahead of the clock'),
    )
    await driver.close()
  })

  test('rule 24: above max_size history is freed first, then appends are refused until space is free again', async () => {
    const scene = await new Scene(diskWorld({ maxSize: 2_000_000 }), {}, {}).start()
    const value = [Buffer.alloc(900, 1)]
    // Two seconds of history are 3.6 MB: more than the log may have, though none of it waits.
    for (let round = 0; round < 40; round++) {
      await scene.append(...Array.from({ length: 100 }, () => ({ at: 0, value })))
      await scene.sleep(50)
    }
    expect(metric(scene, 'history_freed_bytes_total')).toBeGreaterThan(0)
    expect(metric(scene, 'log_bytes')).toBeLessThan(2_200_000)
    let open = (): void => {}
    const gate = new Promise<void>(resolve => (open = resolve))
    scene.deliver = () => gate
    let refusal: Refusal | undefined
    for (let round = 0; round < 60 && !refusal; round++) {
      await scene.append(...Array.from({ length: 100 }, () => ({ value }))).catch(error => (refusal = error))
      await scene.sleep(25)
    }
    expect(refusal).toMatchObject({ reason: 'stream_full', retryable: true })
    open()
    await scene.sleep(1000)
    expect(await scene.append({ value })).toBe('held')
    expect(metric(scene, 'lost_items_total')).toBe(0)
  }, 30_000)

  test('rule 24: on a full disk ticks go on and windows close, and what was refused can be sent when there is space', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await scene.append({ items: 1 })
    world.disk.capacity = world.disk.used + 300
    await expect(scene.append({ value: [Buffer.alloc(900)] })).rejects.toMatchObject({ retryable: true })
    await expect(scene.append({})).rejects.toMatchObject({ reason: 'disk_full', retryable: true })
    await scene.sleep(500)
    expect(scene.take()).toEqual(['due k@0 x1 saw 0', 'window 0-100 k=1'])
    expect(metric(scene, 'disk_full')).toBe(1)
    world.disk.capacity = Infinity
    await scene.sleep(1100)
    expect(await scene.append({})).toBe('held')
    expect(metric(scene, 'disk_full')).toBe(0)
  })

  test('B F10 a damaged record that waits is counted by its items, and its neighbours leave', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await scene.append({ items: 1, text: 'first' }, { items: 5, text: 'marker' }, { items: 3, text: 'third' })
    await scene.stop()
    for (const name of await logFiles(world.disk))
      world.disk.edit(`/stream/${name}`, content => {
        const at = content.indexOf('marker')
        if (at >= 0) content[at] = 0
        return content
      })
    await scene.start()
    await scene.sleep(400)
    expect(scene.take().filter(text => text.startsWith('due'))).toEqual(['due k@0 x1 saw 0', 'due k@0 x3 saw 0'])
    expect(metric(scene, 'lost_items_total')).toBe(5)
  })

  test('a damaged checkpoint is reported, and everything on the log is sent again', async () => {
    const world = diskWorld()
    const scene = await new Scene(world).start()
    await scene.append({ items: 1 })
    await scene.sleep(400)
    await scene.stop()
    scene.take()
    world.disk.edit('/stream/checkpoint', content => content.fill(1))
    await scene.start()
    expect(scene.log.lines.map(({ message }) => message)).toContainEqual(expect.stringContaining('checkpoint cannot be read'))
    expect(scene.take()).toEqual(['due k@0 x1 saw 0', 'window 0-100 k=1'])
  })

  test('rules 1 and 5: whatever the power cut leaves, all that was acknowledged comes out, and copies are equal', async () => {
    let seed = 7
    const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32
    const scene = await new Scene(diskWorld({ partitions: 3, maxSize: 1_000_000, random })).start()
    const acknowledged = new Set<string>()
    let id = 0
    for (let round = 0; round < 25; round++) {
      for (let count = 0; count < 8; count++) {
        const text = String(++id)
        const held = scene.append({ key: `w${id % 5}`, text, fingerprint: Buffer.alloc(16, id) }).then(
          () => void acknowledged.add(text),
          () => {},
        )
        if (random() < 0.6) await held
        if (random() < 0.3) await scene.sleep(25 * Math.ceil(random() * 8))
      }
      await scene.crash()
      await scene.start()
    }
    await scene.sleep(WINDOWING.grace + 500)
    const facts = new Map<string, Set<string>>()
    for (const { text, value } of scene.outs) {
      if (text.startsWith('window')) continue
      const seen = facts.get(String(value)) ?? new Set()
      facts.set(String(value), seen.add(text))
    }
    for (const text of acknowledged) expect([text, facts.get(text)?.size]).toEqual([text, 1])
    expect(acknowledged.size).toBeGreaterThan(100)
  }, 30_000)
})

describe('embedded driver in its directory', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'stream-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))
  const driver = (at: string) =>
    new EmbeddedDriver(
      realFiles,
      { stream: 'test', directory: at, partitions: 1, fsync: 'group', maxSize: 1e9, syncInterval: 0 },
      new TestPorts(new ManualClock()),
    )

  test('B F11 a directory that holds other things is refused and left as it is', async () => {
    writeFileSync(join(directory, 'thesis.tex'), '')
    await expect(driver(directory).open()).rejects.toThrow(`directory ${directory} cannot be used: it holds thesis.tex`)
  })

  test('B F11 a path that is no directory, or cannot be made, is refused with path and reason', async () => {
    writeFileSync(join(directory, 'file'), '')
    await expect(driver(join(directory, 'file')).open()).rejects.toThrow(/directory .*file cannot be used: EEXIST|ENOTDIR/)
    await expect(driver(join(directory, 'file', 'below')).open()).rejects.toThrow('ENOTDIR')
    mkdirSync(join(directory, 'deep', 'new'), { recursive: true })
    const good = driver(join(directory, 'deep', 'new', 'stream'))
    await good.open()
    await expect(driver(join(directory, 'deep', 'new', 'stream')).open()).rejects.toThrow(`in use by process ${process.pid}`)
    await good.close()
    await good.close()
  })
})
