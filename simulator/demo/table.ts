/** What the demo shows: one line a workload, from what the backend received last. */
import type { Backend, WindowFigures, WorkloadBook } from '../backend.js'

export interface Row {
  workload: string
  cells: string[]
}

export const HEADER = ['req/s', 'tok/s', 'TTFT ms', 'GPU %', 'W', 'GPUs', 'spans', 'matched %', 'coverage', 'behind s']

const sum = (window: WindowFigures, metric: string): number | undefined => {
  let total: number | undefined
  for (const [series, value] of window.values)
    if ((series === metric || series.startsWith(`${metric}{`)) && !series.includes('{ai_factory.late=')) total = (total ?? 0) + value
  return total
}

const number = (value: number | undefined, digits = 0): string => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits))

const row = (workload: string, book: WorkloadBook, now: number): Row => {
  const { latest } = book
  const of = (metric: string) => (latest ? sum(latest, metric) : undefined)
  const seconds = latest ? (latest.end - latest.start) / 1000 : Number.NaN
  const rate = (amount: number | undefined) => (amount === undefined ? undefined : amount / seconds)
  const times = (value: number | undefined, factor: number) => (value === undefined ? undefined : value * factor)
  const matched = book.outcomes.get('matched') ?? 0
  return {
    workload,
    cells: [
      number(rate(of('ai_factory.requests')), 1),
      number(rate(latest?.values.get('ai_factory.tokens{gen_ai.token.type=output}')), 0),
      number(times(of('ai_factory.engine.time_to_first_token'), 1000), 0),
      number(times(of('ai_factory.gpu.utilization'), 100), 0),
      number(of('ai_factory.gpu.power'), 0),
      number(of('ai_factory.gpu.count'), 0),
      String(book.spans),
      book.spans > 0 ? number((100 * matched) / book.spans, 1) : '-',
      book.spans > 0 ? number(book.coverage / book.spans, 2) : '-',
      latest ? number((now - latest.end) / 1000, 0) : '-',
    ],
  }
}

/** Lines of text, header first. `now`: wall clock, milliseconds. */
export const renderTable = (backend: Backend, now: number): string[] => {
  const rows = [...backend.workloads]
    .map(([workload, book]) => row(workload, book, now))
    .sort((a, b) => a.workload.localeCompare(b.workload))
  const first = Math.max(8, ...rows.map(({ workload }) => workload.length))
  const line = (name: string, cells: readonly string[]) => name.padEnd(first) + cells.map(cell => cell.padStart(11)).join('')
  return [line('workload', HEADER), ...rows.map(({ workload, cells }) => line(workload, cells))]
}

/** Sources that match nothing, in words. */
export const renderGaps = (backend: Backend): string[] =>
  [...backend.workloads].flatMap(([workload, { latest, spans }]) => {
    if (workload === '(none)')
      return spans > 0 ? [`${spans} spans name no workload (see ai_factory_gateway_unresolved on the metrics page)`] : []
    if (workload.startsWith('unallocated/')) return [`GPUs that nobody owns: ${workload}`]
    const has = (metric: string) => latest !== undefined && sum(latest, metric) !== undefined
    const missing = [
      ...(has('ai_factory.gpu.count') ? [] : ['GPU series']),
      ...(has('ai_factory.engine.running') ? [] : ['engine series']),
      ...(spans > 0 ? [] : ['spans']),
    ]
    return latest && missing.length > 0 ? [`${workload} has no ${missing.join(', no ')}`] : []
  })
