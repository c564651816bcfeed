import { OTLP_SIGNALS } from '../../proto/services.js'
import { Admission } from '../../runtime/admission.js'
import { component, type Lifecycle } from '../../runtime/component.js'
import { Door } from './door.js'
import { OtlpGrpc } from './grpc.js'
import { OtlpHttp } from './http.js'
import { grpcOptions, httpOptions, options } from './options.js'

export default component({
  kind: 'receiver',
  type: 'otlp',
  summary: 'Takes traces, metrics and logs by OTLP, over gRPC and over HTTP.',
  stability: 'beta',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'Both transports with their defaults': 'protocols:\n  grpc:\n  http:\n',
    'Open to the network, with TLS on gRPC':
      'protocols:\n  grpc:\n    endpoint: 0.0.0.0:4317\n    tls:\n      cert_file: /etc/gateway/tls.crt\n      key_file: /etc/gateway/tls.key\n  http:\n    endpoint: 0.0.0.0:4318\n    max_request_body_size: 16MiB\n',
  },
  create({ protocols: { grpc, http } }, context) {
    const admission = context.host.get(Admission)
    const servers: Lifecycle[] = []
    if (grpc !== undefined) servers.push(new OtlpGrpc(grpc ?? grpcOptions.parse({}), new Door(context, 'grpc'), admission, context))
    if (http !== undefined) servers.push(new OtlpHttp(http ?? httpOptions.parse({}), new Door(context, 'http'), admission, context))
    const stop = async (deadline: AbortSignal): Promise<void> => {
      await Promise.all(servers.map(server => server.stop?.(deadline)))
    }
    return {
      async start() {
        try {
          for (const server of servers) await server.start?.()
        } catch (error) {
          await stop(AbortSignal.abort())
          throw error
        }
      },
      stop,
    }
  },
})
