/** Requests for tests of what carries OTLP over Kafka. */
import { Batch } from '../../../proto/batch.js'
import { inspect } from '../../../proto/inspect.js'
import { OTLP_SIGNALS, type OtlpSignal } from '../../../proto/services.js'
import { Writer } from '../../../proto/wire.js'

/** One resource with these string attributes and `items` spans, gauge points or log records named by `name`; a field OTLP does not know stands beside them unless `strange` is false. */
export const requestOf = (
  signal: OtlpSignal,
  attributes: Readonly<Record<string, string>>,
  name: string,
  items = 1,
  padding = 0,
  strange = true,
): Buffer => {
  const group = (out: Writer): void => {
    out.message(1, resource => {
      for (const [key, value] of Object.entries(attributes))
        resource.message(1, pair => pair.string(1, key).message(2, any => any.string(1, value)))
    })
    if (strange) out.string(4000, 'later')
    out.message(2, scope => {
      const body = (index: number) => `${name} ${index} ${'x'.repeat(padding)}`
      for (let index = 0; index < items; index++) {
        if (signal === 'traces')
          scope.message(2, span =>
            span
              .bytes(1, new Uint8Array(16).fill(index + 1))
              .bytes(2, new Uint8Array(8).fill(9))
              .string(5, body(index))
              .fixed64(7, 1n)
              .fixed64(8, 2n),
          )
        else if (signal === 'logs') scope.message(2, record => record.fixed64(1, 1n).message(5, any => any.string(1, body(index))))
        else
          scope.message(2, metric =>
            metric.string(1, body(index)).message(5, gauge => gauge.message(1, point => point.fixed64(3, 1n).fixed64(6, 7n))),
          )
      }
    })
  }
  return Buffer.from(new Writer().message(1, group).finish())
}

export const batchOf = (signal: OtlpSignal, request: Uint8Array): Batch => Batch.of(signal, [request], inspect(signal, request))

export const bytesOf = (batch: Batch): string => Buffer.concat(batch.slices as Uint8Array[]).toString('hex')

export { OTLP_SIGNALS }
