/**
 * One process per directory. The lock is a listening Unix socket in the directory: it dies with the process, also by kill -9, and it is seen
 * across containers that share the directory, where process numbers say nothing. A socket nobody listens on is a dead owner's and is taken over.
 * It does not reach other machines: a directory on a network file system must be mounted by one.
 */
import { randomBytes } from 'node:crypto'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

export const LOCK_NAME = 'lock'
/** `sun_path` holds 107 bytes and a zero; longer directories are reached through an open descriptor. */
const LONGEST_PATH = 100
const ATTEMPTS = 5

export class DirectoryLock {
  private constructor(
    private readonly server: Server,
    private readonly path: string,
    private readonly inode: number,
  ) {}

  /** Rejects with a message for a person when another process holds the directory. */
  static async take(directory: string): Promise<DirectoryLock> {
    const path = join(directory, LOCK_NAME)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const own = join(directory, `${LOCK_NAME}.${randomBytes(4).toString('hex')}`)
      const server = await listen(own)
      try {
        // A link is made or not, in one step: of two that try, one gets it.
        await link(own, path)
        await rm(own, { force: true })
        return new DirectoryLock(server, path, (await stat(path)).ino)
      } catch (error) {
        server.close()
        await rm(own, { force: true })
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const owner = await ownerOf(path)
      if (owner !== undefined) throw new Error(`${directory} is in use by process ${owner}: one gateway per directory`)
      await removeDead(path)
    }
    throw new Error(`${directory} cannot be locked: other processes keep trying for it`)
  }

  async release(): Promise<void> {
    const inode = await stat(this.path).then(
      ({ ino }) => ino,
      () => undefined,
    )
    if (inode === this.inode) await rm(this.path, { force: true })
    await new Promise<void>(resolve => this.server.close(() => resolve()))
  }
}

/** Takes a dead owner's lock away. If it turns out to be a live one's, taken in the meantime, it is put back. */
const removeDead = async (path: string): Promise<void> => {
  const aside = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await ownerOf(aside)) !== undefined) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
}

/** Calls `use` with a path short enough for a socket. */
const withShortPath = async <T>(path: string, use: (path: string) => Promise<T>): Promise<T> => {
  if (Buffer.byteLength(path) <= LONGEST_PATH) return use(path)
  const slash = path.lastIndexOf('/')
  const directory = await open(path.slice(0, slash))
  try {
    return await use(`/proc/self/fd/${directory.fd}${path.slice(slash)}`)
  } finally {
    await directory.close()
  }
}

const listen = (path: string): Promise<Server> =>
  withShortPath(
    path,
    short =>
      new Promise((resolve, reject) => {
        const server = createServer(socket => {
          socket.on('error', () => {})
          socket.end(String(process.pid))
        })
        server.once('error', reject)
        server.listen(short, () => {
          server.off('error', reject)
          server.on('error', () => {})
          server.unref()
          resolve(server)
        })
      }),
  )

/** The process that listens; `?` when it does not say; undefined when nobody does. */
const ownerOf = (path: string): Promise<string | undefined> =>
  withShortPath(
    path,
    short =>
      new Promise(resolve => {
        const socket = connect(short)
        let said = ''
        socket.setTimeout(1000, () => socket.destroy())
        socket.on('connect', () => (said = said || '?'))
        socket.on('data', data => (said = said === '?' ? data.toString() : said + data.toString()))
        socket.on('error', () => {})
        socket.on('close', () => resolve(said || undefined))
      }),
  )
