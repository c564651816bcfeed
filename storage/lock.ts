/**
 * One process per directory. Who wants the directory listens on a Unix socket of its own in it, then looks for others: it owns the directory when
 * nobody else listens. A socket dies with its process, also by kill -9; it is seen across containers that share the directory, where process
 * numbers say nothing; and as names are never used twice, removing a dead one is always safe. Two that come at the same moment see each other,
 * and both step back for a random while. It does not reach other machines: a directory on a network file system must be mounted by one.
 */
import { randomBytes } from 'node:crypto'
import { access, open, readdir, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const LOCK_NAME = 'lock'
/** `sun_path` holds 107 bytes and a zero; longer directories are reached through an open descriptor. */
const LONGEST_PATH = 90
const ATTEMPTS = 20
const STEP_BACK_MS = 50
const OWNER = 'owner'

export class DirectoryLock {
  private constructor(private readonly claim: Claim) {}

  /** Rejects with a message for a person when another process holds the directory. */
  static async take(directory: string): Promise<DirectoryLock> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const claim = await Claim.make(directory)
      try {
        const other = await findOther(directory, claim.name)
        if (other?.startsWith(OWNER))
          throw new Error(`${directory} is in use by process ${other.slice(OWNER.length).trim() || '?'}: one gateway per directory`)
        // Somebody may have taken the socket for dead between its birth and its first listening.
        if (other === undefined && (await exists(claim.path))) {
          claim.owns = true
          return new DirectoryLock(claim)
        }
      } catch (error) {
        await claim.close()
        throw error
      }
      await claim.close()
      await sleep(Math.random() * STEP_BACK_MS)
    }
    throw new Error(`${directory} cannot be locked: other processes keep trying for it`)
  }

  release(): Promise<void> {
    return this.claim.close()
  }
}

/** A socket of our own in the directory. It tells who asks whether its process owns the directory or still tries. */
class Claim {
  owns = false

  private constructor(
    private readonly server: Server,
    readonly name: string,
    readonly path: string,
  ) {}

  static async make(directory: string): Promise<Claim> {
    const name = `${LOCK_NAME}.${randomBytes(6).toString('hex')}`
    const path = join(directory, name)
    const server = createServer(socket => {
      socket.on('error', () => {})
      socket.end(claim.owns ? `${OWNER} ${process.pid}` : 'trying')
    })
    const claim = new Claim(server, name, path)
    await withShortPath(path, short => listen(server, short))
    return claim
  }

  async close(): Promise<void> {
    await rm(this.path, { force: true })
    await new Promise<void>(resolve => this.server.close(() => resolve()))
  }
}

/** What another listener in the directory says; undefined when there is none. Removes the dead ones. */
const findOther = async (directory: string, own: string): Promise<string | undefined> => {
  for (const name of await readdir(directory)) {
    if (name === own || !name.startsWith(`${LOCK_NAME}.`)) continue
    const path = join(directory, name)
    const said = await withShortPath(path, ask)
    if (said !== undefined) return said
    await rm(path, { force: true })
  }
  return undefined
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

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

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      server.on('error', () => {})
      server.unref()
      resolve()
    })
  })

/** What the listener says; one that accepts and is silent (frozen, perhaps) is an owner. Undefined when nobody listens. */
const ask = (path: string): Promise<string | undefined> =>
  new Promise(resolve => {
    const socket = connect(path)
    let connected = false
    let said = ''
    socket.setTimeout(1000, () => socket.destroy())
    socket.on('connect', () => (connected = true))
    socket.on('data', data => (said += data.toString()))
    socket.on('error', () => {})
    socket.on('close', () => resolve(connected ? said || OWNER : undefined))
  })
