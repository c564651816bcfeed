/**
 * The books of every edge. For each component that batches are handed to, and each signal, at any moment:
 *
 *   received = acknowledged + held + refused{reason}
 *
 * `dropped{reason}` names every item that goes no further although its sender need not send it again: given up behind an acknowledgement
 * (filtered, no exporter takes it), or refused for good. The kind is a label because a receiver and an exporter may share an id.
 */
import type { Batch, Signal } from '../../proto/batch.js'
import type { Counter, Kind, Meter } from '../component.js'

export type Place = Kind | 'pipeline'

/** What an edge tells about a batch. */
export interface Observer {
  taken(batch: Batch): void
  /** `items` of the batch; both are called when part of it was refused for good. */
  acknowledged(batch: Batch, items: number): void
  refused(batch: Batch, reason: string, items: number): void
}

/** One value per signal, made when the signal is first seen. */
export const perSignal = <T>(make: (signal: Signal) => T): ((signal: Signal) => T) => {
  const made: Partial<Record<Signal, T>> = {}
  return signal => (made[signal] ??= make(signal))
}

/** One counter per reason, made when the reason is first given. */
export const perReason = (make: (reason: string) => Counter): ((reason: string) => Counter) => {
  const made = new Map<string, Counter>()
  return reason => {
    const known = made.get(reason)
    if (known) return known
    const counter = make(reason)
    made.set(reason, counter)
    return counter
  }
}

/** Items that go no further, by reason (`filtered`, `no_exporter`, `queue_full`). Every loss in the gateway is counted here. Bind once per signal and reason. */
export const droppedItems = (meter: Meter, kind: Place, component: string, signal: Signal, reason: string): Counter =>
  meter.counter('ai_factory_gateway_dropped_items', 'Items that go no further, by reason.', {
    kind,
    component,
    signal,
    reason,
  })

const page = (meter: Meter, kind: Place, component: string, signal: Signal) => {
  const labels = { kind, component, signal }
  const row = {
    held: 0,
    received: meter.counter('ai_factory_gateway_received_items', 'Items handed to the component.', labels),
    acknowledged: meter.counter('ai_factory_gateway_acknowledged_items', 'Items the component answered for.', labels),
    refused: perReason(reason =>
      meter.counter('ai_factory_gateway_refused_items', 'Items the component refused, by reason; whoever sent them was told.', {
        ...labels,
        reason,
      }),
    ),
  }
  meter.gauge('ai_factory_gateway_held_items', 'Items handed to the component and not answered for yet.', labels, () => row.held)
  return row
}

export class Ledger {
  private readonly accounts = new Map<string, Observer>()

  constructor(private readonly meter: Meter) {}

  /** The account of one component; instances that share an id (a processor in two pipelines) share it. */
  account(kind: Place, component: string): Observer {
    const key = `${kind} ${component}`
    const account = this.accounts.get(key) ?? this.open(kind, component)
    this.accounts.set(key, account)
    return account
  }

  private open(kind: Place, component: string): Observer {
    const pageOf = perSignal(signal => page(this.meter, kind, component, signal))
    return {
      taken({ signal, items }) {
        const row = pageOf(signal)
        row.received.add(items)
        row.held += items
      },
      acknowledged({ signal }, items) {
        const row = pageOf(signal)
        row.acknowledged.add(items)
        row.held -= items
      },
      refused({ signal }, reason, items) {
        const row = pageOf(signal)
        row.refused(reason).add(items)
        row.held -= items
      },
    }
  }
}
