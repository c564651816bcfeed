/** Tables in READMEs that are made from the components, so that they cannot go stale: between markers, the rest of a document is left as it is. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { z } from 'zod'
import { loadAll, registries, SECTIONS } from '../cli/registries.js'
import type { Component } from '../runtime/component.js'
import { type OptionRow, optionRows } from '../runtime/option-rows.js'

/** Every component there is, with the folder of its kind. */
export const allComponents = async (): Promise<{ folder: string; component: Component }[]> => {
  const loaded = await Promise.all(
    SECTIONS.map(async folder => (await loadAll(registries[folder])).map(component => ({ folder, component }))),
  )
  return loaded.flat()
}

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const code = (value: unknown) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``

/** Columns padded as the formatter would. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map(cells => cells[column]!.length)))
  const line = (cells: readonly string[]) => `| ${cells.map((text, column) => text.padEnd(widths[column]!)).join(' | ')} |`
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const optionCells = ({ path, description = '', default: fallback, required, choices }: OptionRow): string[] => {
  const told = choices.length > 1 ? `${description} One of ${choices.map(code).join(', ')}.` : description
  const standing = required ? 'required' : fallback === undefined || fallback === '' ? '' : code(fallback)
  return [code(path), cell(standing), cell(told)]
}

export const optionTable = (config: z.ZodType): string => {
  const rows = optionRows(config)
  return rows.length === 0 ? 'There are none.' : table(['option', 'default', 'what it does'], rows.map(optionCells))
}

const componentsTable = (all: Awaited<ReturnType<typeof allComponents>>): string => {
  const rows = all.map(({ folder, component: { kind, type, summary, stability, signals } }) => [
    kind,
    `[${type}](${folder}/${type}/README.md)`,
    signals.length > 0 ? signals.join(', ') : '',
    stability,
    cell(summary),
  ])
  return table(['kind', 'component', 'signals', 'stability', 'what it does'], rows)
}

/** `document` with the part between `<!-- name -->` and `<!-- /name -->` replaced; as it is where there are no such markers. */
export const between = (document: string, name: string, content: string): string => {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [start, end] = [document.indexOf(open), document.indexOf(close)]
  if (start < 0 || end < start) return document
  return `${document.slice(0, start)}${open}\n\n${content}\n\n${document.slice(end)}`
}

export interface Document {
  /** Relative to the repository's root. */
  readonly path: string
  readonly text: string
  /** What `text` ought to be. */
  readonly fresh: string
}

/** Every document with a generated table that exists below `root`. */
export const documents = async (root: string): Promise<Document[]> => {
  const all = await allComponents()
  const wanted = [
    { path: 'README.md', name: 'components', content: componentsTable(all) },
    ...all.map(({ folder, component: { type, config } }) => ({
      path: `${folder}/${type}/README.md`,
      name: 'options',
      content: optionTable(config),
    })),
  ]
  return wanted
    .filter(({ path }) => existsSync(join(root, path)))
    .map(({ path, name, content }) => {
      const text = readFileSync(join(root, path), 'utf8')
      return { path, text, fresh: between(text, name, content) }
    })
}
