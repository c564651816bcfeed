import http from 'node:http'
import type { AddressInfo } from 'node:net'
import net from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { z } from 'zod'
import { Batch } from '../../proto/batch.js'
import { fromJson } from '../../proto/json/index.js'
import { encodeStatus } from '../../proto/rpc-status.js'
import { encodeResponse } from '../../proto/services.js'
import { Writer } from '../../proto/wire.js'
import { SystemClock } from '../../runtime/clock.js'
import type { Consumer } from '../../runtime/component.js'
import { retryAfter } from '../../runtime/net/retry-after.js'
import { harness } from '../../runtime/testing/harness.js'
import exporter from './index.js'
import { options } from './options.js'

const spans = (...names: string[]): Batch =>
  Batch.of(
    'traces',
    [
      new Writer()
        .message(1, group =>
          group.message(2, scope => {
            for (const name of names) scope.message(2, it => it.string(5, name))
          }),
        )
        .finish(),
    ],
    names.length,
  )

interface Received {
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

const closers: (() => Promise<unknown> | undefined)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const listening = async (server: net.Server): Promise<number> => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

/** A backend that answers as told. */
const backend = async (answer: (response: http.ServerResponse, received: Received) => void = response => response.end()) => {
  const received: Received[] = []
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('error', () => {})
    request.on('end', () => {
      const one = { url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) }
      received.push(one)
      answer(response, one)
    })
  })
  const port = await listening(server)
  closers.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { received, server, endpoint: `http://127.0.0.1:${port}` }
}

/** A peer that speaks no HTTP of its own accord: a test writes what it says. */
const rawPeer = async (onConnection: (socket: net.Socket) => void) => {
  const sockets = new Set<net.Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  const port = await listening(server)
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { endpoint: `http://127.0.0.1:${port}`, sockets }
}

const started = async (written: z.input<typeof options>) => {
  const { context, meter, log } = harness('otlp_http')
  const instance: Consumer = exporter.create(options.parse({ retry_on_failure: { enabled: false }, ...written }), {
    ...context,
    clock: new SystemClock(),
  })
  await instance.start?.()
  closers.push(() => instance.stop?.(AbortSignal.abort()))
  return { consume: instance.consume, instance, meter, log }
}

describe('what is sent', () => {
  test('a request arrives byte for byte, gzipped by default, with the headers that were asked for', async () => {
    const { received, endpoint } = await backend()
    const { consume } = await started({ endpoint: `${endpoint}/tenant/`, headers: { 'X-Api-Key': 'k' } })
    const batch = spans('a', 'b')
    await consume(batch)
    expect(received[0]).toMatchObject({
      url: '/tenant/v1/traces',
      headers: {
        'content-type': 'application/x-protobuf',
        'content-encoding': 'gzip',
        'x-api-key': 'k',
        'user-agent': expect.stringMatching(/gateway/),
      },
    })
    expect(gunzipSync(received[0]!.body)).toEqual(Buffer.concat(batch.slices))
  })

  test.each([
    ['none', 3],
    ['none', 5_000],
    ['gzip', 5_000],
  ] as const)('compression %s: a request of %i slices arrives as one body of known length', async (compression, count) => {
    const { received, endpoint } = await backend()
    const { consume } = await started({ endpoint, compression })
    const slices = Array.from({ length: count }, (_, i) => spans(`span ${i}`).slices[0]!)
    await consume(Batch.of('traces', slices, count))
    const { headers, body } = received[0]!
    expect(Number(headers['content-length'])).toBe(body.length)
    expect((compression === 'gzip' ? gunzipSync(body) : body).equals(Buffer.concat(slices))).toBe(true)
  })

  test('a request too large to be compressed at once is compressed beside, and arrives whole', async () => {
    const { received, endpoint } = await backend()
    const { consume } = await started({ endpoint })
    const batch = spans('x'.repeat(3 * 2 ** 20))
    await consume(batch)
    expect(gunzipSync(received[0]!.body).equals(batch.slices[0]!)).toBe(true)
  })

  test('with encoding json the same content arrives as OTLP/JSON, and what cannot be written so is refused for good', async () => {
    const { received, endpoint } = await backend()
    const { consume } = await started({ endpoint, encoding: 'json' })
    const batch = spans('ä', 'b')
    await consume(batch)
    expect(received[0]?.headers['content-type']).toBe('application/json')
    expect(Buffer.from(fromJson('traces', gunzipSync(received[0]!.body)))).toEqual(Buffer.concat(batch.slices))
    const broken = Batch.of('traces', [Uint8Array.of(0x0a, 0x7f)], 1)
    await expect(consume(broken)).rejects.toMatchObject({ name: 'PermanentError', reason: 'bad_data' })
  })

  test('each signal goes to its path, or exactly where its own endpoint says', async () => {
    const { received, endpoint } = await backend()
    const { consume } = await started({ endpoint, logs_endpoint: `${endpoint}/loki/otlp` })
    for (const signal of ['traces', 'metrics', 'logs'] as const) await consume(Batch.of(signal, [], 0))
    expect(received.map(one => one.url)).toEqual(['/v1/traces', '/v1/metrics', '/loki/otlp'])
  })

  test('a signal without any endpoint is refused for good, by name', async () => {
    const { consume } = await started({ traces_endpoint: 'http://127.0.0.1:1/v1/traces' })
    await expect(consume(Batch.of('logs', [], 0))).rejects.toMatchObject({ name: 'PermanentError', message: 'no endpoint is set for logs' })
  })

  test('connections are kept, and no more are opened than allowed', async () => {
    const { server, endpoint } = await backend(response => setTimeout(() => response.end(), 20))
    let connections = 0
    server.on('connection', () => connections++)
    const { consume } = await started({ endpoint, max_conns_per_host: 2, sending_queue: { num_consumers: 8 } })
    await Promise.all(Array.from({ length: 8 }, () => consume(spans('a'))))
    expect(connections).toBe(2)
  })

  test('a header that cannot be sent is told at the start, without its value', () => {
    const create = () =>
      exporter.create(options.parse({ endpoint: 'http://x', headers: { key: 'secret\nline' } }), harness('otlp_http').context)
    expect(create).toThrow(/headers: "key" cannot be sent/)
    expect(create).not.toThrow(/secret/)
  })

  test('no endpoint at all is refused with the options that are missing', () => {
    expect(() => options.parse({})).toThrow(/set endpoint/)
  })
})

describe('what is answered', () => {
  test.each([429, 502, 503, 504])('%i may be sent again, after the time the backend asks for', async status => {
    const { endpoint } = await backend(response => response.writeHead(status, { 'retry-after': '7' }).end())
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError', after: 7_000 })
  })

  test.each([
    [400, 'bad_data'],
    [401, 'unauthenticated'],
    [404, 'unknown_path'],
    [408, 'refused'],
    [500, 'refused'],
    [501, 'refused'],
    [204, undefined],
    [302, 'refused'],
  ])('%i is final: %s', async (status, reason) => {
    const { received, endpoint } = await backend(response => response.writeHead(status, { location: 'http://elsewhere' }).end())
    const { consume } = await started({ endpoint, retry_on_failure: { enabled: true } })
    if (reason) await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'PermanentError', reason })
    else await consume(spans('a'))
    expect(received).toHaveLength(1)
  })

  test.each([
    [413, ''],
    [400, 'http: request body too large'],
  ])('%i %s cuts the request until it fits', async (status, words) => {
    const { received, endpoint } = await backend((response, { body }) => {
      const large = body.length > 40
      response.writeHead(large ? status : 200).end(large ? words : '')
    })
    const { consume } = await started({ endpoint, compression: 'none' })
    await consume(spans('first span', 'second span', 'third span', 'fourth span'))
    expect(received.filter(one => one.body.length <= 40).flatMap(one => one.body.toString('latin1').match(/(\w+) span/g))).toEqual([
      'first span',
      'second span',
      'third span',
      'fourth span',
    ])
  })

  test.each([
    ['protobuf', { 'content-type': 'application/x-protobuf' }, Buffer.from(encodeStatus({ code: 3, message: 'no such tenant' }))],
    ['JSON', { 'content-type': 'application/json; charset=utf-8' }, Buffer.from('{"code":3,"message":"no such tenant"}')],
    ['plain text', { 'content-type': 'text/plain' }, Buffer.from('no such\n tenant')],
  ])('the backend’s words in %s reach the refusal', async (_kind, headers, body) => {
    const { endpoint } = await backend(response => response.writeHead(400, headers).end(body))
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toThrow('the backend answered 400: no such tenant')
  })

  test.each([
    ['application/x-protobuf', Buffer.from(encodeResponse({ rejected: 2, message: 'too old' }))],
    ['application/json', Buffer.from('{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}')],
  ])('partial success in %s is counted and not sent again', async (type, body) => {
    const { received, endpoint } = await backend(response => response.writeHead(200, { 'content-type': type }).end(body))
    const { consume, meter } = await started({ endpoint, retry_on_failure: { enabled: true } })
    await consume(spans('a', 'b', 'c'))
    expect(received).toHaveLength(1)
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(1)
    expect(meter.sum('ai_factory_gateway_dropped_items', { reason: 'too old' })).toBe(2)
  })

  test.each([
    ['garbage', Buffer.from([0xff, 0xff, 0xff])],
    ['5 MiB', Buffer.alloc(5 * 2 ** 20)],
  ])('200 with an answer of %s was taken: a warning, no second copy', async (_what, body) => {
    const { received, endpoint } = await backend(response =>
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(body),
    )
    const { consume, meter, log } = await started({ endpoint, retry_on_failure: { enabled: true } })
    await consume(spans('a'))
    expect(received).toHaveLength(1)
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(1)
    expect(log.at('warn')).toEqual(['the backend took a request with a warning'])
  })

  test('a Retry-After date is the time until then; what is neither date nor number is no hint', () => {
    const now = Date.UTC(2026, 0, 1)
    expect(retryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000)
    expect(retryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0)
    expect(['soon', '', undefined].map(text => retryAfter(text, now))).toEqual([undefined, undefined, undefined])
  })
})

describe('peers that misbehave', () => {
  const retryable = { name: 'RetryableError' }

  test('nobody listens: retryable, and the message says where', async () => {
    const { consume } = await started({ endpoint: 'http://127.0.0.1:1' })
    await expect(consume(spans('a'))).rejects.toMatchObject({ ...retryable, message: expect.stringContaining('127.0.0.1:1') })
  })

  test('accepts and never answers: given up after the timeout, and its connection is closed', async () => {
    const { endpoint, sockets } = await rawPeer(socket => socket.resume())
    const { consume } = await started({ endpoint, timeout: '50ms' })
    await expect(consume(spans('a'))).rejects.toMatchObject({ ...retryable, reason: 'timeout' })
    await new Promise(resolve => setTimeout(resolve, 20))
    expect([...sockets].every(socket => socket.closed)).toBe(true)
  })

  test('never reads: given up after the timeout', async () => {
    const { endpoint } = await rawPeer(socket => socket.pause())
    const { consume } = await started({ endpoint, timeout: '100ms', compression: 'none' })
    await expect(consume(spans('x'.repeat(2 ** 24)))).rejects.toMatchObject({ ...retryable, reason: 'timeout' })
  })

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['half an answer', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'],
    ['a head without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(2 ** 20)}`],
    ['101 Switching Protocols', 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'],
    ['nothing, and closes', ''],
  ])('answers with %s: the caller gets a refusal, nothing hangs', async (_what, words) => {
    const { endpoint } = await rawPeer(socket => socket.once('data', () => socket.end(words)))
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: expect.stringMatching(/^(Retryable|Permanent)Error$/) })
  })

  test('answers 1xx first: they are passed over', async () => {
    const { endpoint } = await rawPeer(socket =>
      socket.once('data', () =>
        socket.end('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
      ),
    )
    const { consume } = await started({ endpoint })
    await consume(spans('a'))
  })

  test('refuses for good and breaks off its explanation: still a refusal for good', async () => {
    const { endpoint } = await rawPeer(socket =>
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\nhalf')),
    )
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'PermanentError', reason: 'bad_data' })
  })

  test('closes a kept connection just as it is used again: the request goes out at once on a new one', async () => {
    let requests = 0
    const { endpoint } = await rawPeer(socket => {
      let onThisSocket = 0
      socket.on('data', () => {
        requests++
        if (++onThisSocket > 1) socket.destroy()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
      })
    })
    const { consume } = await started({ endpoint })
    await consume(spans('a'))
    await consume(spans('b'))
    expect(requests).toBe(3)
  })
})

test('stopped with a dead backend, it settles at the deadline and leaves no connection behind', async () => {
  const { endpoint, sockets } = await rawPeer(socket => socket.resume())
  const { consume, instance } = await started({ endpoint })
  const caller = consume(spans('a')).catch((error: unknown) => error)
  await new Promise(resolve => setTimeout(resolve, 30))
  await instance.stop?.(AbortSignal.timeout(30))
  expect(await caller).toMatchObject({ name: 'RetryableError', reason: 'shutdown' })
  await new Promise(resolve => setTimeout(resolve, 20))
  expect([...sockets].every(socket => socket.closed)).toBe(true)
  await expect(consume(spans('b'))).rejects.toMatchObject({ reason: 'shutdown' })
})
