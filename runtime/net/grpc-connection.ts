/** One HTTP/2 connection to a gRPC server, watched while calls use it. */
import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2'
import type { Socket } from 'node:net'
import type { Buffers } from '../buffers.js'
import type { Clock } from '../component.js'
import { call, type GrpcAnswer, type GrpcRequest } from './grpc-call.js'
import type { GrpcTarget } from './grpc-target.js'

export interface KeepaliveOptions {
  /** Silence after which the server is asked for a sign of life, milliseconds; 0 = never. */
  readonly time: number
  /** Longest wait for that sign, milliseconds. */
  readonly timeout: number
  /** Whether it is asked also while no call is made. */
  readonly permit_without_stream: boolean
}

interface Events {
  /** The server takes no new calls here; those under way go on. */
  onGoodbye(connection: GrpcConnection): void
  /** `alive`: the server had spoken HTTP/2 before. */
  onClose(connection: GrpcConnection, alive: boolean, fault: string): void
}

/** A connection that is not there by then is given up, milliseconds. */
const CONNECT_TIMEOUT = 20_000
/** Requests of megabytes lie in the session's memory until they are written; the delivery's own bounds limit them. */
const MOST_SESSION_MEGABYTES = 4_096
/** Looks at the silence, in one `time`. */
const LOOKS = 4

export class GrpcConnection {
  private readonly session: ClientHttp2Session
  private alive = false
  private waiting = 0
  private calledSinceHeard = false
  private bytesHeard = 0
  private heardAt: number
  private cancelTimer = (): void => {}
  private fault = 'the connection was closed'

  constructor(
    target: GrpcTarget,
    open: () => Socket,
    private readonly keepalive: KeepaliveOptions,
    private readonly clock: Clock,
    private readonly buffers: Buffers,
    events: Events,
  ) {
    const session = http2.connect(`${target.secure ? 'https' : 'http'}://${target.authority}`, {
      createConnection: open,
      maxSessionMemory: MOST_SESSION_MEGABYTES,
    })
    this.session = session
    this.heardAt = clock.monotonic()
    this.cancelTimer = clock.after(CONNECT_TIMEOUT, () => session.destroy(new Error(`no connection within ${CONNECT_TIMEOUT} ms`)))
    // Only the server's own settings prove that it speaks HTTP/2: a port that merely accepts must not be asked again without end.
    session.once('remoteSettings', () => {
      this.alive = true
      this.cancelTimer()
      this.lookLater()
    })
    session.on('goaway', () => events.onGoodbye(this))
    session.on('error', error => {
      this.fault = error.message
    })
    session.on('close', () => {
      this.cancelTimer()
      events.onClose(this, this.alive, this.fault)
    })
    session.unref()
  }

  get usable(): boolean {
    return !this.session.closed && !this.session.destroyed
  }

  /** As `call` of grpc-call.ts. */
  async call(headers: OutgoingHttpHeaders, request: GrpcRequest, signal: AbortSignal): Promise<GrpcAnswer> {
    this.waiting++
    this.calledSinceHeard = true
    try {
      return await call(this.session, headers, request, signal, this.buffers)
    } finally {
      this.waiting--
    }
  }

  destroy(): void {
    this.session.destroy()
  }

  private lookLater(): void {
    if (this.keepalive.time > 0) this.cancelTimer = this.clock.after(this.keepalive.time / LOOKS, () => this.look())
  }

  /** Ends a connection whose server has fallen silent and does not even answer a ping. */
  private look(): void {
    if (!this.usable && this.waiting === 0) return
    const { time, timeout, permit_without_stream: always } = this.keepalive
    const expecting = always || this.waiting > 0 || this.calledSinceHeard
    if (this.hears() || !expecting || this.clock.monotonic() - this.heardAt < time) {
      this.lookLater()
      return
    }
    // Its answer shows in the bytes read; an error means that the session is ending by itself.
    this.session.ping(() => {})
    this.cancelTimer = this.clock.after(timeout, () => {
      if (this.hears()) this.lookLater()
      else this.session.destroy(new Error(`no sign of life from the server within ${time + timeout} ms`))
    })
  }

  /** Whether anything arrived since the last time this was asked. */
  private hears(): boolean {
    const bytes = this.session.socket?.bytesRead ?? 0
    if (bytes === this.bytesHeard) return false
    this.bytesHeard = bytes
    this.heardAt = this.clock.monotonic()
    this.calledSinceHeard = false
    return true
  }
}
