/** A file of lines: each one is either there whole or not at all, as far as its writer is told. */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Clock } from '../../runtime/component.js'

export interface Rotation {
  /** The file is put aside before it grows larger than this. */
  readonly maxBytes: number
  /** Files put aside that are kept; 0 = all. */
  readonly maxBackups: number
}

export interface LineFileOptions {
  readonly path: string
  /** Go on where an existing file ends, instead of starting it anew. */
  readonly append: boolean
  readonly rotation: Rotation | undefined
  /** A line counts as written only when the disk has it. */
  readonly fsync: boolean
  /** Milliseconds that lines wait to be written together. */
  readonly flushInterval: number
}

interface Waiting {
  readonly line: Buffer
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const NEWLINE = 0x0a
/** Much telemetry is read by its owner and group alone. */
const MODE = 0o640

export class LineFile {
  private handle: FileHandle | undefined
  private size = 0
  /** The last line was cut off and could not be taken back: the next one must not be glued to it. */
  private torn = false
  private waiting: Waiting[] = []
  private writing: Promise<void> | undefined
  private cancelFlush: (() => void) | undefined

  constructor(
    private readonly options: LineFileOptions,
    private readonly clock: Clock,
  ) {}

  /** Rejects with the reason when the file cannot be written. */
  async open(): Promise<void> {
    await this.openFile(this.options.append)
  }

  /** Resolves when the line (without its line break) and a line break are written. Lines given meanwhile are written together. */
  write(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ line: Buffer.from(`${line}\n`), resolve, reject })
      if (this.writing) return
      if (this.options.flushInterval === 0) this.flush()
      else this.cancelFlush ??= this.clock.after(this.options.flushInterval, () => this.flush())
    })
  }

  /** Writes what waits, then closes. Safe when it is not open. */
  async close(): Promise<void> {
    this.flush()
    await this.writing
    const { handle } = this
    this.handle = undefined
    await handle?.close()
  }

  private flush(): void {
    this.cancelFlush?.()
    this.cancelFlush = undefined
    if (this.writing || this.waiting.length === 0) return
    this.writing = this.writeWaiting().finally(() => {
      this.writing = undefined
    })
  }

  private async writeWaiting(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.take()
      try {
        await this.writeGroup(group.map(({ line }) => line))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
  }

  /** What waits, as much as fits in the file before it is put aside; at least one line. */
  private take(): Waiting[] {
    const most = this.options.rotation?.maxBytes ?? Number.POSITIVE_INFINITY
    let length = 0
    let count = 0
    for (const { line } of this.waiting) {
      length += line.length
      if (count > 0 && length > most) break
      count++
    }
    return this.waiting.splice(0, count)
  }

  private async writeGroup(lines: Buffer[]): Promise<void> {
    const { rotation, fsync } = this.options
    const bytes = Buffer.concat(this.torn ? [Buffer.of(NEWLINE), ...lines] : lines)
    if (rotation && this.size > 0 && this.size + bytes.length > rotation.maxBytes) await this.rotate(rotation)
    const handle = this.handle ?? (await this.openFile(true))
    let written = 0
    try {
      while (written < bytes.length) written += (await handle.write(bytes, written)).bytesWritten
      if (fsync) await handle.datasync()
    } catch (error) {
      await this.takeBack(handle)
      throw error
    }
    this.size += bytes.length
    this.torn = false
  }

  /** After a failure half a line may stand at the end; its writer was told that it is not there. */
  private async takeBack(handle: FileHandle): Promise<void> {
    try {
      if ((await handle.stat()).size > this.size) await handle.truncate(this.size)
    } catch {
      this.torn = true
    }
  }

  private async openFile(append: boolean): Promise<FileHandle> {
    const { O_RDWR, O_CREAT, O_APPEND, O_TRUNC } = constants
    const handle = await open(this.options.path, O_RDWR | O_CREAT | O_APPEND | (append ? 0 : O_TRUNC), MODE)
    this.size = (await handle.stat()).size
    this.torn = this.size > 0 && (await lastByte(handle, this.size)) !== NEWLINE
    this.handle = handle
    return handle
  }

  private async rotate({ maxBackups }: Rotation): Promise<void> {
    await this.handle?.close()
    this.handle = undefined
    const { dir, name, ext } = path.parse(this.options.path)
    const stamp = (at: number) => new Date(at).toISOString().replaceAll(':', '-').replace('Z', '')
    const taken = new Set(await readdir(dir || '.'))
    let at = this.clock.now()
    while (taken.has(`${name}-${stamp(at)}${ext}`)) at++
    await rename(this.options.path, path.join(dir, `${name}-${stamp(at)}${ext}`))
    await this.openFile(false)
    if (maxBackups > 0) await removeOldest(dir || '.', `${name}-`, ext, maxBackups)
  }
}

const lastByte = async (handle: FileHandle, size: number): Promise<number | undefined> => {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer[0]
}

const STAMP = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/

/** Keeps the `keep` youngest files of the form prefix + time + suffix; the time in the name orders them. */
const removeOldest = async (directory: string, prefix: string, suffix: string, keep: number): Promise<void> => {
  const aside = (await readdir(directory)).filter(
    file => file.startsWith(prefix) && file.endsWith(suffix) && STAMP.test(file.slice(prefix.length, file.length - suffix.length)),
  )
  for (const file of aside.sort().slice(0, -keep)) await rm(path.join(directory, file), { force: true })
}
