/** The few file operations storage needs, as a port: tests put a disk behind it that forgets what was not synced, fails or is full. */
import * as fs from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { DirectoryLock } from './lock.js'

export interface File {
  /** Writes everything, buffers end to end, from `position` on; or rejects, and then any part of it may be written. */
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** Bytes read; fewer than asked for only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Resolves when all that was written before is on stable storage. */
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface Files {
  /** Reads and writes; made when absent. */
  open(path: string): Promise<File>
  /** Names in the directory, in no order. */
  list(directory: string): Promise<string[]>
  makeDirectory(directory: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes what was created or removed in the directory durable. */
  syncDirectory(directory: string): Promise<void>
  /** Takes the directory for this process alone; rejects with a message for a person when another has it. */
  lock(directory: string): Promise<Lock>
}

export interface Lock {
  release(): Promise<void>
}

type Callback<T> = (error: NodeJS.ErrnoException | null, result: T) => void

const promised = <T>(call: (callback: Callback<T>) => void): Promise<T> =>
  new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))))

/** Callback calls on a plain descriptor: half the cost of FileHandle's promises. */
class RealFile implements File {
  constructor(private readonly descriptor: number) {}

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    let left: readonly Uint8Array[] = buffers
    let at = position
    while (left.length > 0) {
      const written = await promised<number>(done =>
        fs.writev(this.descriptor, left as Uint8Array[], at, (error, bytes) => done(error, bytes)),
      )
      at += written
      left = after(left, written)
    }
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let total = 0
    while (total < into.length) {
      const bytes = await promised<number>(done =>
        fs.read(this.descriptor, into, total, into.length - total, position + total, (error, count) => done(error, count)),
      )
      if (bytes === 0) break
      total += bytes
    }
    return total
  }

  sync(): Promise<void> {
    return promised<void>(done => fs.fdatasync(this.descriptor, error => done(error)))
  }

  truncate(length: number): Promise<void> {
    return promised<void>(done => fs.ftruncate(this.descriptor, length, error => done(error)))
  }

  size(): Promise<number> {
    return promised<fs.Stats>(done => fs.fstat(this.descriptor, done)).then(stats => stats.size)
  }

  close(): Promise<void> {
    return promised<void>(done => fs.close(this.descriptor, error => done(error)))
  }
}

/** What is left of the buffers behind their first `bytes` bytes. */
const after = (buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] => {
  let skipped = 0
  for (const [index, buffer] of buffers.entries()) {
    if (skipped + buffer.length > bytes) return [buffer.subarray(bytes - skipped), ...buffers.slice(index + 1)]
    skipped += buffer.length
  }
  return []
}

const open = (path: string, flags: number): Promise<number> => promised<number>(done => fs.open(path, flags, 0o600, done))

export const realFiles: Files = {
  lock: directory => DirectoryLock.take(directory),
  open: async path => new RealFile(await open(path, fs.constants.O_RDWR | fs.constants.O_CREAT)),
  list: directory => readdir(directory),
  makeDirectory: async directory => void (await mkdir(directory, { recursive: true, mode: 0o700 })),
  remove: path => rm(path, { force: true }),
  syncDirectory: async directory => {
    const descriptor = await open(directory, fs.constants.O_RDONLY)
    try {
      await promised<void>(done => fs.fsync(descriptor, error => done(error)))
    } finally {
      await promised<void>(done => fs.close(descriptor, error => done(error)))
    }
  },
}

export const isNoSpace = (error: unknown): boolean => {
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOSPC' || code === 'EDQUOT'
}
