import type { Batch, Signal } from '../../proto/batch.js'
import { toJson } from '../../proto/json/index.js'
import { HTTP_PATHS, OTLP_SIGNALS, type OtlpSignal } from '../../proto/services.js'
import { component } from '../../runtime/component.js'
import { deliver, type Send } from '../../runtime/delivery/index.js'
import { PermanentError, refusingUnreadable } from '../../runtime/errors.js'
import { gzip } from '../../runtime/net/gzip.js'
import { checkHeaders, HttpClient } from '../../runtime/net/http-client.js'
import { read } from './answer.js'
import { type Options, options } from './options.js'

/** Where a signal is sent; undefined when no endpoint says so. */
const urlOf = (config: Options, signal: OtlpSignal): URL | undefined => {
  const exact = config[`${signal}_endpoint`]
  if (exact !== undefined) return new URL(exact)
  return config.endpoint === undefined ? undefined : new URL(config.endpoint.replace(/\/+$/, '') + HTTP_PATHS[signal])
}

const jsonOf = (batch: Batch): Uint8Array =>
  refusingUnreadable('bad_data', () => Buffer.from(toJson(batch.signal, batch)), 'not to be written as JSON: ')

export default component({
  kind: 'exporter',
  type: 'otlp_http',
  aliases: ['otlphttp'],
  summary: 'Sends traces, metrics and logs by OTLP over HTTP.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'To an OTLP backend, with an API key': 'endpoint: https://otlp.example.com\nheaders:\n  authorization: Bearer my-token\n',
    'To a collector nearby, merged into larger requests':
      'endpoint: http://localhost:4318\ncompression: none\nsending_queue:\n  batch:\n    flush_timeout: 200ms\n',
    'To Mimir, which wants cumulative series in order':
      'metrics_endpoint: http://mimir:8080/otlp/v1/metrics\ntemporality: cumulative\nsending_queue:\n  num_consumers: 1\n',
    'Traces and logs to different places': 'traces_endpoint: http://tempo:4318/v1/traces\nlogs_endpoint: http://loki:3100/otlp/v1/logs\n',
  },
  create(config, context) {
    checkHeaders(config.headers)
    const urls = new Map<Signal, URL>()
    for (const signal of OTLP_SIGNALS) {
      const target = urlOf(config, signal)
      if (target) urls.set(signal, target)
    }
    const json = config.encoding === 'json'
    const packed = config.compression === 'gzip'
    const headers = {
      'user-agent': 'ai-factory-gateway',
      ...config.headers,
      'content-type': json ? 'application/json' : 'application/x-protobuf',
      ...(packed && { 'content-encoding': 'gzip' }),
    }
    const client = new HttpClient(
      { tls: config.tls, connections: config.max_conns_per_host, idleTimeout: config.idle_conn_timeout },
      context,
    )

    const send: Send = async (batch, signal) => {
      const { signal: kind } = batch
      const url = urls.get(kind)
      if (!url || kind === 'events') throw new PermanentError(`no endpoint is set for ${kind}`, 'no_endpoint')
      const slices = json ? [jsonOf(batch)] : batch.slices
      const body = packed ? [await gzip(slices, config.compression_params.level)] : slices
      const length = body.reduce((sum, slice) => sum + slice.length, 0)
      const answer = await client.post(url, { ...headers, 'content-length': length }, body, signal)
      return read(answer, kind, context.clock.now())
    }
    const delivery = deliver(config, send, context)
    return {
      consume: delivery.consume,
      temporality: config.temporality,
      async start() {
        await client.start()
        await delivery.start?.()
      },
      async stop(deadline) {
        await delivery.stop?.(deadline)
        client.stop()
      },
    }
  },
})
