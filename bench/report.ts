/** The figures of one run as a row, and rows as a table with the ratio to the Collector. */
import type { LoadResult } from './load.js'
import type { SinkCounts } from './sink.js'
import type { Peer } from './subject.js'

export interface Row {
  scenario: string
  peer: Peer
  cpuMicrosPerItem: number
  itemsPerSecond: number
  p50: number
  p99: number
  peakMiB: number
  /** What the memory_limiter was told, in the scenario that has one. */
  limitMiB: number | undefined
  idleMiB: number
  readyMillis: number
  /** Acknowledged but never seen at the sink. */
  lost: number
  /** Seen more often than acknowledged (an unacknowledged request may rightly arrive). */
  duplicate: number
  outputBytesPerItem: number
  refused: number
  refusedRetryable: number
  /** Figures of this scenario alone. */
  notes: Readonly<Record<string, number>>
}

export interface Measured {
  scenario: string
  peer: Peer
  result: LoadResult
  after: SinkCounts
  spans: number
  delivered: number
  seconds: number
  cpu: number
  peak: number
  limitMiB: number | undefined
  idle: number
  readyAfter: number
  bytes: number
  notes: Readonly<Record<string, number>>
}

export const summarise = (it: Measured): Row => {
  let lost = 0
  let duplicate = 0
  const { acknowledged } = it.result
  const { ids } = it.after
  for (let id = 0; id < Math.max(ids.length, acknowledged.length * it.spans); id++) {
    const seen = ids[id] ?? 0
    const due = acknowledged[Math.floor(id / it.spans)] ?? 0
    if (seen < due) lost += due - seen
    else duplicate += seen - due
  }
  return {
    scenario: it.scenario,
    peer: it.peer,
    cpuMicrosPerItem: it.cpu / it.delivered,
    itemsPerSecond: it.delivered / it.seconds,
    p50: it.result.p50,
    p99: it.result.p99,
    peakMiB: it.peak / 2 ** 20,
    limitMiB: it.limitMiB,
    idleMiB: it.idle / 2 ** 20,
    readyMillis: it.readyAfter,
    lost,
    duplicate,
    outputBytesPerItem: it.bytes / (it.after.spans || it.after.points),
    refused: Object.values(it.result.refused).reduce((sum, count) => sum + count, 0) * it.spans,
    refusedRetryable: it.result.retryable * it.spans,
    notes: it.notes,
  }
}

const COLUMNS: readonly [title: string, width: number, cell: (row: Row) => string][] = [
  ['scenario', 28, row => row.scenario],
  ['peer', 10, row => row.peer],
  ['CPU-µs/item', 12, row => row.cpuMicrosPerItem.toFixed(2)],
  ['items/s', 9, row => row.itemsPerSecond.toFixed(0)],
  ['p50 ms', 8, row => row.p50.toFixed(1)],
  ['p99 ms', 8, row => row.p99.toFixed(1)],
  ['peak MiB', 9, row => row.peakMiB.toFixed(0)],
  ['of limit', 9, row => (row.limitMiB ? `${((100 * row.peakMiB) / row.limitMiB).toFixed(0)} %` : '')],
  ['idle MiB', 9, row => row.idleMiB.toFixed(0)],
  ['ready ms', 9, row => row.readyMillis.toFixed(0)],
  ['lost', 8, row => String(row.lost)],
  ['dup', 8, row => String(row.duplicate)],
  ['out B/item', 11, row => row.outputBytesPerItem.toFixed(0)],
  ['refused', 9, row => String(row.refused)],
  ['retryable', 10, row => String(row.refusedRetryable)],
]

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Rows as they are measured; with `ratios`, one closing line a scenario: the Collector's median CPU an item over the gateway's. */
export const printTable = (rows: readonly Row[], header: boolean, ratios = false): void => {
  if (!ratios) {
    if (header) console.log(COLUMNS.map(([title, width]) => title.padEnd(width)).join(''))
    for (const row of rows) {
      console.log(COLUMNS.map(([, width, cell]) => cell(row).padEnd(width)).join(''))
      const notes = Object.entries(row.notes).map(([name, value]) => `${name}: ${Math.round(value)}`)
      if (notes.length > 0) console.log(`  ${notes.join(', ')}`)
    }
    return
  }
  for (const scenario of new Set(rows.map(row => row.scenario))) {
    const of = (peer: Peer) => median(rows.filter(row => row.scenario === scenario && row.peer === peer).map(row => row.cpuMicrosPerItem))
    const [ours, theirs] = [of('gateway'), of('collector')]
    if (ours > 0 && theirs > 0)
      console.log(`${scenario}: the Collector spends ${(theirs / ours).toFixed(2)} times the gateway's CPU an item`)
  }
}
