/** A gRPC channel: a connection that is opened when needed and replaced when the server says goodbye, breaks or vanishes. */
import net from 'node:net'
import tls from 'node:tls'
import { Buffers } from '../buffers.js'
import type { Context } from '../component.js'
import { RetryableError } from '../errors.js'
import { type GrpcAnswer, type GrpcRequest, RefusedStream } from './grpc-call.js'
import { GrpcConnection, type KeepaliveOptions } from './grpc-connection.js'
import type { GrpcTarget } from './grpc-target.js'
import { type ClientTlsOptions, clientConnection, TlsFiles } from './tls.js'

export interface ChannelOptions {
  readonly target: GrpcTarget
  readonly tls: ClientTlsOptions
  readonly keepalive: KeepaliveOptions
}

/** Between failed connections, milliseconds; as in grpc/doc/connection-backoff.md but with a shorter longest wait. */
const BACKOFF = { first: 1_000, multiplier: 1.6, longest: 20_000, jitter: 0.2 }

export class GrpcChannel {
  private current: GrpcConnection | undefined
  private readonly connections = new Set<GrpcConnection>()
  private readonly buffers = new Buffers()
  private files: TlsFiles | undefined
  private failures = 0
  private notBefore = Number.NEGATIVE_INFINITY
  private lastFault = ''

  constructor(
    private readonly options: ChannelOptions,
    private readonly context: Context,
    private readonly random: () => number = Math.random,
  ) {}

  /** Reads the TLS files; rejects when they cannot be used. Connects with the first call. */
  async start(): Promise<void> {
    this.files = await TlsFiles.ofClient(this.options.tls, this.context)
    this.failures = 0
    this.notBefore = Number.NEGATIVE_INFINITY
  }

  /** Closes every connection; calls under way are rejected. */
  stop(): void {
    const open = [...this.connections]
    this.connections.clear()
    this.current = undefined
    for (const connection of open) connection.destroy()
    this.files?.close()
    this.files = undefined
  }

  /**
   * Resolves with the server's verdict, whatever it is. Rejects with RetryableError when there is none, or with the signal's reason.
   * Fails at once while the server is being left alone after a failed connection.
   */
  async unary(request: GrpcRequest, signal: AbortSignal): Promise<GrpcAnswer> {
    const { target } = this.options
    if (signal.aborted) throw signal.reason
    const headers = {
      ':method': 'POST',
      ':scheme': target.secure ? 'https' : 'http',
      ':authority': target.authority,
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-accept-encoding': 'identity,gzip',
      ...(request.compressed && { 'grpc-encoding': 'gzip' }),
    }
    try {
      return await this.connected().call(headers, request, signal)
    } catch (error) {
      if (!(error instanceof RefusedStream)) throw error
      // The server was about to close this connection and never looked at the call.
      this.current = undefined
    }
    if (signal.aborted) throw signal.reason
    try {
      return await this.connected().call(headers, request, signal)
    } catch (error) {
      if (!(error instanceof RefusedStream)) throw error
      throw new RetryableError(`${target.authority} refuses calls`, 'unavailable', undefined, { cause: error })
    }
  }

  private connected(): GrpcConnection {
    if (this.current?.usable) return this.current
    const { target, keepalive } = this.options
    const { clock } = this.context
    const wait = this.notBefore - clock.monotonic()
    if (wait > 0) throw new RetryableError(`${target.authority} cannot be reached: ${this.lastFault}`, 'connection')
    const connection = new GrpcConnection(target, () => this.socket(), keepalive, clock, this.buffers, {
      onGoodbye: leaving => this.forget(leaving),
      onClose: (closed, alive, fault) => {
        this.forget(closed)
        if (!this.connections.delete(closed)) return
        if (alive) this.failures = 0
        else this.backOff(fault)
      },
    })
    this.connections.add(connection)
    this.current = connection
    return connection
  }

  private socket(): net.Socket {
    const { target, tls: options } = this.options
    const { host, port } = target
    const { files } = this
    if (!files) throw new RetryableError('not started', 'shutdown')
    if (!target.secure) return net.connect({ host, port, noDelay: true })
    const name = net.isIP(host) === 0 ? { servername: host } : {}
    return tls.connect({ host, port, ALPNProtocols: ['h2'], ...name, ...clientConnection(options, files) }).setNoDelay(true)
  }

  private forget(connection: GrpcConnection): void {
    if (this.current === connection) this.current = undefined
  }

  private backOff(fault: string): void {
    const { first, multiplier, longest, jitter } = BACKOFF
    const wait = Math.min(first * multiplier ** this.failures, longest)
    this.failures++
    this.lastFault = fault
    this.notBefore = this.context.clock.monotonic() + wait * (1 - jitter + 2 * jitter * this.random())
  }
}
