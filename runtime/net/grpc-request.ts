/** The request half of one unary call: five bytes of frame header, then the message (grpc/grpc doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message). */
import type { ServerHttp2Stream } from 'node:http2'
import type { Admission } from '../admission.js'
import type { Buffers } from '../buffers.js'
import { PermanentError, RetryableError } from '../errors.js'
import { Body } from './body.js'
import { decompress, type Encoding, encodingOf } from './decompress.js'

const FRAME_HEADER = 5

export class GrpcRequest {
  private readonly header = new Uint8Array(FRAME_HEADER)
  private headerLength = 0
  private messageLength = 0
  private body: Body
  private settle: ((error?: unknown) => void) | undefined

  /** Throws RetryableError `memory_pressure` when not even an empty request fits. */
  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly encodingHeader: string | undefined,
    private readonly limit: number,
    private readonly admission: Pick<Admission, 'reserve'>,
    private readonly buffers: Buffers,
  ) {
    this.body = new Body(admission, limit, buffers)
  }

  /** The one message, decompressed; good until `release`. Rejects when it is damaged, too large, refused, abandoned, or the sender goes away. */
  async message(): Promise<Uint8Array> {
    await new Promise<void>((resolve, reject) => {
      this.settle = error => {
        this.settle = undefined
        if (error === undefined) resolve()
        else reject(error)
      }
      this.stream.on('data', (chunk: Uint8Array) => {
        if (!this.settle) return
        try {
          this.take(chunk)
        } catch (error) {
          this.settle(error)
        }
      })
      this.stream.on('end', () => this.settle?.(this.faultAtEnd()))
      this.stream.on('close', () => this.settle?.(wentAway()))
    })
    const encoding = this.compression()
    if (encoding === undefined) return this.body.take()
    const compressed = this.body
    try {
      this.body = await decompress(compressed.take(), encoding, this.admission, this.limit, this.buffers)
    } finally {
      compressed.release()
    }
    return this.body.take()
  }

  /** Ends the wait for the rest of the message, if it is still on its way. */
  abandonReading(error: Error): void {
    this.settle?.(error)
  }

  /** Cuts the stream. */
  drop(): void {
    this.stream.destroy()
  }

  /** Gives back what was reserved for it. */
  release(): void {
    this.body.release()
  }

  private take(chunk: Uint8Array): void {
    let rest = chunk
    if (this.headerLength < FRAME_HEADER) {
      const part = rest.subarray(0, FRAME_HEADER - this.headerLength)
      this.header.set(part, this.headerLength)
      this.headerLength += part.length
      if (this.headerLength < FRAME_HEADER) return
      rest = rest.subarray(part.length)
      const [flag, a, b, c, d] = this.header as unknown as [number, number, number, number, number]
      if (flag > 1) throw new PermanentError(`a gRPC frame with compression flag ${flag}`, 'malformed')
      this.messageLength = a * 0x1000000 + ((b << 16) | (c << 8) | d)
      this.body.expect(this.messageLength)
    }
    if (rest.length === 0) return
    if (this.body.size + rest.length > this.messageLength) throw new PermanentError('more than one message in a unary request', 'malformed')
    this.body.append(rest)
  }

  private faultAtEnd(): Error | undefined {
    if (this.stream.aborted || this.stream.destroyed) return wentAway()
    if (this.headerLength < FRAME_HEADER || this.body.size < this.messageLength)
      return new PermanentError('the request ends inside its gRPC frame', 'malformed')
    return undefined
  }

  private compression(): Encoding | undefined {
    if (this.header[0] === 0) return undefined
    const encoding = encodingOf(this.encodingHeader)
    if (encoding === undefined) throw new PermanentError('the message is marked as compressed but names no grpc-encoding', 'malformed')
    return encoding
  }
}

const wentAway = (): RetryableError => new RetryableError('the sender went away', 'cancelled')
