/**
 * OTLP/JSON, both ways, by the rules of opentelemetry-proto `docs/specification.md` (JSON Protobuf Encoding): ids are hex, other bytes base64,
 * 64-bit integers strings (exact: they never become JavaScript numbers), enums integers, absent = null = default, unknown keys ignored.
 */
import type { Batch, Signal } from '../batch.js'
import { exactIntegers } from './integers.js'
import { REQUESTS } from './messages.js'
import { JsonError, readMessage } from './read.js'
import { writeMessage } from './write.js'

export { JsonError } from './read.js'

/** The batch's request on one line, without a line break at its end. Throws WireError; RangeError for `events`. */
export const toJson = (signal: Signal, batch: Batch): string => {
  const { slices } = batch
  const [only] = slices
  const bytes = slices.length === 1 && only ? only : Buffer.concat(slices as Uint8Array[])
  return writeMessage(requestOf(signal), bytes, 0, bytes.length)
}

/**
 * An Export…ServiceRequest from JSON text or its UTF-8 bytes. Throws JsonError, which says where and what was expected; RangeError for `events`.
 */
export const fromJson = (signal: Signal, json: string | Uint8Array): Uint8Array => {
  const message = requestOf(signal)
  return readMessage(message, parse(typeof json === 'string' ? json : textOf(json)))
}

const requestOf = (signal: Signal) => {
  if (signal === 'events') throw new RangeError('events are no OTLP signal')
  return REQUESTS[signal]
}

const textOf = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new JsonError('the text is not UTF-8', '')
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(exactIntegers(text))
  } catch (error) {
    // V8's message quotes the text, which may be a prompt or a secret: only the place is passed on, where there is one.
    const { message } = error as SyntaxError
    const at = /position (\d+)/.exec(message)?.[1]
    const where = at ? `no JSON at character ${at}` : 'no JSON'
    throw new JsonError(message.includes('end of JSON') ? 'JSON that is cut short' : where, '')
  }
}
