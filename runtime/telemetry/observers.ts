/** The Collector's own counts at receivers and processors. */
import type { Batch, Signal } from '../../proto/batch.js'
import type { Consume, Meter } from '../component.js'
import { type Observer, perSignal } from './ledger.js'
import { type Name, PROCESSOR_INCOMING, PROCESSOR_OUTGOING, receiverAccepted, receiverFailed, receiverRefused } from './names.js'

/** accepted, refused and failed by transport, all bound at a transport's first batch as the Collector does. */
export const receiverObserver = (meter: Meter, receiver: string): Observer => {
  const bind = (signal: Signal, transport: string) => {
    const labels = { receiver, transport }
    const counter = ({ name, help }: Name) => meter.counter(name, help, labels)
    counter(receiverFailed(signal))
    return { accepted: counter(receiverAccepted(signal)), refused: counter(receiverRefused(signal)) }
  }
  const bound = perSignal(() => new Map<string, ReturnType<typeof bind>>())
  const of = ({ signal, metadata }: Batch) => {
    const transport = metadata.transport ?? ''
    const counters = bound(signal).get(transport) ?? bind(signal, transport)
    bound(signal).set(transport, counters)
    return counters
  }
  return {
    taken() {},
    acknowledged: (batch, items) => of(batch).accepted.add(items),
    refused: (batch, _reason, items) => of(batch).refused.add(items),
  }
}

const processorCounter = (meter: Meter, processor: string, { name, help }: Name) =>
  perSignal(signal => meter.counter(name, help, { processor, otel_signal: signal }))

export const processorObserver = (meter: Meter, processor: string): Observer => {
  const incoming = processorCounter(meter, processor, PROCESSOR_INCOMING)
  return {
    taken: ({ signal, items }) => incoming(signal).add(items),
    acknowledged() {},
    refused() {},
  }
}

/** Counts what a processor sends on. */
export const countOutgoing = (meter: Meter, processor: string, next: Consume): Consume => {
  const outgoing = processorCounter(meter, processor, PROCESSOR_OUTGOING)
  return batch => {
    outgoing(batch.signal).add(batch.items)
    return next(batch)
  }
}
