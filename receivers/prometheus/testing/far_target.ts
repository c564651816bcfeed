/** A target in a process of its own, so that answering costs the receiver's event loop nothing. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const SERVER = `
const { createServer } = require('node:http')
process.once('message', texts => {
  const bodies = texts.map(text => Buffer.from(text))
  let asked = 0
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4')
    response.end(bodies[Math.min(asked++, bodies.length - 1)])
  })
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
})
process.on('disconnect', () => process.exit())
`

export class FarTarget {
  private constructor(
    private readonly child: ChildProcess,
    readonly address: string,
  ) {}

  /** Answers with one body after the other, then with the last. */
  static async serve(bodies: readonly string[]): Promise<FarTarget> {
    const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.send([...bodies])
    const [port] = await once(child, 'message')
    return new FarTarget(child, `127.0.0.1:${port}`)
  }

  async close(): Promise<void> {
    this.child.kill()
    await once(this.child, 'exit')
  }
}
