/**
 * google.rpc.Status, in which OTLP says what went wrong: the body of an HTTP error, and the gRPC trailer `grpc-status-details-bin`.
 * Source: googleapis `google/rpc/{status,error_details}.proto`, `google/protobuf/{any,duration}.proto`.
 */
import { Fields, Writer } from './wire.js'

export interface RpcStatus {
  /** A gRPC status code; 0 where the sender left it out. */
  readonly code: number
  readonly message: string
  /** Milliseconds to wait before the next try (RetryInfo.retry_delay). */
  readonly retryDelay?: number
}

const STATUS = { code: 1, message: 2, details: 3 } as const
const ANY = { typeUrl: 1, value: 2 } as const
const RETRY_INFO = { retryDelay: 1 } as const
const DURATION = { seconds: 1, nanos: 2 } as const
const RETRY_INFO_TYPE = 'type.googleapis.com/google.rpc.RetryInfo'

export const encodeStatus = ({ code, message, retryDelay }: RpcStatus): Uint8Array => {
  const status = new Writer()
  if (code !== 0) status.uint(STATUS.code, code)
  if (message !== '') status.string(STATUS.message, message)
  if (retryDelay !== undefined)
    status.message(STATUS.details, any =>
      any.string(ANY.typeUrl, RETRY_INFO_TYPE).message(ANY.value, info =>
        info.message(RETRY_INFO.retryDelay, duration => {
          const { seconds, nanos } = durationOf(retryDelay)
          if (seconds > 0) duration.uint(DURATION.seconds, seconds)
          if (nanos > 0) duration.uint(DURATION.nanos, nanos)
        }),
      ),
    )
  return status.finish()
}

/** Details other than RetryInfo are ignored. Throws WireError. */
export const decodeStatus = (bytes: Uint8Array): RpcStatus => {
  const fields = new Fields(bytes)
  let code = 0
  let message = ''
  let retryDelay: number | undefined
  while (fields.next()) {
    if (fields.number === STATUS.code) code = fields.int()
    else if (fields.number === STATUS.message) message = fields.string()
    else if (fields.number === STATUS.details) retryDelay = retryDelayOf(new Fields().enter(fields)) ?? retryDelay
  }
  return { code, message, ...(retryDelay !== undefined && { retryDelay }) }
}

const retryDelayOf = (any: Fields): number | undefined => {
  let type = ''
  let value: Uint8Array = new Uint8Array(0)
  while (any.next()) {
    if (any.number === ANY.typeUrl) type = any.string()
    else if (any.number === ANY.value) value = any.view()
  }
  if (type !== RETRY_INFO_TYPE) return undefined
  const info = new Fields(value)
  const duration = new Fields()
  let delay: number | undefined
  while (info.next()) {
    if (info.number !== RETRY_INFO.retryDelay) continue
    delay ??= 0
    duration.enter(info)
    while (duration.next()) {
      if (duration.number === DURATION.seconds) delay += duration.int() * 1e3
      else if (duration.number === DURATION.nanos) delay += duration.int() / 1e6
    }
  }
  return delay === undefined ? undefined : Math.max(0, delay)
}

/** The JSON form: `{"code":14,"message":"busy","details":[{"@type":"…RetryInfo","retryDelay":"30s"}]}`. */
export const encodeStatusJson = ({ code, message, retryDelay }: RpcStatus): string =>
  JSON.stringify({
    code,
    message,
    ...(retryDelay !== undefined && { details: [{ '@type': RETRY_INFO_TYPE, retryDelay: durationText(retryDelay) }] }),
  })

/** Reads what it can: `undefined` when the text is no such status, as bodies of proxies are. */
export const decodeStatusJson = (text: string): RpcStatus | undefined => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { code, message, details } = value as Record<string, unknown>
  if (code === undefined && message === undefined && details === undefined) return undefined
  const info: unknown = Array.isArray(details) ? details.find(detail => detail?.['@type'] === RETRY_INFO_TYPE) : undefined
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(String((info as Record<string, unknown> | undefined)?.retryDelay))?.[1]
  return {
    code: typeof code === 'number' ? code : 0,
    message: typeof message === 'string' ? message : '',
    ...(seconds !== undefined && { retryDelay: Number(seconds) * 1e3 }),
  }
}

const durationOf = (millis: number): { seconds: number; nanos: number } => {
  const whole = Math.floor(Math.max(0, millis) / 1e3)
  const nanos = Math.round((Math.max(0, millis) - whole * 1e3) * 1e6)
  return nanos < 1e9 ? { seconds: whole, nanos } : { seconds: whole + 1, nanos: 0 }
}

const durationText = (millis: number): string => {
  const { seconds, nanos } = durationOf(millis)
  return nanos === 0 ? `${seconds}s` : `${seconds}.${String(nanos).padStart(9, '0').replace(/0+$/, '')}s`
}
