/** The `workloads` and `targets` tables, compiled, and the files they come from, read again when they change. */
import { statSync } from 'node:fs'
import { check } from '../../config/check.js'
import { readText } from '../../config/load.js'
import { parse } from '../../config/parse.js'
import { matcher } from '../../config/pattern.js'
import type { Clock, Log } from '../../runtime/component.js'
import { type Options, type TableEntries, tables } from './options.js'
import type { Confidence } from './rules.js'
import type { Facts } from './spellings.js'

export interface Identity {
  id: string
  source: string
  confidence: Confidence
}

const PLACEHOLDER = /\{([^{}]+)\}/g

interface Entry {
  conditions: readonly [attribute: string, matches: (value: string) => boolean][]
  template: string
}

export class Tables {
  private readonly entries: readonly Entry[]
  private readonly targets: readonly { matches: (address: string) => boolean; workload: string }[]
  /** Model → the one workload that serves it; undefined where several do. */
  private readonly byModel = new Map<string, string | undefined>()
  /** Every attribute an entry looks at. */
  readonly attributes: readonly string[]

  constructor({ workloads, targets }: TableEntries) {
    this.entries = workloads
      .filter(({ match }) => Object.keys(match).length > 0)
      .map(({ id, match }) => ({
        conditions: Object.entries(match).map(([attribute, pattern]) => [attribute, matcher(pattern)]),
        template: id,
      }))
    this.targets = targets.map(({ address, workload }) => ({ matches: matcher(address), workload }))
    for (const { id, models } of workloads) for (const model of models) this.byModel.set(model, this.byModel.has(model) ? undefined : id)
    const placeholders = workloads.flatMap(({ id }) => [...id.matchAll(PLACEHOLDER)].map(([, name]) => name!))
    this.attributes = [...new Set([...workloads.flatMap(({ match }) => Object.keys(match)), ...placeholders])]
  }

  /** Ids of the entries that match, in order. */
  matching(facts: Facts): string[] {
    const ids: string[] = []
    for (const entry of this.entries) {
      const id = holds(entry, facts) ? fill(entry.template, facts) : undefined
      if (id !== undefined && !ids.includes(id)) ids.push(id)
    }
    return ids
  }

  /** For people: why `matching` finds nothing. */
  whyNoneMatches(facts: Facts): string {
    const unfilled = this.entries.find(entry => holds(entry, facts) && fill(entry.template, facts) === undefined)
    if (unfilled) return `the entry "${unfilled.template}" matches, but an attribute named in its id is absent`
    return this.entries.length === 0
      ? 'the workloads table is empty'
      : `none of the ${this.entries.length} entries of the workloads table matches`
  }

  /** The workload that answers at `address`, with the port where it is known. */
  target(address: string, port: string | undefined): string | undefined {
    const withPort = port === undefined ? undefined : `${address}:${port}`
    return this.targets.find(({ matches }) => (withPort !== undefined && matches(withPort)) || matches(address))?.workload
  }

  /** The workload that serves `model`, when exactly one does. */
  serving(model: string): string | undefined {
    return this.byModel.get(model)
  }

  /** Whether several serve it. */
  ambiguous(model: string): boolean {
    return this.byModel.has(model) && this.byModel.get(model) === undefined
  }
}

const holds = ({ conditions }: Entry, facts: Facts): boolean =>
  conditions.every(([attribute, matches]) => {
    const value = facts.attribute(attribute)
    return value !== undefined && matches(value)
  })

const fill = (template: string, facts: Facts): string | undefined => {
  let whole = true
  const text = template.replaceAll(PLACEHOLDER, (_, name: string) => {
    const value = facts.attribute(name)
    whole &&= value !== undefined
    return value ?? ''
  })
  return whole ? text : undefined
}

/** The inline tables and those of the files. Throws ConfigError when a file cannot be read or is wrong. */
export const readTables = (options: Options): Tables => {
  const files = options.table_files.map(file => check(tables, parse(readText(file), file)))
  return new Tables({
    workloads: [...options.workloads, ...files.flatMap(file => file.workloads)],
    targets: [...options.targets, ...files.flatMap(file => file.targets)],
  })
}

const stampOf = (file: string): string => {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat ? `${stat.ino}:${stat.size}:${stat.mtimeMs}` : 'absent'
}

/** Keeps `current` in step with the files. A file that went bad leaves the last good tables in use, with a warning. */
export class TableFiles {
  current: Tables
  private stamps: string
  private cancel: (() => void) | undefined

  /** Throws ConfigError when a file cannot be read or is wrong. */
  constructor(
    private readonly options: Options,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly changed: () => void,
  ) {
    this.stamps = this.stamp()
    this.current = readTables(options)
  }

  watch(): void {
    if (this.options.table_files.length === 0) return
    this.cancel = this.clock.after(this.options.refresh_interval, () => {
      this.look()
      this.watch()
    })
  }

  close(): void {
    this.cancel?.()
    this.cancel = undefined
  }

  private look(): void {
    const stamps = this.stamp()
    if (stamps === this.stamps) return
    this.stamps = stamps
    try {
      this.current = readTables(this.options)
      this.changed()
      this.log.info('workload tables read again')
    } catch (error) {
      this.log.warn('workload tables are wrong; the last good ones stay in use', {
        error: error instanceof Error ? error.message : String(error),
      })
    }
  }

  private stamp(): string {
    return this.options.table_files.map(stampOf).join()
  }
}
