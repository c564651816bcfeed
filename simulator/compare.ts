/** The books of the factory against the sums over the gateway's events. */
import type { Backend, WorkloadBook } from './backend.js'
import { FINISHES } from './engine.js'
import type { Books } from './factory.js'

/** One figure: what happened, what the events say, and how far apart they may be (relative). */
export interface Line {
  workload: string
  figure: string
  happened: number
  said: number
  tolerance: number
  agrees: boolean
}

const EXACT = 1e-9
/** Scrapes every second see a meter up to a second late at both ends. */
const ENERGY = 0.01

const total = (book: WorkloadBook | undefined, series: string): number => book?.totals.get(series) ?? 0

/** Joules of all windows but the first, in whose middle the first sample was taken, and the time that they cover. NaN when there are none. */
const energy = (book: WorkloadBook | undefined): { from: number; to: number; said: number } => {
  const windows = [...(book?.windows.values() ?? [])]
    .filter(({ values }) => values.has('ai_factory.gpu.energy'))
    .sort((a, b) => a.start - b.start)
    .slice(1)
  const said = windows
    .flatMap(({ values }) => [...values])
    .reduce((sum, [series, value]) => (series.startsWith('ai_factory.gpu.energy') ? sum + value : sum), 0)
  return { from: windows[0]?.start ?? Number.NaN, to: windows.at(-1)?.end ?? Number.NaN, said }
}

/** Joules between two moments (milliseconds since the epoch), per workload as the books name it. */
export type JoulesBetween = (workload: string, from: number, to: number) => number

/** `prefix`: what stands before `<namespace>/<name>` in workload ids. */
export const compare = (books: ReadonlyMap<string, Books>, backend: Backend, prefix: string, joules: JoulesBetween): Line[] => {
  const lines: Line[] = []
  for (const [workload, truth] of books) {
    if (workload === 'unallocated') continue
    const book = backend.workloads.get(prefix + workload)
    const add = (figure: string, happened: number, said: number, tolerance: number) =>
      lines.push({
        workload,
        figure,
        happened,
        said,
        tolerance,
        agrees: Math.abs(happened - said) <= tolerance * Math.max(1, Math.abs(happened)),
      })
    add('input tokens', truth.promptTokens, total(book, 'ai_factory.tokens{gen_ai.token.type=input}'), EXACT)
    add('output tokens', truth.generatedTokens, total(book, 'ai_factory.tokens{gen_ai.token.type=output}'), EXACT)
    add('cached tokens', truth.cachedTokens, total(book, 'ai_factory.tokens.cached'), EXACT)
    for (const finish of FINISHES)
      add(
        `requests ended by ${finish}`,
        truth.requests[finish],
        total(book, `ai_factory.requests{ai_factory.finish_reason=${finish}}`),
        EXACT,
      )
    const { from, to, said } = energy(book)
    add('joules', joules(workload, from, to), said, ENERGY)
    add('spans', truth.spans, book?.spans ?? 0, 0)
  }
  return lines
}

export interface Matching {
  spans: number
  matchedShare: number
  meanCoverage: number
  outcomes: Record<string, number>
}

export const matching = (backend: Backend): Matching => {
  const outcomes: Record<string, number> = {}
  let spans = 0
  let coverage = 0
  for (const book of backend.workloads.values()) {
    spans += book.spans
    coverage += book.coverage
    for (const [outcome, count] of book.outcomes) outcomes[outcome] = (outcomes[outcome] ?? 0) + count
  }
  return { spans, matchedShare: (outcomes.matched ?? 0) / spans, meanCoverage: coverage / spans, outcomes }
}
