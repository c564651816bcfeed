/** The places a stream's log can live in, for the conformance suite. */
import { TestDisk } from '../../storage/testing/disk.js'
import { EmbeddedDriver } from '../embedded/driver.js'
import { Refusal } from '../stream.js'
import { ManualClock } from './clock.js'
import { MemoryDriver, MemoryLog } from './memory_driver.js'
import type { World } from './scene.js'

export interface WorldOptions {
  readonly partitions: number
  readonly maxSize: number
  /** What survives of unsynced bytes at a crash: numbers in [0, 1). */
  readonly random: () => number
}

export type MakeWorld = (options?: Partial<WorldOptions>) => World

const defaults: WorldOptions = { partitions: 1, maxSize: 1e9, random: () => 0 }

export const memoryWorld: MakeWorld = options => {
  const { partitions } = { ...defaults, ...options }
  const log = new MemoryLog(partitions)
  const clock = new ManualClock()
  let refused = false
  return {
    clock,
    driver: () =>
      new MemoryDriver(log, clock, { refuse: () => (refused ? new Refusal('told to refuse', 'unreachable', true, 1000) : undefined) }),
    crash: () => {},
    refuse: now => {
      refused = now
    },
  }
}

export interface DiskWorld extends World {
  readonly disk: TestDisk
}

export const diskWorld = (options?: Partial<WorldOptions>): DiskWorld => {
  const { partitions, maxSize, random } = { ...defaults, ...options }
  const clock = new ManualClock()
  let disk = new TestDisk()
  const faults = (refused: boolean) => (operation: string, path: string) =>
    refused && operation === 'write' && path.endsWith('.log') ? new Error('EIO: i/o error') : undefined
  return {
    clock,
    get disk() {
      return disk
    },
    driver: ports =>
      new EmbeddedDriver(disk, { stream: 'test', directory: '/stream', partitions, fsync: 'group', maxSize, syncInterval: 0 }, ports),
    crash: () => {
      disk = disk.cut(random)
    },
    refuse: refused => {
      disk.fault = faults(refused)
    },
  }
}
