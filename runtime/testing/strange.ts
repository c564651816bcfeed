/** OTLP requests with fields that no released version of the protocol knows, at every depth. */
import { Batch, type Signal } from '../../proto/batch.js'
import { Writer } from '../../proto/wire.js'

export type OtlpSignal = Exclude<Signal, 'events'>
export const OTLP_SIGNALS: readonly OtlpSignal[] = ['traces', 'metrics', 'logs']

/** Far above every number in use, below the range that protobuf keeps for itself. */
const UNKNOWN_FIELD = 1_999
const NOW_NS = 1_800_000_000_000_000_000n

type Write = (writer: Writer) => void
const unknown = (level: string) => `unknown field of the ${level}`

/** A message whose last field is unknown. */
const message = (writer: Writer, number: number, level: string, body: Write) =>
  writer.message(number, inner => {
    body(inner)
    inner.string(UNKNOWN_FIELD, unknown(level))
  })

const attribute = (number: number, key: string, value: string, of: string) => (writer: Writer) =>
  message(writer, number, `${of} attribute`, keyValue => {
    keyValue.string(1, key)
    message(keyValue, 2, `${of} attribute value`, any => any.string(1, value))
  })

const ITEMS: Readonly<Record<OtlpSignal, Write>> = {
  traces: scope =>
    message(scope, 2, 'span', span => {
      span.bytes(1, new Uint8Array(16).fill(1)).bytes(2, new Uint8Array(8).fill(2)).string(5, 'chat').uint(6, 2)
      span.fixed64(7, NOW_NS).fixed64(8, NOW_NS + 1_000_000n)
      attribute(9, 'gen_ai.request.model', 'llama', 'span')(span)
    }),
  metrics: scope =>
    message(scope, 2, 'metric', metric => {
      metric.string(1, 'queue.depth').string(3, '{request}')
      message(metric, 5, 'gauge', gauge =>
        message(gauge, 1, 'point', point => {
          point.fixed64(3, NOW_NS).double(4, 3.5)
          attribute(7, 'state', 'waiting', 'point')(point)
        }),
      )
    }),
  logs: scope =>
    message(scope, 2, 'log record', record => {
      record.fixed64(1, NOW_NS).uint(2, 9)
      message(record, 5, 'body', any => any.string(1, 'ready'))
      attribute(6, 'thread', 'main', 'log record')(record)
    }),
}

/** One item in one scope of one resource. */
export const strangeBatch = (signal: OtlpSignal): Batch => {
  const writer = new Writer()
  message(writer, 1, 'resource group', group => {
    message(group, 1, 'resource', resource => attribute(1, 'service.name', 'checkout', 'resource')(resource))
    message(group, 2, 'scope group', scopes => {
      message(scopes, 1, 'scope', scope => scope.string(1, 'library'))
      ITEMS[signal](scopes)
      scopes.string(3, 'https://opentelemetry.io/schemas/1.41.0')
    })
    group.string(3, 'https://opentelemetry.io/schemas/1.41.0')
  })
  writer.string(UNKNOWN_FIELD, unknown('request'))
  return Batch.of(signal, [writer.finish().slice()], 1, { transport: 'grpc' })
}

/** The unknown fields in some bytes, sorted. */
export const unknownFields = (batches: readonly Batch[]): string[] => {
  const text = Buffer.concat(batches.flatMap(batch => [...batch.slices])).toString('latin1')
  return [...text.matchAll(/unknown field of the [a-z ]+/g)].map(([found]) => found).sort()
}
