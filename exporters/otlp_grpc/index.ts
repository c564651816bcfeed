import { GRPC_SERVICES, OTLP_SIGNALS } from '../../proto/services.js'
import { component } from '../../runtime/component.js'
import { deliver, type Send } from '../../runtime/delivery/index.js'
import { PermanentError } from '../../runtime/errors.js'
import { GrpcChannel } from '../../runtime/net/grpc-channel.js'
import { parseTarget } from '../../runtime/net/grpc-target.js'
import { gzip } from '../../runtime/net/gzip.js'
import { options } from './options.js'
import { read } from './verdict.js'

/** What gRPC allows in metadata; `-bin` values are base64. Source: grpc/doc/PROTOCOL-HTTP2.md. */
const NAME = /^[0-9a-z_.-]+$/
const VALUE = /^[\x20-\x7e]*$/
/** gRPC's own; the channel sets them. */
const RESERVED = /^(grpc-|te$|content-type$|host$|connection$|transfer-encoding$)/

/** Metadata from the headers option; one that cannot be sent is told at start, without its value. */
const metadataOf = (headers: Readonly<Record<string, string>>): Record<string, string> => {
  const metadata: Record<string, string> = {}
  for (const [key, value] of Object.entries(headers)) {
    const name = key.toLowerCase()
    if (!NAME.test(name) || !VALUE.test(value))
      throw new Error(`headers: "${key}" cannot be sent; names are letters, digits, - _ and ., values printable ASCII`)
    if (RESERVED.test(name)) throw new Error(`headers: "${key}" belongs to gRPC itself; leave it out`)
    metadata[name] = value
  }
  return metadata
}

/** grpc-timeout takes up to eight digits. */
const timeoutHeader = (ms: number): Record<string, string> => {
  if (ms <= 0) return {}
  return { 'grpc-timeout': ms < 1e8 ? `${Math.ceil(ms)}m` : `${Math.min(Math.ceil(ms / 1_000), 99_999_999)}S` }
}

export default component({
  kind: 'exporter',
  type: 'otlp_grpc',
  aliases: ['otlp'],
  summary: 'Sends traces, metrics and logs by OTLP over gRPC.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'To a backend, with TLS and an API key': 'endpoint: otlp.example.com:4317\nheaders:\n  x-api-key: my-key\n',
    'To a collector nearby, in plain text': 'endpoint: localhost:4317\ncompression: none\ntls:\n  insecure: true\n',
    'Never giving up, merged into larger requests':
      'endpoint: https://otlp.example.com:4317\nretry_on_failure:\n  max_elapsed_time: 0\nsending_queue:\n  batch:\n    flush_timeout: 1s\n',
  },
  create(config, context) {
    const target = parseTarget(config.endpoint, config.tls.insecure)
    if (!target) throw new Error('endpoint: expected host:port')
    const compressed = config.compression === 'gzip'
    const metadata = { 'user-agent': 'ai-factory-gateway', ...metadataOf(config.headers), ...timeoutHeader(config.timeout) }
    const channel = new GrpcChannel({ target, tls: config.tls, keepalive: config.keepalive }, context)

    const send: Send = async ({ signal: kind, slices }, signal) => {
      if (kind === 'events') throw new PermanentError('OTLP has no events; they are sent as metrics and logs', 'unsupported_signal')
      const body = compressed ? [await gzip(slices, config.compression_params.level)] : slices
      return read(await channel.unary({ path: GRPC_SERVICES[kind].export.path, metadata, slices: body, compressed }, signal))
    }
    const delivery = deliver(config, send, context)
    return {
      consume: delivery.consume,
      temporality: config.temporality,
      async start() {
        await channel.start()
        await delivery.start?.()
      },
      async stop(deadline) {
        await delivery.stop?.(deadline)
        channel.stop()
      },
    }
  },
})
