/** Requests to send: good ones, and every kind of bad one. */
import { Writer } from '../../../proto/wire.js'

/** One request a signal, made with the published generated code: a span, a data point, a log record. */
export const GOLDEN = {
  traces: Buffer.from(
    '0a93010a150a130a0c736572766963652e6e616d6512030a0178127a0a030a017312730a105b8efff798038103d269b633813fc60c1208eee19b7ec3c1b1742a0663686174206d300339004859e3faeb6f15410012f41efbeb6f154a1f0a1967656e5f61692e75736167652e696e7075745f746f6b656e73120218644a0e0a0174120921000000000000e03f7a021802850101010000',
    'hex',
  ),
  metrics: Buffer.from('0a1d121b12190a01672a140a1219020000000000000031ffffffffffffffff', 'hex'),
  logs: Buffer.from(
    '0a6612641262090100000000000000100d2a1d321b0a070a016b120210000a100a016e120b18ffffffffffffffffff0132090a016212043a0200ff32090a05656d7074791200320e0a0361727212072a050a030a0171450100000059020000000000000062026576',
    'hex',
  ),
} as const

/** One request of one span; `change` writes further fields of the span. */
export const spanRequest = (change: (span: Writer) => void = () => {}): Buffer =>
  Buffer.from(
    new Writer()
      .message(1, group =>
        group.message(2, scope =>
          scope.message(2, span => {
            span.bytes(1, new Uint8Array(16).fill(7)).bytes(2, new Uint8Array(8).fill(9)).string(5, 'chat').fixed64(7, 1n).fixed64(8, 2n)
            change(span)
          }),
        ),
      )
      .finish(),
  )

/** A request of one span of about `size` bytes. */
export const bigRequest = (size: number): Buffer => spanRequest(span => span.string(3, 'x'.repeat(size)))

/** A span whose one attribute is a list in a list, `depth` times. */
export const deepRequest = (depth: number): Buffer => {
  let value = new Writer().string(1, 'bottom').finish()
  for (let i = 0; i < depth; i++) value = new Writer().bytes(5, new Writer().bytes(1, value).finish()).finish()
  return spanRequest(span => span.bytes(9, new Writer().string(1, 'deep').bytes(2, value).finish()))
}

/** A span with many attributes. */
export const wideRequest = (attributes: number): Buffer =>
  spanRequest(span => {
    for (let i = 0; i < attributes; i++) span.message(9, pair => pair.string(1, `key.${i}`).message(2, value => value.string(1, 'v')))
  })
