/** A DNS server on a free port of this machine that knows what a test tells it. Source of the wire format: RFC 1035, RFC 2782. */
import { createSocket, type Socket } from 'node:dgram'
import type { AddressInfo } from 'node:net'

export type Answers = Record<string, { a?: string[]; srv?: { name: string; port: number }[] } | 'fault'>

const TYPES = { a: 1, srv: 33 } as const
const NAME_ERROR = 3
const SERVER_FAULT = 2

export class DnsServer {
  answers: Answers = {}
  private readonly socket: Socket = createSocket('udp4')

  async listen(): Promise<string> {
    this.socket.on('message', (query, peer) => this.socket.send(this.answer(query), peer.port, peer.address))
    await new Promise<void>(resolve => this.socket.bind(0, '127.0.0.1', resolve))
    return `127.0.0.1:${(this.socket.address() as AddressInfo).port}`
  }

  close(): Promise<void> {
    return new Promise(resolve => this.socket.close(resolve))
  }

  private answer(query: Buffer): Buffer {
    let end = 12
    const labels: string[] = []
    while (query[end]! > 0) {
      labels.push(query.toString('latin1', end + 1, end + 1 + query[end]!))
      end += query[end]! + 1
    }
    const question = query.subarray(12, end + 5)
    const type = query.readUInt16BE(end + 1)
    const known = this.answers[labels.join('.')]
    const records: Buffer[] = []
    if (known && known !== 'fault') {
      if (type === TYPES.a) for (const address of known.a ?? []) records.push(record(type, Buffer.from(address.split('.').map(Number))))
      if (type === TYPES.srv)
        for (const { name, port } of known.srv ?? []) {
          const data = Buffer.alloc(6)
          data.writeUInt16BE(port, 4)
          records.push(record(type, Buffer.concat([data, encodeName(name)])))
        }
    }
    const header = Buffer.alloc(12)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8180 | (known === 'fault' ? SERVER_FAULT : known ? 0 : NAME_ERROR), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(records.length, 6)
    return Buffer.concat([header, question, ...records])
  }
}

const encodeName = (name: string): Buffer =>
  Buffer.concat([...name.split('.').map(label => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])), Buffer.of(0)])

/** Name (a pointer to the question), type, class IN, ten seconds, data. */
const record = (type: number, data: Buffer): Buffer => {
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 10, 0, data.length])
  return Buffer.concat([head, data])
}
