/** Where a request becomes a batch: checked, counted, handed on. The same for both transports. */
import { Batch, type Metadata } from '../../proto/batch.js'
import { inspect } from '../../proto/inspect.js'
import type { OtlpSignal, PartialSuccess } from '../../proto/services.js'
import { WireError } from '../../proto/wire.js'
import type { Upstream } from '../../runtime/component.js'
import { PartialError, PermanentError, refusedItems } from '../../runtime/errors.js'
import type { Refusal } from '../../runtime/net/status.js'

export type Transport = 'grpc' | 'http'

const METADATA: Readonly<Record<Transport, Metadata>> = { grpc: { transport: 'grpc' }, http: { transport: 'http' } }

export class Door {
  constructor(
    private readonly context: Pick<Upstream, 'id' | 'log' | 'meter' | 'next'>,
    private readonly transport: Transport,
  ) {}

  /**
   * Hands an Export…ServiceRequest on and resolves when it is acknowledged, with what of it was refused for good, if anything.
   * A request without items is a success and goes nowhere. Rejects as `next` does, or with PermanentError `malformed`.
   */
  async enter(signal: OtlpSignal, request: Uint8Array): Promise<PartialSuccess | undefined> {
    let items = 0
    try {
      items = inspect(signal, request)
      if (items > 0) await this.context.next(Batch.of(signal, [request], items, METADATA[this.transport]))
      return undefined
    } catch (error) {
      if (error instanceof PartialError) return this.partly(error, signal, items)
      if (error instanceof WireError) throw new PermanentError(error.message, 'malformed', { cause: error })
      throw error
    }
  }

  private partly(error: PartialError, signal: OtlpSignal, items: number): PartialSuccess {
    const { reason, message } = error
    const rejected = refusedItems(error, items)
    this.context.log.warn('refused part of a request', { transport: this.transport, signal, items: rejected, reason, message })
    return { rejected, message }
  }

  /** Counts a refusal, whoever refused. */
  refused(refusal: Pick<Refusal, 'reason' | 'message'>, signal: OtlpSignal | 'unknown'): void {
    const { id, meter, log } = this.context
    const { transport } = this
    meter
      .counter('ai_factory_gateway_receiver_refused_requests_total', 'Requests not accepted, by the reason the sender was told.', {
        receiver: id,
        transport,
        signal,
        reason: refusal.reason,
      })
      .add(1)
    log.warn('refused a request', { transport, signal, reason: refusal.reason, message: refusal.message })
  }
}
