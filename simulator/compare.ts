/** The books of the factory against the sums over the gateway's events. */

import * as names from '../proto/vocabulary/attributes.js'
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
/** As config/examples/demo.yaml has it. */
const PRICE_PER_GPU_HOUR = 2.8
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
    .reduce((sum, [series, value]) => (/^ai_factory\.gpu\.energy(\{|$)/.test(series) ? sum + value : sum), 0)
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
    const judged = (good: boolean) => total(book, `${names.SLO_REQUESTS}{${names.SLO_GOOD}=${good}}{${names.FIGURE_SOURCE}=client_spans}`)
    add('good requests', truth.good, judged(true), 0)
    add('judged requests', truth.eligible, judged(true) + judged(false), 0)
    add('tenants', truth.tenants.size, [...truth.tenants.keys()].filter(tenant => tenantAgrees(tenant, truth, book)).length, 0)
  }
  return [...lines, ...bill(books, backend)]
}

/** Requests and tokens of one tenant, to the last of them. */
const tenantAgrees = (tenant: string, { tenants }: Books, book: WorkloadBook | undefined): boolean => {
  const { requests, input, output } = tenants.get(tenant)!
  const label = `{${names.FIGURE_SOURCE}=client_spans}{${names.TENANT_ID}=${tenant}}`
  const tokens = (type: string) => total(book, `${names.TENANT_TOKENS}${label}{${names.TOKEN_TYPE}=${type}}`)
  return total(book, `${names.TENANT_REQUESTS}${label}`) === requests && tokens('input') === input && tokens('output') === output
}

/** Over all workloads: GPU seconds are GPUs × windows, and money is theirs at the one price, both to 1e-9, in the worst window too. */
const bill = (books: ReadonlyMap<string, Books>, backend: Backend): Line[] => {
  const gpus = [...books.values()].reduce((sum, book) => sum + book.gpus, 0)
  const windows = new Map<number, { length: number; seconds: number; cost: number }>()
  for (const { windows: told } of backend.workloads.values())
    for (const { start, end, values } of told.values())
      for (const [series, value] of values) {
        const time = series.startsWith(`${names.GPU_TIME}{`)
        if (!time && !series.startsWith(`${names.COST}{`)) continue
        const window = windows.get(start) ?? { length: (end - start) / 1000, seconds: 0, cost: 0 }
        if (time) window.seconds += value
        else window.cost += value
        windows.set(start, window)
      }
  // In the first window devices were seen first, and the last one may still be on its way.
  const whole = [...windows].sort(([a], [b]) => a - b).slice(2, -2)
  const worst = (of: (window: { length: number; seconds: number; cost: number }) => number, expected: (length: number) => number) =>
    whole.reduce(
      (most, [, window]) => Math.max(most, Math.abs(of(window) / expected(window.length) - 1)),
      whole.length > 0 ? 0 : Number.NaN,
    )
  const line = (figure: string, happened: number, said: number, off: number): Line => ({
    workload: '(all)',
    figure,
    happened,
    said,
    tolerance: EXACT,
    agrees: off <= EXACT && Math.abs(said / happened - 1) <= EXACT,
  })
  const sum = (of: (window: { length: number; seconds: number; cost: number }) => number) =>
    whole.reduce((all, [, window]) => all + of(window), 0)
  const seconds = (length: number) => gpus * length
  const cost = (length: number) => (gpus * length * PRICE_PER_GPU_HOUR) / 3600
  return [
    line(
      'GPU seconds',
      sum(({ length }) => seconds(length)),
      sum(window => window.seconds),
      worst(window => window.seconds, seconds),
    ),
    line(
      'cost',
      sum(({ length }) => cost(length)),
      sum(window => window.cost),
      worst(window => window.cost, cost),
    ),
  ]
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
