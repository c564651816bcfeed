/** Attributes written: KeyValue and AnyValue from JavaScript values. */
import { ANY_VALUE, KEY_VALUE, VALUE_LIST } from './fields.js'
import { Writer } from './wire.js'

/** A whole number becomes an int, any other number a double; null is the empty value. */
export type AttributeValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue }

/** Body of an AnyValue. */
export const encodeValue = (value: AttributeValue): Uint8Array => {
  const writer = new Writer(64)
  writeValue(writer, value)
  return writer.finish()
}

/** Body of a KeyValue. */
export const encodeAttribute = (key: string, value: AttributeValue): Uint8Array => {
  const writer = new Writer(64)
  writer.string(KEY_VALUE.key, key).begin(KEY_VALUE.value)
  writeValue(writer, value)
  return writer.end().finish()
}

/** Appends one attribute to a message whose field `attributes` has the number `field`. */
export const writeAttribute = (writer: Writer, field: number, key: string, value: AttributeValue): void => {
  writer.begin(field).string(KEY_VALUE.key, key).begin(KEY_VALUE.value)
  writeValue(writer, value)
  writer.end().end()
}

const writeValue = (writer: Writer, value: AttributeValue): void => {
  if (typeof value === 'string') writer.string(ANY_VALUE.string, value)
  else if (typeof value === 'boolean') writer.uint(ANY_VALUE.bool, value ? 1 : 0)
  else if (typeof value === 'bigint') writer.int64(ANY_VALUE.int, value)
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.int64(ANY_VALUE.int, BigInt(value))
    else writer.double(ANY_VALUE.double, value)
  } else if (value instanceof Uint8Array) writer.bytes(ANY_VALUE.bytes, value)
  else if (Array.isArray(value)) {
    writer.begin(ANY_VALUE.array)
    for (const element of value) {
      writer.begin(VALUE_LIST.values)
      writeValue(writer, element)
      writer.end()
    }
    writer.end()
  } else if (value !== null) {
    writer.begin(ANY_VALUE.kvlist)
    for (const [key, element] of Object.entries(value)) writeAttribute(writer, VALUE_LIST.values, key, element)
    writer.end()
  }
}
