import { fork } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const OTHER_CORES = '1'

/** A helper process on the other cores, spoken to by messages. */
export const helper = (script: string, args: string[] = []) => {
  const child = fork(join(here, script), args, {
    execPath: 'taskset',
    execArgv: ['-c', OTHER_CORES, process.execPath],
    serialization: 'advanced',
  })
  const waiting: ((message: Record<string, unknown>) => void)[] = []
  const arrived: Record<string, unknown>[] = []
  child.on('message', message => {
    const next = waiting.shift()
    if (next) next(message as Record<string, unknown>)
    else arrived.push(message as Record<string, unknown>)
  })
  return {
    ask: (message: unknown) => child.send(message as object),
    next: async <T>(key: string): Promise<T> => {
      const message = arrived.shift() ?? (await new Promise<Record<string, unknown>>(resolve => waiting.push(resolve)))
      if (!(key in message)) throw new Error(`expected ${key}, got ${Object.keys(message)}`)
      return message[key] as T
    },
    kill: () => child.kill('SIGKILL'),
  }
}
