/** The end of a pipeline: every signal goes to the exporters that take it, correlated events to the others as the metrics and logs that say the same. */
import { type Batch, SIGNALS, type Signal } from '../proto/batch.js'
import { RunningSums } from '../proto/events/cumulative.js'
import { renderEvents } from '../proto/events/render.js'
import type { Consume } from './component.js'
import { refusingUnreadable } from './errors.js'
import { type Branch, fanOut } from './fan-out.js'
import { perSignal } from './telemetry/ledger.js'
import { TEMPORALITIES, type Temporality } from './temporality.js'

export interface Exporter {
  readonly signals: readonly Signal[]
  readonly consume: Consume
  /** How it wants correlated events rendered; absent = delta. */
  readonly temporality?: Temporality | undefined
}

/** Signals that any of them takes; correlated events become metrics and logs where they must. */
export const takenBy = (exporters: readonly Exporter[]): Signal[] => {
  const taken = SIGNALS.filter(signal => exporters.some(({ signals }) => signals.includes(signal)))
  return taken.includes('events') || !(taken.includes('metrics') || taken.includes('logs')) ? taken : [...taken, 'events']
}

/** One consumer for several; a single one stays itself. */
export const toAll = (consumers: readonly Consume[]): Consume | undefined =>
  consumers.length > 1 ? fanOut(batch => consumers.map(consume => () => consume(batch))) : consumers[0]

const render = (batch: Batch, sums: RunningSums | undefined): Batch[] =>
  refusingUnreadable('bad_data', () => renderEvents(batch, sums), 'unreadable correlated events: ')

const taking = (exporters: readonly Exporter[], signal: Signal): Consume[] =>
  exporters.filter(({ signals }) => signals.includes(signal)).map(({ consume }) => consume)

/** Events as the metrics and logs of one temporality. Running totals live as long as the pipeline. */
const rendering = (exporters: readonly Exporter[], temporality: Temporality): ((batch: Batch) => Branch[]) => {
  const sums = temporality === 'cumulative' ? new RunningSums() : undefined
  const readers = perSignal(signal => taking(exporters, signal))
  return batch => render(batch, sums).flatMap(part => readers(part.signal).map(consume => () => consume(part)))
}

/** Rendered once for all who need it so; a batch that is sent again is not rendered again. */
const eventsTo = (exporters: readonly Exporter[], nobody: (signal: Signal) => Consume): Consume | undefined => {
  const direct = taking(exporters, 'events')
  const others = exporters.filter(({ signals }) => !signals.includes('events'))
  const missing = (['metrics', 'logs'] as const).filter(signal => taking(others, signal).length === 0)
  if (missing.length === 2) return toAll(direct)
  const dropping = missing.map((signal): Exporter => ({ signals: [signal], consume: nobody(signal) }))
  const renderings = TEMPORALITIES.map(temporality => ({
    temporality,
    readers: others.filter(exporter => (exporter.temporality ?? 'delta') === temporality),
  }))
    .filter(({ readers }) => readers.length > 0)
    .map(({ temporality, readers }, index) => rendering(index === 0 ? [...readers, ...dropping] : readers, temporality))
  return fanOut(batch => [...direct.map(consume => () => consume(batch)), ...renderings.flatMap(branchesOf => branchesOf(batch))])
}

/** `nobody` makes the consumer of a signal that no exporter takes. */
export const outlet = (exporters: readonly Exporter[], nobody: (signal: Signal) => Consume): Consume => {
  const takers = perSignal(
    signal => (signal === 'events' ? eventsTo(exporters, nobody) : toAll(taking(exporters, signal))) ?? nobody(signal),
  )
  return batch => takers(batch.signal)(batch)
}
