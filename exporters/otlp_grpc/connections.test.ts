import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { closeAll, ok, onClose, rawServer, server, spans, started, wait } from './testing/server.js'

afterEach(closeAll)

const listening = async (peer: net.Server): Promise<string> => {
  await new Promise<void>(resolve => peer.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(peer.address() as AddressInfo).port}`
}

/** A wire to `endpoint` that swallows everything, both ways, from `ms` after its first connection on. */
const vanishing = (endpoint: string, ms: number): Promise<string> => {
  const [host, port] = endpoint.split(':')
  const peer = net.createServer(near => {
    const far = net.connect(Number(port), host)
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) socket.on('error', () => {})
    onClose(() => [near, far].map(socket => socket.destroy()))
    setTimeout(() => {
      near.unpipe(far)
      far.unpipe(near)
    }, ms)
  })
  onClose(() => peer.close())
  return listening(peer)
}

describe('connections that end', () => {
  test('a server that says goodbye (GOAWAY) finishes its calls; new ones go to a new connection', async () => {
    const seen: http2.ServerHttp2Session[] = []
    let read = (): void => {}
    const goodbyeRead = new Promise<void>(resolve => {
      read = resolve
    })
    const { endpoint } = await rawServer((stream, session) => {
      seen.push(session)
      if (seen.length > 1) return ok(stream)
      session.goaway(http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1)
      // The answer to a ping behind it says that the client has read the goodbye.
      session.ping(() => read())
      void goodbyeRead.then(() => setTimeout(() => ok(stream), 20))
    })
    const { consume } = await started({ endpoint })
    const first = consume(spans('a'))
    await goodbyeRead
    await consume(spans('b'))
    await first
    expect(seen).toHaveLength(2)
    expect(seen[0]).not.toBe(seen[1])
  })

  test('a call refused before it was looked at is made again at once', async () => {
    let calls = 0
    const { endpoint } = await rawServer(stream => {
      if (++calls === 1) stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
      else ok(stream)
    })
    const { consume } = await started({ endpoint })
    await consume(spans('a'))
    expect(calls).toBe(2)
  })

  test('a server that dies under a call costs a retry, and the same exporter reaches its successor', async () => {
    const first = await server(() => {})
    const { consume } = await started({ endpoint: first.endpoint })
    const lost = consume(spans('a')).catch((error: unknown) => error)
    await wait(100)
    first.instance.forceShutdown()
    expect(await lost).toMatchObject({ name: 'RetryableError' })
    const second = await server(undefined, first.endpoint)
    await consume(spans('b'))
    expect(second.received).toHaveLength(1)
  })

  test('a server that cannot be reached is left alone between attempts, and the refusal says why', async () => {
    let connections = 0
    const peer = net.createServer(socket => {
      connections++
      socket.on('error', () => {})
      socket.destroy()
    })
    onClose(() => peer.close())
    const { consume } = await started({ endpoint: await listening(peer) })
    for (let i = 0; i < 5; i++) await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError' })
    expect(connections).toBe(1)
    await expect(consume(spans('a'))).rejects.toThrow(/cannot be reached/)
  })

  test('a peer that vanishes without a word is noticed by keepalive, and its calls are given back', async () => {
    const { endpoint } = await rawServer(() => {})
    const middle = await vanishing(endpoint, 100)
    const { consume } = await started({ endpoint: middle, timeout: 0, keepalive: { time: '80ms', timeout: '50ms' } })
    const begun = Date.now()
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError', message: expect.stringContaining('no sign of life') })
    expect(Date.now() - begun).toBeLessThan(2_000)
  })

  test('a server that is merely slow answers the ping and keeps its connection', async () => {
    const { sessions, endpoint } = await rawServer(stream => setTimeout(() => ok(stream), 400))
    const { consume } = await started({ endpoint, keepalive: { time: '60ms', timeout: '60ms' } })
    await consume(spans('a'))
    expect(sessions.size).toBe(1)
  })

  test.each([
    ['accepts and says nothing', () => {}],
    ['speaks HTTP/1.1', (socket: net.Socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['sends garbage', (socket: net.Socket) => socket.write(Buffer.alloc(100, 0xff))],
  ])('a peer that %s: given up after the timeout at the latest', async (_what, onConnection: (socket: net.Socket) => void) => {
    const sockets: net.Socket[] = []
    const peer = net.createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.resume()
      onConnection(socket)
    })
    onClose(() => {
      for (const socket of sockets) socket.destroy()
      peer.close()
    })
    const { consume } = await started({ endpoint: await listening(peer), timeout: '150ms' })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError' })
  })

  test('a call that times out is cancelled at the server', async () => {
    let cancelled = 0
    const { endpoint } = await rawServer(stream => stream.on('aborted', () => cancelled++).resume())
    const { consume } = await started({ endpoint, timeout: '50ms' })
    await expect(consume(spans('a'))).rejects.toMatchObject({ reason: 'timeout' })
    await wait(30)
    expect(cancelled).toBe(1)
  })

  test('stopped, it settles its calls at the deadline and closes its connection; started again, it sends', async () => {
    let answers = false
    const { sessions, endpoint } = await rawServer(stream => {
      if (answers) ok(stream)
    })
    const { consume, instance } = await started({ endpoint })
    const caller = consume(spans('a')).catch((error: unknown) => error)
    await wait(50)
    await instance.stop?.(AbortSignal.timeout(20))
    expect(await caller).toMatchObject({ name: 'RetryableError', reason: 'shutdown' })
    await wait(30)
    expect(sessions.size).toBe(0)
    answers = true
    await instance.start?.()
    await consume(spans('b'))
  })
})
