/** The end of a pipeline: every signal goes to the exporters that take it, correlated events to the others as the metrics and logs that say the same. */
import type { Batch, Signal } from '../proto/batch.js'
import { renderEvents } from '../proto/events/render.js'
import { WireError } from '../proto/wire.js'
import type { Consume } from './component.js'
import { PermanentError } from './errors.js'
import { type Branch, fanOut } from './fan-out.js'
import { perSignal } from './telemetry/ledger.js'

export interface Exporter {
  readonly signals: readonly Signal[]
  readonly consume: Consume
}

/** One consumer for several; a single one stays itself. */
export const toAll = (consumers: readonly Consume[]): Consume | undefined =>
  consumers.length > 1 ? fanOut(batch => consumers.map(consume => () => consume(batch))) : consumers[0]

const render = (batch: Batch): Batch[] => {
  try {
    return renderEvents(batch)
  } catch (error) {
    if (error instanceof WireError) throw new PermanentError(`unreadable correlated events: ${error.message}`, 'bad_data', { cause: error })
    throw error
  }
}

const taking = (exporters: readonly Exporter[], signal: Signal): Consume[] =>
  exporters.filter(({ signals }) => signals.includes(signal)).map(({ consume }) => consume)

/** Rendered once for all who need it; a batch that is sent again is not rendered again. */
const eventsTo = (exporters: readonly Exporter[], nobody: (signal: Signal) => Consume): Consume | undefined => {
  const direct = taking(exporters, 'events')
  const others = exporters.filter(({ signals }) => !signals.includes('events'))
  const readers = perSignal(signal => {
    const consumers = taking(others, signal)
    return consumers.length > 0 ? consumers : [nobody(signal)]
  })
  if (!others.some(({ signals }) => signals.includes('metrics') || signals.includes('logs'))) return toAll(direct)
  const rendered = (batch: Batch): Branch[] => render(batch).flatMap(part => readers(part.signal).map(consume => () => consume(part)))
  return fanOut(batch => [...direct.map(consume => () => consume(batch)), ...rendered(batch)])
}

/** `nobody` makes the consumer of a signal that no exporter takes. */
export const outlet = (exporters: readonly Exporter[], nobody: (signal: Signal) => Consume): Consume => {
  const takers = perSignal(
    signal => (signal === 'events' ? eventsTo(exporters, nobody) : toAll(taking(exporters, signal))) ?? nobody(signal),
  )
  return batch => takers(batch.signal)(batch)
}
