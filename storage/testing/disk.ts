/** A disk in memory that can lose power, run full and fail. After a cut only synced bytes are sure; of the rest any sectors may survive. */
import { basename, dirname } from 'node:path'
import type { File, Files, Lock } from '../files.js'

const SECTOR = 512

interface Stored {
  /** What a read sees. */
  content: Buffer
  /** What a cut leaves at least. */
  durable: Buffer
  /** Written since the last sync, in order. */
  pending: { position: number; bytes: Buffer }[]
  /** The directory entry survives a cut. */
  linked: boolean
  removed: boolean
}

const fresh = (content: Buffer = Buffer.alloc(0), linked = false): Stored => ({
  content,
  durable: content,
  pending: [],
  linked,
  removed: false,
})

export class TestDisk implements Files {
  private readonly stored = new Map<string, Stored>()
  private readonly locked = new Set<string>()
  /** Bytes there is room for. */
  capacity = Infinity
  /** Returns an error to let an operation fail. */
  fault: (operation: 'write' | 'sync' | 'read', path: string, position: number, length: number) => Error | undefined = () => undefined
  syncs = 0

  async open(path: string): Promise<File> {
    let stored = this.stored.get(path)
    if (!stored || stored.removed) {
      stored = fresh()
      this.stored.set(path, stored)
    }
    return this.file(path, stored)
  }

  async list(directory: string): Promise<string[]> {
    return [...this.stored].filter(([path, { removed }]) => !removed && dirname(path) === directory).map(([path]) => basename(path))
  }

  async makeDirectory(): Promise<void> {}

  async remove(path: string): Promise<void> {
    const stored = this.stored.get(path)
    if (stored) stored.removed = true
  }

  async syncDirectory(directory: string): Promise<void> {
    for (const [path, stored] of this.stored) {
      if (dirname(path) !== directory) continue
      if (stored.removed) this.stored.delete(path)
      else stored.linked = true
    }
  }

  async lock(directory: string): Promise<Lock> {
    if (this.locked.has(directory)) throw new Error(`${directory} is in use by process 1: one gateway per directory`)
    this.locked.add(directory)
    return { release: async () => void this.locked.delete(directory) }
  }

  get used(): number {
    let bytes = 0
    for (const { content, removed } of this.stored.values()) if (!removed) bytes += content.length
    return bytes
  }

  /** What is on the disk after the power comes back. `random` gives numbers in [0, 1); with 0 nothing unsynced survives. */
  cut(random: () => number): TestDisk {
    const after = new TestDisk()
    for (const [path, { durable, pending, linked, removed }] of this.stored) {
      if (removed && random() < 0.5) continue
      if (!linked && random() < 0.5) continue
      let content = durable
      for (const { position, bytes } of pending)
        for (let at = 0; at < bytes.length; at += SECTOR)
          if (random() >= 0.5) content = written(content, position + at, bytes.subarray(at, at + SECTOR))
      after.stored.set(path, fresh(content, true))
    }
    return after
  }

  /** Changes a file behind everybody's back. */
  edit(path: string, change: (content: Buffer) => Buffer): void {
    const { content } = this.at(path)
    this.stored.set(path, fresh(change(Buffer.from(content)), true))
  }

  private at(path: string): Stored {
    const stored = this.stored.get(path)
    if (!stored) throw new Error(`no file ${path}`)
    return stored
  }

  private file(path: string, stored: Stored): File {
    const check = (operation: 'write' | 'sync' | 'read', position = 0, length = 0): void => {
      const error = this.fault(operation, path, position, length)
      if (error) throw error
    }
    return {
      write: async (buffers, position) => {
        await Promise.resolve()
        check('write')
        const bytes = Buffer.concat(buffers)
        const room = this.capacity - this.used + Math.max(0, stored.content.length - position)
        const fits = bytes.subarray(0, Math.max(0, Math.min(bytes.length, room)))
        stored.content = written(stored.content, position, fits)
        stored.pending.push({ position, bytes: fits })
        if (fits.length < bytes.length) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      },
      read: async (into, position) => {
        check('read', position, into.length)
        return stored.content.copy(into, 0, position)
      },
      sync: async () => {
        await new Promise(setImmediate)
        this.syncs++
        const { pending } = stored
        stored.pending = []
        // A failed sync forgets what it should have written: the next one succeeds and still does not cover it.
        check('sync')
        for (const { position, bytes } of pending) stored.durable = written(stored.durable, position, bytes)
        stored.durable = stored.durable.subarray(0, stored.content.length)
      },
      truncate: async length => {
        check('write')
        stored.content =
          stored.content.length > length
            ? Buffer.from(stored.content.subarray(0, length))
            : written(stored.content, length, Buffer.alloc(0))
        stored.pending = stored.pending.filter(({ position }) => position < length)
      },
      size: async () => stored.content.length,
      close: async () => {},
    }
  }
}

const written = (content: Buffer, position: number, bytes: Buffer): Buffer => {
  const larger = Buffer.alloc(Math.max(content.length, position + bytes.length))
  content.copy(larger)
  bytes.copy(larger, position)
  return larger
}
