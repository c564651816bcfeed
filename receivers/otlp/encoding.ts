/** The encodings of OTLP/HTTP. A request is answered in its own. */
import { fromJson, JsonError } from '../../proto/json/index.js'
import { encodeStatus, encodeStatusJson, type RpcStatus } from '../../proto/rpc-status.js'
import { encodeResponse, encodeResponseJson, type OtlpSignal, type PartialSuccess } from '../../proto/services.js'
import { PermanentError } from '../../runtime/errors.js'

export interface Encoding {
  readonly mediaType: string
  /** What reading takes for a moment, in bytes of memory a byte of body. */
  readonly weight: number
  /** The request as protobuf; may be the same bytes. Throws PermanentError `malformed`. */
  read(signal: OtlpSignal, body: Uint8Array): Uint8Array
  /** An Export…ServiceResponse; of full success unless part was refused. */
  accepted(signal: OtlpSignal, partial: PartialSuccess | undefined): Uint8Array | string
  status(status: RpcStatus): Uint8Array | string
}

const PROTOBUF: Encoding = {
  mediaType: 'application/x-protobuf',
  weight: 0,
  read: (_signal, body) => body,
  accepted: (_signal, partial) => encodeResponse(partial),
  status: encodeStatus,
}

const JSON_TEXT: Encoding = {
  mediaType: 'application/json',
  weight: 4,
  read(signal, body) {
    try {
      // A copy, so that what is kept is not the writer's larger buffer.
      return fromJson(signal, body).slice()
    } catch (error) {
      if (error instanceof JsonError) throw new PermanentError(error.message, 'malformed', { cause: error })
      throw error
    }
  },
  accepted: encodeResponseJson,
  status: encodeStatusJson,
}

const ENCODINGS: readonly Encoding[] = [PROTOBUF, JSON_TEXT]
export const MEDIA_TYPES = ENCODINGS.map(({ mediaType }) => mediaType)

/** By the request's `content-type`; its parameters are not looked at. Undefined when it is none of ours. */
export const encodingFor = (contentType = ''): Encoding | undefined => {
  const mediaType = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  return ENCODINGS.find(encoding => encoding.mediaType === mediaType)
}
