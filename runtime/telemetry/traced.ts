/** The gateway's own traces: one span for each batch that a receiver hands over, named and described as the Collector's. */
import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
import type { Signal } from '../../proto/batch.js'
import type { Consume } from '../component.js'
import { reasonOf, refusedItems } from '../errors.js'
import { ITEM_NAMES } from './names.js'

const OPERATIONS: Readonly<Record<Signal, string>> = {
  traces: 'TraceDataReceived',
  metrics: 'MetricsReceived',
  logs: 'LogsReceived',
  events: 'EventsReceived',
}

export const traced = (tracer: Tracer, receiver: string, next: Consume): Consume => {
  return async batch => {
    const span = tracer.startSpan(`receiver/${receiver}/${OPERATIONS[batch.signal]}`, { kind: SpanKind.INTERNAL, root: true })
    const end = (accepted: number) => {
      const items = ITEM_NAMES[batch.signal]
      span.setAttributes({ [`accepted_${items}`]: accepted, [`refused_${items}`]: batch.items - accepted })
      if (batch.metadata.transport !== undefined) span.setAttribute('transport', batch.metadata.transport)
      span.end()
    }
    try {
      await next(batch)
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) })
      end(batch.items - refusedItems(error, batch.items))
      throw error
    }
    end(batch.items)
  }
}
