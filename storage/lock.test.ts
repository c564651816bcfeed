import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DirectoryLock } from './lock.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lock-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A process that listens on the lock as a gateway does. */
const holder = async (): Promise<ChildProcess> => {
  const script = `require('net').createServer(s => s.end('owner ' + process.pid)).listen(process.argv[1], () => console.log('held'))`
  const child = spawn(process.execPath, ['-e', script, join(directory, 'lock.0a')], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout!.once('data', resolve))
  return child
}
const kill = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL')
  await new Promise(resolve => child.once('exit', resolve))
}

describe('directory lock', () => {
  test('a second owner is refused and told who holds the directory; after a release it may', async () => {
    const lock = await DirectoryLock.take(directory)
    await expect(DirectoryLock.take(directory)).rejects.toThrow(`${directory} is in use by process ${process.pid}`)
    await lock.release()
    await (await DirectoryLock.take(directory)).release()
    expect(readdirSync(directory)).toEqual([])
  })

  test('the lock of a process that was killed is taken over, by one of several that try', async () => {
    const child = await holder()
    await expect(DirectoryLock.take(directory)).rejects.toThrow(`in use by process ${child.pid}`)
    await kill(child)
    expect(readdirSync(directory)).toEqual(['lock.0a'])
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => DirectoryLock.take(directory)))
    const taken = results.filter(result => result.status === 'fulfilled')
    expect(taken.length).toBe(1)
    for (const { value } of taken) await value.release()
    expect(readdirSync(directory)).toEqual([])
  })

  test('works in a directory whose path is longer than a socket address', async () => {
    const deep = join(directory, 'a'.repeat(120))
    mkdirSync(deep)
    const lock = await DirectoryLock.take(deep)
    await expect(DirectoryLock.take(deep)).rejects.toThrow('in use')
    await lock.release()
    expect(readdirSync(deep)).toEqual([])
  })
})
