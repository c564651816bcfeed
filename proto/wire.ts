/**
 * The protobuf wire format, read in place and written forward.
 *
 * `Fields` walks one message without decoding it: each step names a field and where its value lies. `Writer` appends fields to one growing
 * buffer. Everything above (views, edits, OTLP services) is made of these two.
 * Source: protobuf.dev/programming-guides/encoding; wire types 0 varint, 1 64-bit, 2 length-delimited, 5 32-bit. Groups (3, 4) are refused:
 * no OTLP message has one.
 */
export { Fields } from './wire/fields.js'
export {
  afterVarint,
  BYTES,
  equalsAt,
  FIXED32,
  FIXED64,
  int64At,
  intAt,
  readBigUint64,
  readDouble,
  readMillis,
  readString,
  readUint32,
  readUint64,
  sameBytes,
  VARINT,
  varintAt,
  WireError,
} from './wire/values.js'
export { sizeOfHeader, sizeOfVarint, Writer } from './wire/writer.js'
