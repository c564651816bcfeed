/** A delivery under test, requests whose spans are named by number, and backends whose answers a test gives by hand. */
import { z } from 'zod'
import { Batch } from '../../../proto/batch.js'
import { BYTES, Fields, Writer } from '../../../proto/wire.js'
import { PermanentError } from '../../errors.js'
import { harness } from '../../testing/harness.js'
import { deliver } from '../delivery.js'
import { deliveryOptions } from '../options.js'
import type { Send } from '../timeout.js'

export type Written = z.input<z.ZodObject<ReturnType<typeof deliveryOptions>>>
export const options = (written: Written = {}) => z.strictObject(deliveryOptions('5s')).parse(written)

/** A traces request whose spans are named by number. */
export const spans = (...names: number[]): Batch => {
  const request = new Writer().message(1, group =>
    group.message(2, scope => {
      for (const name of names) scope.message(2, span => span.string(5, String(name)))
    }),
  )
  return Batch.of('traces', [request.finish()], names.length)
}

export const namesIn = (batch: Batch): number[] => {
  const names: number[] = []
  const walk = (bytes: Uint8Array, path: readonly number[]): void => {
    const field = new Fields(bytes)
    while (field.next()) {
      if (field.number !== path[0] || field.type !== BYTES) continue
      if (path.length === 1) names.push(Number(field.string()))
      else walk(field.view(), path.slice(1))
    }
  }
  walk(Buffer.concat(batch.slices), [1, 2, 2, 5])
  return names
}

export const setUp = (send: Send, written: Written = {}, random = () => 0.5) => {
  const { context, clock, meter, log } = harness('otlp_http/backend')
  return { clock, meter, log, consumer: deliver(options(written), send, context, random) }
}

/** A backend whose answers a test gives by hand. */
export const backend = () => {
  const calls: { batch: Batch; signal: AbortSignal; answer: () => void; fail: (error: unknown) => void }[] = []
  const send: Send = (batch, signal) =>
    new Promise((resolve, reject) => {
      calls.push({ batch, signal, answer: () => resolve(undefined), fail: reject })
    })
  return { calls, send }
}

export const outcome = (promise: Promise<void>): { state: string; error?: unknown } => {
  const seen: { state: string; error?: unknown } = { state: 'waiting' }
  promise.then(
    () => {
      seen.state = 'resolved'
    },
    error => {
      seen.state = error instanceof PermanentError ? 'permanent' : 'retryable'
      seen.error = error
    },
  )
  return seen
}
