/**
 * A scraped target that answers nonsense, against the running program: nothing of a broken scrape is sent, the reason is counted, other
 * targets and senders do not notice, and the target is read again as soon as it makes sense.
 */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { GOLDEN } from '../receivers/otlp/testing/requests.js'
import { httpCall } from '../receivers/otlp/testing/senders.js'
import { RecordingBackend } from './support/backend.js'
import { TestGateway } from './support/gateway.js'
import { until } from './support/until.js'

const MIB = 2 ** 20
const CONFIG = `
receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:0}}}
  prometheus:
    config:
      global: {scrape_interval: 200ms, scrape_timeout: 200ms, body_size_limit: 8MiB}
      scrape_configs:
        - {job_name: good, metrics_path: /good, static_configs: [{targets: ["$TARGET"]}]}
        - {job_name: bad, metrics_path: /bad, static_configs: [{targets: ["$TARGET"]}]}
processors:
  memory_limiter: {limit_mib: 1000}
  workload_id:
exporters:
  otlp_http: {endpoint: "$BACKEND", compression: none}
service:
  pipelines:
    factory: {receivers: [otlp, prometheus], processors: [memory_limiter, workload_id], exporters: [otlp_http]}
`

type Answer = (response: ServerResponse) => void
const text =
  (body: string | Buffer, headers: Record<string, string> = {}): Answer =>
  response =>
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4', ...headers }).end(body)
const sane = text('sane 1\n')

let answer: Answer = sane
const target = createServer((request, response) => (request.url === '/good' ? text('steady 1\n')(response) : answer(response)))
let backend: RecordingBackend
let gateway: TestGateway
beforeAll(async () => {
  target.listen(0, '127.0.0.1')
  await once(target, 'listening')
  backend = await RecordingBackend.open()
  const config = CONFIG.replaceAll('$TARGET', `127.0.0.1:${(target.address() as AddressInfo).port}`).replaceAll('$BACKEND', backend.httpUrl)
  gateway = await TestGateway.start({ config })
}, 40_000)
afterAll(async () => {
  expect((await gateway.metrics()).sum('ai_factory_gateway_bugs')).toBe(0)
  expect(await gateway.stop()).toBe(0)
  await backend.close()
  target.closeAllConnections()
  await new Promise(done => target.close(done))
}, 40_000)

/** Scrapes that arrived with a series of this name. */
const arrived = (series: string): number => backend.taken.filter(({ body }) => body.includes(series)).length
const failures = async (reason: string): Promise<number> =>
  (await gateway.metrics()).sum('ai_factory_gateway_scrapes_failed_total', { reason })

/** Every one of them begins well: a reader that sends what it has read so far would send `half_read`. */
const after = (rest: string | Buffer): Buffer => Buffer.concat([Buffer.from('half_read 1\n'), Buffer.from(rest)])

test.each<[string, Answer, string]>([
  ['a line without a value', text(after('broken\n')), 'malformed'],
  ['a label without an end', text(after('broken{a="b 1\nmore 2\n')), 'malformed'],
  ['a value that is no number', text(after('broken many\n')), 'malformed'],
  ['the same label twice', text(after('broken{a="1",a="2"} 1\n')), 'malformed'],
  ['a page for people', text('<html>half_read</html>\n'), 'malformed'],
  ['text that is not UTF-8', text(after(Buffer.from([0x61, 0x7b, 0x62, 0x3d, 0x22, 0xff, 0x22, 0x7d, 0x20, 0x31, 0x0a]))), 'invalid_utf8'],
  ['an endless line', text(after(`a{b="${'x'.repeat(2 * MIB)}"} 1\n`)), 'line_too_long'],
  ['the same series twice', text(after('half_read 2\n')), 'duplicate_series'],
  ['OpenMetrics without its end', text(after(''), { 'content-type': 'application/openmetrics-text; version=1.0.0' }), 'truncated'],
  ['garbage as gzip', text(after('no gzip'), { 'content-encoding': 'gzip' }), 'encoding'],
  ['a gzip bomb', text(gzipSync(after(Buffer.alloc(64 * MIB, '\n'))), { 'content-encoding': 'gzip' }), 'body_size_limit'],
  ['an error page', response => response.writeHead(500).end('half_read 1\n'), 'status'],
  ['an answer that does not end', response => response.writeHead(200, { 'content-type': 'text/plain' }).write('half_read 1\n'), 'timeout'],
  [
    'a connection that breaks',
    response =>
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 500 }).write('half_read 1\n', () => response.destroy()),
    'truncated',
  ],
])('%s: nothing of it is sent, it is counted, and nobody else notices', async (_, nonsense, reason) => {
  backend.taken.length = 0
  const before = await failures(reason)
  answer = nonsense
  await until(`a failure for ${reason}`, async () => (await failures(reason)) > before)
  const steady = arrived('steady')
  await until('the good target goes on', () => arrived('steady') > steady + 1)
  expect(await httpCall(gateway.port('http'), { data: GOLDEN.traces })).toMatchObject({ status: 200 })
  answer = sane
  backend.taken.length = 0
  await until('the target is read again', () => arrived('sane') > 0)
  expect(arrived('half_read')).toBe(0)
  expect(gateway.running).toBe(true)
})

test('infinite values and hostile names arrive; NaN and times of 0 or far in the future are left out and counted', async () => {
  const dropped = async (reason: string) => (await gateway.metrics()).sum('ai_factory_gateway_scrape_points_dropped_total', { reason })
  const before = { nan: await dropped('nan'), out_of_bounds: await dropped('out_of_bounds') }
  answer = text('odd{__proto__="a",constructor="b"} +Inf\nnone NaN\nlong_ago 1 0\nfar_future 1 99999999999999\n__proto__ 1\n')
  await until('what can be sent', () => ['odd', 'constructor', '__proto__'].every(name => arrived(name) > 0))
  await until('NaN is counted', async () => (await dropped('nan')) > before.nan)
  await until('both times are counted', async () => (await dropped('out_of_bounds')) > before.out_of_bounds + 1)
  for (const name of ['none', 'long_ago', 'far_future']) expect(arrived(name)).toBe(0)
  answer = sane
  expect(gateway.running).toBe(true)
})
