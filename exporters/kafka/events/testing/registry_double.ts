import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The registry's API over real sockets: subjects and their schemas, compatibility as told. */
export class RegistryDouble {
  readonly subjects = new Map<string, { id: number; schema: string; type: string }[]>()
  readonly asked: string[] = []
  compatible: { is_compatible: boolean; messages?: string[] } = { is_compatible: true }
  user: string | undefined
  failing = 0
  /** Milliseconds before an answer. */
  delay = 0
  private server!: Server
  private ids = 40

  async open(): Promise<string> {
    this.server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', part => parts.push(part))
      request.on('end', () => {
        const { schema, schemaType } = JSON.parse(Buffer.concat(parts).toString()) as { schema: string; schemaType: string }
        this.asked.push(`${request.method} ${request.url}`)
        const [status, body] = this.answer(request.url!, request.headers.authorization, schema, schemaType)
        const answer = () =>
          response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' }).end(JSON.stringify(body))
        setTimeout(answer, this.delay)
      })
    }).listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }

  private answer(url: string, authorization: string | undefined, schema: string, type: string): [number, object] {
    if (this.failing > 0 && this.failing--) return [503, { message: 'not now' }]
    if (this.user !== undefined && authorization !== `Basic ${Buffer.from(this.user).toString('base64')}`)
      return [401, { error_code: 401, message: 'Unauthorized' }]
    const [, subject = '', what] = /^(?:\/compatibility)?\/subjects\/([^/]+)(\/versions.*)?$/.exec(url) ?? []
    const versions = this.subjects.get(decodeURIComponent(subject)) ?? []
    if (url.startsWith('/compatibility'))
      return versions.length > 0 ? [200, this.compatible] : [404, { error_code: 40401, message: 'Subject not found.' }]
    if (what === '/versions') {
      const id = ++this.ids
      this.subjects.set(decodeURIComponent(subject), [...versions, { id, schema, type }])
      return [200, { id }]
    }
    const found = versions.find(each => each.schema === schema && each.type === type)
    return found ? [200, { id: found.id, version: 1 }] : [404, { error_code: 40403, message: 'Schema not found' }]
  }
}
