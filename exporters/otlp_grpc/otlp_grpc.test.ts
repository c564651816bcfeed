import http2 from 'node:http2'
import { gzipSync } from 'node:zlib'
import * as grpc from '@grpc/grpc-js'
import { Batch } from '../../proto/batch.js'
import { encodeStatus } from '../../proto/rpc-status.js'
import { encodeResponse } from '../../proto/services.js'
import { harness } from '../../runtime/testing/harness.js'
import exporter from './index.js'
import { options } from './options.js'
import { closeAll, ok, rawServer, server, spans, started } from './testing/server.js'

afterEach(closeAll)

describe('what is sent', () => {
  test.each(['gzip', 'none'] as const)(
    'with compression %s a request arrives byte for byte at a grpc-js server, with metadata and deadline',
    async compression => {
      const { received, endpoint } = await server()
      const { consume } = await started({ endpoint, compression, headers: { 'X-Tenant': 'a' }, timeout: '7s' })
      const batch = spans('a', 'b')
      await consume(batch)
      expect(received[0]?.body).toEqual(Buffer.concat(batch.slices))
      expect(received[0]?.metadata).toMatchObject({ 'x-tenant': 'a', 'user-agent': expect.stringMatching(/gateway/) })
      const left = Number(received[0]?.deadline) - Date.now()
      expect(left).toBeGreaterThan(4_000)
      expect(left).toBeLessThanOrEqual(7_100)
    },
  )

  test('requests of megabytes, many slices and many at once share one connection and arrive whole', async () => {
    const { received, endpoint } = await server()
    const { consume } = await started({ endpoint, compression: 'none' })
    const large = Array.from({ length: 400 }, (_, i) => spans(`${i}${'x'.repeat(10_000)}`).slices[0]!)
    const batch = Batch.of('traces', large, 400)
    await Promise.all(Array.from({ length: 12 }, () => consume(batch)))
    const whole = Buffer.concat(large)
    expect(received).toHaveLength(12)
    expect(received.every(one => whole.equals(one.body))).toBe(true)
  })

  test('each signal goes to its service', async () => {
    const { received, endpoint } = await server()
    const { consume } = await started({ endpoint })
    for (const signal of ['traces', 'metrics', 'logs'] as const) await consume(Batch.of(signal, [], 0))
    expect(received.map(one => one.signal)).toEqual(['traces', 'metrics', 'logs'])
  })

  test('the server’s limit of concurrent calls is kept', async () => {
    let now = 0
    let most = 0
    const { endpoint } = await rawServer(
      stream => {
        most = Math.max(most, ++now)
        stream.resume()
        stream.on('end', () =>
          setTimeout(() => {
            now--
            ok(stream)
          }, 10),
        )
      },
      { maxConcurrentStreams: 2 },
    )
    const { consume } = await started({ endpoint })
    await consume(spans('the settings are known after this'))
    await Promise.all(Array.from({ length: 10 }, () => consume(spans('a'))))
    expect(most).toBeLessThanOrEqual(2)
  })

  test.each([
    ['key\n', 'v'],
    ['key', 'secret\n'],
    ['grpc-timeout', '1S'],
    ['content-type', 'x'],
  ])('metadata that cannot be sent (%j) is told at the start, without its value', (name, value) => {
    const create = () => exporter.create(options.parse({ endpoint: 'x:1', headers: { [name]: value } }), harness('otlp_grpc').context)
    expect(create).toThrow(/^headers: /)
    expect(create).not.toThrow(/secret/)
  })

  test.each(['localhost:4317', 'http://localhost:4317', 'https://x:443/', 'dns:///x:4317', '[::1]:4317'])(
    'endpoint %s is read',
    endpoint => {
      expect(options.safeParse({ endpoint }).success).toBe(true)
    },
  )
  test.each(['localhost', ':4317', 'http://x/path:1', 'ftp://x:1', ''])('endpoint %j is refused', endpoint => {
    expect(options.safeParse({ endpoint }).success).toBe(false)
  })
})

describe('what is answered', () => {
  const status = grpc.status
  test.each([
    [status.CANCELLED, 'cancelled'],
    [status.DEADLINE_EXCEEDED, 'timeout'],
    [status.ABORTED, 'aborted'],
    [status.OUT_OF_RANGE, 'out_of_range'],
    [status.UNAVAILABLE, 'unavailable'],
    [status.DATA_LOSS, 'data_loss'],
  ])('status %i may be sent again', async (code, reason) => {
    const { endpoint } = await server(reply => reply({ code, details: 'später: 50 %' }))
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({
      name: 'RetryableError',
      reason,
      message: expect.stringContaining('später: 50 %'),
    })
  })

  test.each([
    [status.UNKNOWN, 'refused'],
    [status.INVALID_ARGUMENT, 'bad_data'],
    [status.NOT_FOUND, 'refused'],
    [status.PERMISSION_DENIED, 'forbidden'],
    [status.RESOURCE_EXHAUSTED, 'exhausted'],
    [status.FAILED_PRECONDITION, 'refused'],
    [status.UNIMPLEMENTED, 'unimplemented'],
    [status.INTERNAL, 'refused'],
    [status.UNAUTHENTICATED, 'unauthenticated'],
    [77, 'refused'],
  ])('status %i is final: %s', async (code, reason) => {
    const { received, endpoint } = await server(reply => reply({ code, details: 'no' }))
    const { consume } = await started({ endpoint, retry_on_failure: { enabled: true } })
    await expect(consume(spans('a', 'b'))).rejects.toMatchObject({ name: 'PermanentError', reason })
    expect(received).toHaveLength(1)
  })

  test.each([status.UNAVAILABLE, status.RESOURCE_EXHAUSTED])(
    'status %i with RetryInfo is sent again after the time asked for',
    async code => {
      const details = new grpc.Metadata()
      details.set('grpc-status-details-bin', Buffer.from(encodeStatus({ code, message: 'busy', retryDelay: 1_500 })))
      const { endpoint } = await server(reply => reply({ code, details: 'busy', metadata: details }))
      const { consume } = await started({ endpoint })
      await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError', after: 1_500 })
    },
  )

  test('a message larger than the server takes is cut until it fits', async () => {
    const taken: string[] = []
    const { endpoint } = await server((reply, { body }) => {
      if (body.length > 40)
        reply({ code: status.RESOURCE_EXHAUSTED, details: `grpc: received message larger than max (${body.length} vs. 40)` })
      else {
        taken.push(
          ...(Buffer.from(body)
            .toString('latin1')
            .match(/(\w+) span/g) ?? []),
        )
        reply(null, encodeResponse())
      }
    })
    const { consume } = await started({ endpoint })
    await consume(spans('first span', 'second span', 'third span', 'fourth span'))
    expect(taken.sort()).toEqual(['first span', 'fourth span', 'second span', 'third span'])
  })

  test('partial success is counted and not sent again', async () => {
    const { received, endpoint } = await server(reply => reply(null, encodeResponse({ rejected: 2, message: 'too old' })))
    const { consume, meter } = await started({ endpoint, retry_on_failure: { enabled: true } })
    await consume(spans('a', 'b', 'c'))
    expect(received).toHaveLength(1)
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(1)
    expect(meter.sum('ai_factory_gateway_dropped_items', { reason: 'too old' })).toBe(2)
  })

  test('a compressed answer is read', async () => {
    const packed = gzipSync(encodeResponse({ rejected: 1, message: 'old' }))
    const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, packed.length]), packed])
    const { endpoint } = await rawServer(stream => ok(stream, frame, { 'grpc-status': '0' }, { 'grpc-encoding': 'gzip' }))
    const { consume, meter } = await started({ endpoint })
    await consume(spans('a', 'b'))
    expect(meter.sum('otelcol_exporter_send_failed_spans')).toBe(1)
  })

  test.each([
    ['garbage', Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff])],
    ['a wrong length', Buffer.from([0, 0, 0, 0, 9, 1])],
    ['nothing', Buffer.alloc(0)],
    ['broken gzip', Buffer.from([1, 0, 0, 0, 1, 7])],
    ['5 MiB', Buffer.concat([Buffer.from([0, 0, 0x50, 0, 0]), Buffer.alloc(5 * 2 ** 20)])],
  ])('OK with %s was taken: a warning, no second copy', async (_what, frames) => {
    const { endpoint } = await rawServer(stream => ok(stream, frames, { 'grpc-status': '0' }, { 'grpc-encoding': 'gzip' }))
    const { consume, meter, log } = await started({ endpoint })
    await consume(spans('a'))
    expect(meter.sum('otelcol_exporter_sent_spans')).toBe(1)
    expect(log.at('warn')).toEqual(['the backend took a request with a warning'])
  })

  test('a status in the head alone (trailers only) is a verdict, even while the request is still being written', async () => {
    const { endpoint } = await rawServer(stream =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '3', 'grpc-message': 'bad%20span' },
        { endStream: true },
      ),
    )
    const { consume } = await started({ endpoint, compression: 'none', timeout: '5s' })
    await expect(consume(spans('x'.repeat(2 ** 22)))).rejects.toMatchObject({
      name: 'PermanentError',
      message: expect.stringContaining('bad span'),
    })
  })

  test.each([
    [503, 'RetryableError'],
    [404, 'PermanentError'],
    [200, 'PermanentError'],
  ])('HTTP %i without a gRPC status, as proxies answer, is a %s', async (code, name) => {
    const { endpoint } = await rawServer(stream => {
      stream.respond({ ':status': code, 'content-type': 'text/html' })
      stream.end('<html>')
    })
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name, message: expect.stringContaining(`HTTP ${code}`) })
  })

  test('a stream reset without any status may be sent again', async () => {
    const { endpoint } = await rawServer(stream => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR))
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({ name: 'RetryableError', reason: 'connection' })
  })

  test('an answer without trailers is no acknowledgement', async () => {
    const { endpoint } = await rawServer(stream => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.end(Buffer.alloc(5))
    })
    const { consume } = await started({ endpoint })
    await expect(consume(spans('a'))).rejects.toMatchObject({
      name: 'RetryableError',
      message: expect.stringContaining('without a status'),
    })
  })
})
