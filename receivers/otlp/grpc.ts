/** OTLP/gRPC: three unary methods whose messages stay bytes. */

import { encodeResponse, GRPC_SERVICES, OTLP_SIGNALS, type OtlpSignal } from '../../proto/services.js'
import type { Admission } from '../../runtime/admission.js'
import type { Context, Lifecycle } from '../../runtime/component.js'
import { GrpcServer, type UnaryMethod } from '../../runtime/net/grpc-server.js'
import { TlsFiles } from '../../runtime/net/tls.js'
import type { Door } from './door.js'
import type { GrpcOptions } from './options.js'

export class OtlpGrpc implements Lifecycle {
  private server: GrpcServer | undefined
  private tls: TlsFiles | undefined
  private port = 0

  constructor(
    private readonly options: GrpcOptions,
    private readonly door: Door,
    private readonly admission: Admission,
    private readonly context: Pick<Context, 'id' | 'clock' | 'log' | 'meter'>,
  ) {}

  async start(): Promise<void> {
    const { options, context } = this
    this.tls = options.tls && (await TlsFiles.ofServer(options.tls, context))
    const { server_parameters: connection, enforcement_policy: enforcement } = options.keepalive
    const signals = new Map<string, OtlpSignal>()
    const methods = new Map<string, UnaryMethod>()
    for (const signal of OTLP_SIGNALS) {
      signals.set(GRPC_SERVICES[signal].export.path, signal)
      methods.set(GRPC_SERVICES[signal].export.path, async message => {
        return encodeResponse(await this.door.enter(signal, message))
      })
    }
    this.server = new GrpcServer(
      {
        endpoint: options.endpoint,
        maxMessage: options.max_recv_msg_size_mib * 2 ** 20,
        maxStreams: options.max_concurrent_streams,
        maxConnections: options.max_connections,
        readTimeout: options.read_timeout,
        keepalive: {
          time: connection.time || Number.POSITIVE_INFINITY,
          timeout: connection.timeout,
          maxIdle: connection.max_connection_idle || Number.POSITIVE_INFINITY,
          maxAge: connection.max_connection_age || Number.POSITIVE_INFINITY,
          maxAgeGrace: connection.max_connection_age_grace,
          minPingInterval: enforcement.min_time,
        },
        tls: this.tls,
      },
      methods,
      {
        admission: this.admission,
        clock: context.clock,
        log: context.log,
        refused: (refusal, method) => this.door.refused(refusal, signals.get(method ?? '') ?? 'unknown'),
      },
    )
    try {
      this.port = await this.server.start()
    } catch (error) {
      this.tls?.close()
      throw error
    }
    context.log.info('listening', { protocol: 'grpc', endpoint: options.endpoint, port: this.port, tls: this.tls !== undefined })
  }

  async stop(deadline: AbortSignal): Promise<void> {
    await this.server?.stop(deadline)
    this.tls?.close()
    this.server = undefined
  }
}
