/** What this build contains, as a table. */
import type { Component } from '../runtime/component.js'
import { loadAll, type Registries, SECTIONS } from './registries.js'

const row = (component: Component): readonly string[] => [
  component.kind,
  component.type + (component.aliases ? ` (${component.aliases.join(', ')})` : ''),
  component.stability,
  component.signals.join(' ') || '-',
  component.summary,
]

/** One line a component, columns aligned. */
export const listing = async (registries: Registries): Promise<string> => {
  const sections = await Promise.all(SECTIONS.map(section => loadAll(registries[section])))
  const rows = [['KIND', 'TYPE', 'STABILITY', 'SIGNALS', 'SUMMARY'], ...sections.flat().map(row)]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(cells => cells[column]!.length)))
  return rows.map(cells => `${cells.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd()).join('\n')
}
