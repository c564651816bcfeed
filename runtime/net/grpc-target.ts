/** Where a gRPC endpoint lies. */
import { parseEndpoint } from '../../config/options.js'

export interface GrpcTarget {
  readonly host: string
  readonly port: number
  /** `host:port` as the server is addressed. */
  readonly authority: string
  readonly secure: boolean
}

const SCHEME = /^(?:(https?):\/\/|dns:\/\/\/)?([^/]+)\/?$/

/**
 * `host:port`, `dns:///host:port`, `http://host:port` (plain text) or `https://host:port` (TLS); without a scheme `insecure` decides.
 * Undefined when the text is none of these.
 */
export const parseTarget = (text: string, insecure: boolean): GrpcTarget | undefined => {
  const [, scheme, rest] = SCHEME.exec(text.trim()) ?? []
  const place = rest === undefined ? undefined : parseEndpoint(rest)
  if (!rest || !place || place.host === '') return undefined
  return { ...place, authority: rest, secure: scheme ? scheme === 'https' : !insecure }
}
