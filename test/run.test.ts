/** The built program as users run it: ready line, signals, exit codes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Writer } from '../proto/wire.js'

const program = resolve(__dirname, '../dist/main.js')
let folder: string
beforeAll(() => {
  if (!existsSync(program)) throw new Error('run `npm run build` first: this test runs dist/main.js')
  folder = mkdtempSync(join(tmpdir(), 'run-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const closings: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close()
})

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A backend that answers when the test says so. */
class Backend {
  private readonly requests: ServerResponse[] = []
  private heard: () => void = () => {}
  /** Resolves at the first request. */
  readonly asked = new Promise<void>(resolve => {
    this.heard = resolve
  })
  private readonly server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      this.requests.push(response)
      this.heard()
      this.answer()
    })
  })
  answering = true

  async open(): Promise<string> {
    const port = await listening(this.server)
    closings.push(async () => {
      this.server.closeAllConnections()
      await new Promise(done => this.server.close(done))
    })
    return `http://127.0.0.1:${port}`
  }

  answer(): void {
    if (this.answering)
      for (const response of this.requests)
        if (!response.writableEnded) response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }
}

interface Running {
  readonly child: ChildProcess
  /** Resolves with the log so far as soon as it holds `text`. */
  said(text: string): Promise<string>
  readonly exit: Promise<{ code: number | null; log: string }>
}

const start = (args: string[]): Running => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  const waiting = new Set<() => void>()
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
    for (const look of waiting) look()
  })
  const exit = once(child, 'close').then(([code]) => ({ code: code as number | null, log: log.replaceAll(`${folder}/`, '') }))
  closings.push(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const said = (text: string): Promise<string> =>
    new Promise((found, missing) => {
      const look = (): void => {
        if (!log.includes(text)) return
        waiting.delete(look)
        found(log)
      }
      waiting.add(look)
      look()
      void exit.then(() => missing(new Error(`ended without saying "${text}":\n${log}`)))
    })
  return { child, said, exit }
}

/** A gateway that takes OTLP/HTTP and sends it on to `backend`. Resolves when it is ready. */
const gateway = async (backend: string, ...more: string[]): Promise<Running & { url: string }> => {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(file, configuration('localhost:0', backend))
  const running = start(['run', '--config', file, ...more])
  const log = await running.said('\tready\t')
  const port = /"port":(\d+)/.exec(log.split('\n').find(line => line.includes('listening')) ?? '')?.[1]
  return { ...running, url: `http://127.0.0.1:${port}/v1/traces` }
}

const configuration = (endpoint: string, backend: string): string => `receivers:
  otlp:
    protocols:
      http:
        endpoint: ${endpoint}
exporters:
  otlp_http:
    endpoint: ${backend}
    compression: none
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_http]}
`

/** One span as an ExportTraceServiceRequest. */
const request = new Writer()
  .message(1, group =>
    group.message(2, scope =>
      scope.message(2, span => span.bytes(1, new Uint8Array(16).fill(1)).bytes(2, new Uint8Array(8).fill(2)).string(5, 'x')),
    ),
  )
  .finish()

/** Resolves with the answer's status; 0 when the connection breaks. */
const send = (url: string): Promise<number> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/x-protobuf' }, body: Buffer.from(request) }).then(
    response => response.status,
    () => 0,
  )

test.each(['SIGTERM', 'SIGINT'] as const)('a ready gateway says where it listens and sends, and %s ends it with 0', async signal => {
  const backend = await new Backend().open()
  const { child, said, exit } = await gateway(backend)
  expect(await said('ready')).toContain(`"listens":["otlp (localhost:0)"],"sends":["otlp_http (${backend})"]`)
  child.kill(signal)
  const { code, log } = await exit
  expect(log).toMatch(new RegExp(`stopping\\t\\{"signal":"${signal}"\\}\\n.*stopped\\n$`))
  expect(code).toBe(0)
})

test('what is in flight when the signal comes is delivered and acknowledged before the exit', async () => {
  const backend = new Backend()
  backend.answering = false
  const { child, said, exit, url } = await gateway(await backend.open())
  const status = send(url)
  await backend.asked
  child.kill('SIGTERM')
  await said('stopping')
  backend.answering = true
  backend.answer()
  expect(await status).toBe(200)
  expect(await exit).toMatchObject({ code: 0 })
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second signal (%s) ends at once with %d, whatever is in flight', async (signal, code) => {
  const backend = new Backend()
  backend.answering = false
  const { child, said, exit, url } = await gateway(await backend.open())
  void send(url)
  await backend.asked
  child.kill('SIGTERM')
  await said('stopping')
  child.kill(signal)
  expect(await exit).toMatchObject({ code, log: expect.stringContaining('second signal: exits at once') })
})

test('what cannot be delivered within service.shutdown_timeout is told, with exit code 1', async () => {
  const backend = new Backend()
  backend.answering = false
  const { child, exit, url } = await gateway(await backend.open(), '--set', 'service.shutdown_timeout=200ms')
  void send(url)
  await backend.asked
  child.kill('SIGTERM')
  expect(await exit).toMatchObject({
    code: 1,
    log: expect.stringContaining('stopped at service.shutdown_timeout before everything was delivered'),
  })
})

test('a taken port is one message at the place of its endpoint, with exit code 1', async () => {
  const other = createServer()
  const port = await listening(other)
  closings.push(() => new Promise(done => other.close(() => done())))
  const file = join(folder, 'taken.yaml')
  writeFileSync(file, configuration(`localhost:${port}`, 'http://localhost:1'))
  const { code, log } = await start(['run', '--config', file]).exit
  expect(log.split('\t').slice(1).join('\t')).toBe(
    `error\ttaken.yaml:5:19: receivers.otlp.protocols.http.endpoint: cannot listen on localhost:${port}: the port is in use; stop what uses it or set another endpoint\n`,
  )
  expect(code).toBe(1)
})

test('a wrong configuration ends with 2 before anything is opened', async () => {
  const file = join(folder, 'wrong.yaml')
  writeFileSync(file, `${configuration('localhost:0', 'http://localhost:1')}  telemtry: {}\n`)
  const { code, log } = await start(['run', '--config', file]).exit
  expect(log).toBe('wrong.yaml:14:3: service.telemtry: unknown option; known are extensions, shutdown_timeout\n')
  expect(code).toBe(2)
})
