/** The open connections of a gRPC server: asked for signs of life, retired when old or idle, closed when they flood. */
import { constants, type ServerHttp2Session } from 'node:http2'
import type { Clock } from '../component.js'

/** gRPC's server keepalive and its enforcement, in milliseconds; Infinity = never. */
export interface KeepaliveOptions {
  /** Silence after which the peer is pinged. */
  readonly time: number
  /** How long it has for the answer. */
  readonly timeout: number
  readonly maxIdle: number
  readonly maxAge: number
  /** How long calls may go on after a connection was retired. */
  readonly maxAgeGrace: number
  /** Pings of the peer that come faster than this are strikes; three close the connection. */
  readonly minPingInterval: number
}

const STRIKES = 2
const LAST_STREAM = 2 ** 31 - 1
const LONGEST_SCAN = 1_000
/** Connections that were opened and say nothing. */
const PREFACE_TIMEOUT = 10_000
/** After the last answer, a peer has this long to take it before its connection is cut. */
const FAREWELL = 1_000

interface Connection {
  readonly session: ServerHttp2Session
  readonly openedAt: number
  /** When it retires by age: spread by ±10 %, so that connections opened together do not return together. */
  readonly retireAt: number
  streams: number
  greeted: boolean
  lastHeard: number
  idleSince: number
  pingedAt: number | undefined
  retiredAt: number | undefined
  lastPing: number
  strikes: number
}

export class GrpcConnections {
  private readonly connections = new Set<Connection>()
  private cancelScan: (() => void) | undefined
  private closing = false
  private whenEmpty: (() => void) | undefined

  constructor(
    private readonly options: KeepaliveOptions,
    private readonly clock: Clock,
  ) {}

  add(session: ServerHttp2Session): void {
    const now = this.clock.monotonic()
    const connection: Connection = {
      session,
      openedAt: now,
      retireAt: now + this.options.maxAge * (0.9 + Math.random() * 0.2),
      streams: 0,
      greeted: false,
      lastHeard: now,
      idleSince: now,
      pingedAt: undefined,
      retiredAt: undefined,
      lastPing: Number.NEGATIVE_INFINITY,
      strikes: 0,
    }
    this.connections.add(connection)
    session.on('error', () => session.destroy())
    session.on('remoteSettings', () => {
      connection.greeted = true
    })
    session.on('stream', stream => {
      connection.streams++
      connection.strikes = 0
      connection.lastHeard = this.clock.monotonic()
      stream.on('close', () => {
        connection.streams--
        connection.idleSince = connection.lastHeard = this.clock.monotonic()
      })
    })
    session.on('ping', () => this.pinged(connection))
    session.on('close', () => {
      this.connections.delete(connection)
      if (this.connections.size > 0) return
      this.whenEmpty?.()
      this.cancelScan?.()
      this.cancelScan = undefined
    })
    if (this.closing) this.retire(connection, now)
    this.cancelScan ??= this.scheduleScan()
  }

  /** Tells every peer to open no more calls here. */
  announceEnd(): void {
    this.closing = true
    const now = this.clock.monotonic()
    for (const connection of this.connections) this.retire(connection, now)
  }

  /** Resolves when every connection is closed; those that linger are cut after a second, or at `deadline`. */
  async close(deadline: AbortSignal): Promise<void> {
    for (const { session } of this.connections) if (!session.destroyed) session.close()
    if (this.connections.size > 0 && !deadline.aborted) {
      let cancelFarewell = (): void => {}
      await new Promise<void>(resolve => {
        this.whenEmpty = resolve
        deadline.addEventListener('abort', () => resolve(), { once: true })
        cancelFarewell = this.clock.after(FAREWELL, resolve)
      })
      cancelFarewell()
    }
    for (const { session } of this.connections) session.destroy()
    this.cancelScan?.()
    this.cancelScan = undefined
  }

  private scheduleScan(): () => void {
    const { time, timeout, maxIdle, maxAge } = this.options
    const pause = Math.min(LONGEST_SCAN, Math.max(20, Math.min(time, timeout, maxIdle, maxAge) / 4))
    return this.clock.after(pause, () => {
      const now = this.clock.monotonic()
      for (const connection of this.connections) this.look(connection, now)
      this.cancelScan = this.connections.size > 0 ? this.scheduleScan() : undefined
    })
  }

  private look(connection: Connection, now: number): void {
    const { session } = connection
    const { maxIdle, maxAgeGrace, time, timeout } = this.options
    if (session.destroyed) return
    if (!connection.greeted && now - connection.openedAt > PREFACE_TIMEOUT) session.destroy()
    else if (connection.retiredAt !== undefined) {
      if (now - connection.retiredAt > maxAgeGrace) session.destroy()
      else if (connection.streams === 0) session.close()
    } else if (now >= connection.retireAt || (connection.streams === 0 && now - connection.idleSince >= maxIdle))
      this.retire(connection, now)
    else if (connection.pingedAt !== undefined) {
      if (now - connection.pingedAt > timeout) session.destroy()
    } else if (now - connection.lastHeard >= time) this.ping(connection, now)
  }

  private ping(connection: Connection, now: number): void {
    connection.pingedAt = now
    connection.session.ping(error => {
      connection.pingedAt = undefined
      if (!error) connection.lastHeard = this.clock.monotonic()
    })
  }

  private retire(connection: Connection, now: number): void {
    if (connection.retiredAt !== undefined || connection.session.destroyed) return
    connection.retiredAt = now
    connection.session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM)
  }

  private pinged(connection: Connection): void {
    const now = this.clock.monotonic()
    if (now - connection.lastPing < this.options.minPingInterval) connection.strikes++
    connection.lastPing = connection.lastHeard = now
    if (connection.strikes <= STRIKES || connection.session.destroyed) return
    connection.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, LAST_STREAM, Buffer.from('too_many_pings'))
    connection.session.destroy()
  }
}
