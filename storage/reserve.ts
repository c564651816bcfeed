/** Disk space kept for what must never be refused (rule 24): a file of zeros that is given up when the disk is full, and made again when space returns. */
import { join } from 'node:path'
import { type Files, isNoSpace } from './files.js'

export const RESERVE_NAME = 'reserve'
const CHUNK = 1024 * 1024

export class Reserve {
  private readonly path: string

  constructor(
    private readonly files: Files,
    private readonly directory: string,
    private readonly bytes: number,
  ) {
    this.path = join(directory, RESERVE_NAME)
  }

  /** Makes the reserve whole. False when the disk has no room for it. */
  async fill(): Promise<boolean> {
    const file = await this.files.open(this.path)
    try {
      const zeros = Buffer.alloc(CHUNK)
      const size = await file.size()
      const chunks: Buffer[] = []
      for (let at = size; at < this.bytes; at += CHUNK) chunks.push(zeros.subarray(0, Math.min(CHUNK, this.bytes - at)))
      if (chunks.length > 0) await file.write(chunks, size)
      await file.sync()
      return true
    } catch (error) {
      if (!isNoSpace(error)) throw error
      await this.release()
      return false
    } finally {
      await file.close()
    }
  }

  async release(): Promise<void> {
    await this.files.remove(this.path)
    await this.files.syncDirectory(this.directory)
  }
}
