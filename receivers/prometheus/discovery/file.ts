/** `file_sd_configs`: lists of targets in YAML or JSON files, read again when they change. */
import { createHash } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Context, Counter } from '../../../runtime/component.js'
import { codeOf, messageOf } from '../failure.js'
import type { Labels } from '../relabel/relabel.js'
import type { Discovery } from './discovery.js'
import type { FileOptions } from './options.js'
import { labelSets, targetGroups } from './static.js'

/** A file that is being written is looked at again after this. Milliseconds. */
const SETTLE = 100

export class FileDiscovery implements Discovery {
  private watchers: FSWatcher[] = []
  private cancelRefresh: (() => void) | undefined
  private cancelSettle: (() => void) | undefined
  private reading: Promise<void> = Promise.resolve()
  private stopped = true
  /** By file: what it said when it could be read last. A file that is gone takes its targets along, a broken one does not. */
  private files = new Map<string, { digest: string; sets: Labels[] }>()
  private found: (labelSets: readonly Labels[]) => void = () => {}
  private faults = new Map<string, string>()

  constructor(
    private readonly options: FileOptions,
    private readonly job: string,
    private readonly context: Context,
    private readonly failures: Counter,
  ) {}

  start(found: (labelSets: readonly Labels[]) => void): void {
    this.stopped = false
    this.found = found
    this.files = new Map()
    for (const directory of new Set(this.options.files.map(dirname))) this.watch(directory)
    this.refresh()
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.cancelRefresh?.()
    this.cancelSettle?.()
    for (const watcher of this.watchers) watcher.close()
    this.watchers = []
    await this.reading
  }

  private watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false }, () => {
        this.cancelSettle?.()
        this.cancelSettle = this.context.clock.after(SETTLE, () => this.refresh())
      })
      // Without a watcher the interval remains.
      watcher.on('error', () => watcher.close())
      this.watchers.push(watcher)
    } catch (error) {
      this.context.log.debug('a directory of targets is read only every refresh_interval', { directory, error: messageOf(error) })
    }
  }

  private refresh(): void {
    if (this.stopped) return
    this.cancelRefresh?.()
    this.cancelRefresh = this.context.clock.after(this.options.refresh_interval, () => this.refresh())
    this.reading = this.reading.then(() => this.read())
  }

  private async read(): Promise<void> {
    const paths = (await Promise.all(this.options.files.map(expand))).flat()
    const before = JSON.stringify(Array.from(this.files, ([path, { digest }]) => [path, digest]))
    const files: typeof this.files = new Map()
    for (const path of new Set(paths)) {
      try {
        const text = await readFile(path, 'utf8')
        const digest = createHash('sha256').update(text).digest('hex')
        const known = this.files.get(path)
        files.set(
          path,
          known?.digest === digest
            ? known
            : { digest, sets: labelSets(targetGroups.nullable().parse(parse(text)) ?? [], { __meta_filepath: path }) },
        )
        this.faults.delete(path)
      } catch (error) {
        const known = this.files.get(path)
        if (isGone(error)) continue
        if (known) files.set(path, known)
        this.failures.add(1)
        this.tell(path, wordsOf(error), known !== undefined)
      }
    }
    this.files = files
    if (this.stopped || JSON.stringify(Array.from(files, ([path, { digest }]) => [path, digest])) === before) return
    this.found(Array.from(files.values()).flatMap(({ sets }) => sets))
  }

  private tell(file: string, error: string, kept: boolean): void {
    if (this.faults.get(file) === error) return
    this.faults.set(file, error)
    const what = kept ? 'a file of targets cannot be read; its last targets stay' : 'a file of targets cannot be read'
    this.context.log.error(what, { job: this.job, file, error })
  }
}

const isGone = (error: unknown): boolean => codeOf(error) === 'ENOENT'
const wordsOf = (error: unknown): string =>
  error instanceof z.ZodError ? `expected a list of {targets: [host:port, …], labels: {…}}: ${z.prettifyError(error)}` : messageOf(error)

/** Files that a path with `*` in its last part stands for; a plain path is itself. */
const expand = async (path: string): Promise<string[]> => {
  const name = basename(path)
  if (!name.includes('*')) return [path]
  const wanted = new RegExp(`^${name.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`)
  try {
    return (await readdir(dirname(path)))
      .filter(each => wanted.test(each))
      .sort()
      .map(each => join(dirname(path), each))
  } catch {
    return []
  }
}
