/** The encodings of OTLP/HTTP. A request is answered in its own. */
import { encodeStatus, type RpcStatus } from '../../proto/rpc-status.js'
import { encodeResponse, type OtlpSignal } from '../../proto/services.js'

export interface Encoding {
  readonly mediaType: string
  /** The request as protobuf; may be the same bytes. Throws PermanentError `malformed`. */
  read(signal: OtlpSignal, body: Uint8Array): Uint8Array
  /** An Export…ServiceResponse of full success. */
  readonly accepted: Uint8Array | string
  status(status: RpcStatus): Uint8Array | string
}

const PROTOBUF: Encoding = {
  mediaType: 'application/x-protobuf',
  read: (_signal, body) => body,
  accepted: encodeResponse(),
  status: encodeStatus,
}

const ENCODINGS: readonly Encoding[] = [PROTOBUF]
export const MEDIA_TYPES = ENCODINGS.map(({ mediaType }) => mediaType)

/** By the request's `content-type`; its parameters are not looked at. Undefined when it is none of ours. */
export const encodingFor = (contentType = ''): Encoding | undefined => {
  const mediaType = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  return ENCODINGS.find(encoding => encoding.mediaType === mediaType)
}
