/** What the join counts of itself. */
import type { Signal } from '../../proto/batch.js'
import type { Counter, Log, Meter } from '../../runtime/component.js'
import { droppedItems } from '../../runtime/telemetry/ledger.js'
import type { Counts, Outcome } from './handler.js'

export interface JoinMeters extends Counts {
  outcome(signal: Signal, outcome: Outcome | 'duplicate' | 'unjoined', items: number): void
  /** A batch that no exporter will ever take: given up. */
  rejected(signal: Signal, reason: string, items: number): void
}

const OUTCOMES = 'ai_factory_gateway_join_items_total'
const OUTCOMES_HELP = 'Items that left the join, by outcome: each span, data point and log record exactly once.'
const IGNORED = 'ai_factory_gateway_join_ignored_total'
const IGNORED_HELP = 'Items passed on whose content the join could not use, by reason.'
const REJECTED = 'ai_factory_gateway_join_rejected_total'
const REJECTED_HELP = 'Items behind the join that were refused for good, by reason; they are lost.'

/** Instruments are made when first moved, then remembered. */
export const joinMeters = (meter: Meter, log: Log, processor: string): JoinMeters => {
  const counters = new Map<string, Counter>()
  const count = (name: string, help: string, labels: Readonly<Record<string, string>>, items: number): void => {
    const key = `${name}\0${Object.values(labels).join('\0')}`
    let counter = counters.get(key)
    if (!counter) {
      counter = meter.counter(name, help, { processor, ...labels })
      counters.set(key, counter)
    }
    counter.add(items)
  }
  return {
    outcome: (signal, outcome, items) => {
      count(OUTCOMES, OUTCOMES_HELP, { signal, outcome }, items)
      if (outcome === 'no_exporter') droppedItems(meter, 'processor', processor, signal, outcome).add(items)
    },
    ignored: (reason, items) => count(IGNORED, IGNORED_HELP, { reason }, items),
    failed: (error, items) => {
      count(IGNORED, IGNORED_HELP, { reason: 'internal' }, items)
      log.error('spans could not be enriched and are passed on as they came', {
        error: error instanceof Error ? error.stack : String(error),
      })
    },
    rejected: (signal, reason, items) => count(REJECTED, REJECTED_HELP, { signal, reason }, items),
  }
}
