import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { PartialError, RetryableError } from '../../runtime/errors.js'
import { DCGM, DCGM_SAMPLES, manySeries, VLLM, VLLM_POINTS } from './testing/expositions.js'
import { type Answer, pointsOf, Scene, text } from './testing/scene.js'

const REPORTED = 5
const FAILED = 'ai_factory_gateway_scrapes_failed_total'

let scene: Scene
/** Reasons for which scrapes of a job failed. */
const failures = (job: string): (string | undefined)[] =>
  Array.from(scene.kit.meter.collect())
    .filter(({ name }) => name === FAILED)
    .flatMap(({ series }) => series.filter(({ labels }) => labels.job === job).map(({ labels }) => labels.reason))
const folder = mkdtempSync(join(tmpdir(), 'scrape-'))
beforeEach(() => {
  scene = new Scene()
})
afterEach(() => scene.close())
afterAll(() => rmSync(folder, { recursive: true }))

const job = (name: string, targets: string[], more: Record<string, unknown> = {}) => ({
  job_name: name,
  scrape_interval: '200ms',
  static_configs: [{ targets }],
  ...more,
})

/** Between each time and the one after it, in milliseconds. */
const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, i) => time - times[i]!)

test('DCGM and vLLM endpoints become points of the jobs they belong to, at the pace asked for', async () => {
  const gpus = await scene.serve(text(DCGM))
  const engine = await scene.serve(text(VLLM))
  await scene.start({
    global: { external_labels: { cluster: 'a' } },
    scrape_configs: [
      job('dcgm', [gpus], { honor_labels: true }),
      job('vllm', [engine], { static_configs: [{ targets: [engine], labels: { pod: 'llama-70b-0' } }] }),
    ],
  })
  await scene.until(() => scene.values('up', 'dcgm').length >= 3 && scene.values('up', 'vllm').length >= 3, 'three scrapes of each')
  await scene.stop()
  const first = (name: string) => scene.kit.out.batches.find(batch => pointsOf(batch)[0]?.job === name)!
  expect(first('dcgm').items).toBe(DCGM_SAMPLES + REPORTED)
  expect(first('vllm').items).toBe(VLLM_POINTS + REPORTED)
  expect(first('vllm').metadata).toEqual({ transport: 'http' })
  const [power] = scene.points.filter(point => point.metric === 'DCGM_FI_DEV_POWER_USAGE')
  expect(power).toMatchObject({
    value: 612.418,
    attributes: { gpu: '0', pod: 'llama-70b-5c9f7d8b6d-x2x4q', cluster: 'a', Hostname: 'gpu-node-7' },
    resource: {
      'service.name': 'dcgm',
      'service.instance.id': gpus,
      'server.address': '127.0.0.1',
      'server.port': gpus.split(':')[1],
      'url.scheme': 'http',
    },
  })
  expect(scene.points.find(point => point.metric === 'vllm:num_requests_running')).toMatchObject({
    value: 14,
    attributes: { pod: 'llama-70b-0', engine: '0' },
  })
  const times = scene.points.filter(point => point.metric === 'up' && point.job === 'dcgm').map(({ time }) => time)
  // On a busy machine one scrape may be late; a wrong pace shows in every gap.
  expect(Math.min(...gaps(times).map(gap => Math.abs(gap - 200)))).toBeLessThan(100)
  // A stop is no death of the targets.
  expect(scene.points.every(({ value }) => value !== undefined)).toBe(true)
})

const endless: Answer = (_, response) => {
  response.setHeader('content-type', 'text/plain')
  const timer = setInterval(() => response.write('endless_line_without_end'.repeat(100)), 5)
  response.on('close', () => clearInterval(timer))
}
const gigantic = manySeries(3000)
const bomb = gzipSync(Buffer.alloc(50 << 20, '# nothing but a comment\n'))

test('bad targets fail alone, each for its own reason, and the good one stays on time', async () => {
  const bad: Record<string, [answer: Answer, reason: string, more?: Record<string, unknown>]> = {
    status: [(_, response) => response.writeHead(503).end('a 1\n'), 'status'],
    html: [text('<html>', 'text/html'), 'content_type'],
    untyped: [(_, response) => response.end('a 1\n'), 'content_type'],
    garbled: [text('a 1\nb 2 3 4\n'), 'malformed'],
    binary: [
      (_, response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(Buffer.from([0x61, 0x7b, 0xff, 0x22])),
      'malformed',
    ],
    duplicate: [text('a{x="1"} 1\na{x="1"} 2\n'), 'duplicate_series'],
    labels: [text(`a{${Array.from({ length: 200 }, (_, i) => `l${i}="x"`).join(',')}} 1\n`), 'label_limit'],
    value: [text(`a{b="${'x'.repeat(10_000)}"} 1\n`), 'label_limit'],
    samples: [text(manySeries(30)), 'sample_limit', { sample_limit: 20 }],
    gigantic: [text(gigantic), 'body_size_limit', { body_size_limit: '64KiB' }],
    line: [text(`a{b="${'x'.repeat(2 << 20)}"} 1\n`), 'line_too_long'],
    bomb: [
      (_, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(bomb),
      'body_size_limit',
      { body_size_limit: '64KiB' },
    ],
    nogzip: [
      (_, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end('a 1\n'),
      'encoding',
    ],
    halfgzip: [
      (_, response) =>
        response
          .writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' })
          .end(gzipSync(manySeries(100)).subarray(0, 200)),
      'truncated',
    ],
    brotli: [(_, response) => response.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'br' }).end('a 1\n'), 'encoding'],
    half: [
      (_, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 1000 }).write('a 1\n')
        setTimeout(() => response.destroy(), 20)
      },
      'truncated',
    ],
    unframed: [
      (_, response) => {
        response.useChunkedEncodingByDefault = false
        response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' }).end('a 1\nb 123')
      },
      'truncated',
    ],
    noeof: [text('a 1\n', 'application/openmetrics-text; version=1.0.0'), 'truncated'],
    silent: [() => {}, 'timeout'],
    endless: [endless, 'timeout'],
    loop: [(_, response) => response.writeHead(302, { location: '/metrics' }).end(), 'status'],
    reset: [request => request.socket.destroy(), 'connection'],
  }
  const jobs = [job('good', [await scene.serve(text(DCGM))], { scrape_interval: '500ms' })]
  for (const [name, [answer, , more]] of Object.entries(bad))
    jobs.push(job(name, [await scene.serve(answer)], { scrape_interval: '1500ms', ...more }))
  jobs.push(job('nobody', ['127.0.0.1:1']))
  await scene.start({ scrape_configs: jobs })
  const wanted = [...Object.entries(bad).map(([name, [, reason]]) => [name, reason] as const), ['nobody', 'connection'] as const]
  await scene.until(() => wanted.every(([name]) => scene.values('up', name).length >= 2), 'two scrapes of everyone', 15_000)
  await scene.stop()
  for (const [name, reason] of wanted) {
    expect([name, new Set(scene.values('up', name))]).toEqual([name, new Set([0])])
    expect([name, failures(name)]).toEqual([name, [reason]])
    expect([name, scene.points.filter(point => point.job === name).length % REPORTED]).toEqual([name, 0])
  }
  const good = scene.points.filter(point => point.metric === 'up' && point.job === 'good')
  expect(good.every(({ value }) => value === 1)).toBe(true)
  // Held up by the others it would miss two scrapes and more.
  for (const gap of gaps(good.map(({ time }) => time))) expect(gap).toBeLessThan(1_400)
  // Said once each, not at every scrape.
  expect(scene.kit.log.at('warn').filter(message => message === 'a scrape failed')).toHaveLength(wanted.length)
}, 30_000)

test('asks as Prometheus does, and takes gzip, redirects, parameters and OpenMetrics', async () => {
  const seen: { url: string | undefined; headers: Record<string, unknown> }[] = []
  const body = '# TYPE c counter\nc_total 5\n# EOF\n'
  const address = await scene.serve((request, response) => {
    if (request.url === '/old') return response.writeHead(301, { location: '/new?x=1' }).end()
    seen.push({ url: request.url, headers: request.headers })
    return response
      .writeHead(200, { 'content-type': 'application/openmetrics-text; version=1.0.0', 'content-encoding': 'gzip' })
      .end(gzipSync(body))
  })
  await scene.start({
    scrape_configs: [
      job('plain', [address], { params: { 'match[]': ['{a="b"}', 'c'], module: ['m'] }, scrape_timeout: '150ms' }),
      job('redirected', [address], { metrics_path: '/old' }),
    ],
  })
  await scene.until(() => scene.values('c_total', 'plain').length > 0 && scene.values('c_total', 'redirected').length > 0, 'both jobs')
  expect(seen.find(({ url }) => url === '/new?x=1')).toBeDefined()
  const plain = seen.find(({ url }) => url?.startsWith('/metrics'))
  expect(new URL(plain?.url ?? '', 'http://x').searchParams.getAll('match[]')).toEqual(['{a="b"}', 'c'])
  expect(plain?.headers).toMatchObject({
    accept:
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,' +
      'text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
    'accept-encoding': 'gzip',
    'x-prometheus-scrape-timeout-seconds': '0.15',
  })
})

test('connections are kept, and one the target closed meanwhile costs no scrape', async () => {
  const sockets = new Set<unknown>()
  let answers = 0
  const address = await scene.serve((request, response) => {
    sockets.add(request.socket)
    // Says nothing of closing, and closes.
    if (++answers === 3) setTimeout(() => request.socket.destroy(), 20)
    text('a 1\n')(request, response)
  })
  await scene.start({ scrape_configs: [job('kept', [address])] })
  await scene.until(() => scene.values('up').length >= 6, 'six scrapes')
  expect(new Set(scene.values('up'))).toEqual(new Set([1]))
  expect(sockets.size).toBe(2)
})

test('credentials come from the configuration or from files that are read each time', async () => {
  const seen = new Map<string, Set<unknown>>()
  const address = await scene.serve((request, response) => {
    const path = request.url ?? ''
    seen.set(path, (seen.get(path) ?? new Set()).add(request.headers.authorization ?? request.headers['x-tenant']))
    text('a 1\n')(request, response)
  })
  const token = join(folder, 'token')
  writeFileSync(token, 'first\n')
  await scene.start({
    scrape_configs: [
      job('basic', [address], { metrics_path: '/basic', basic_auth: { username: 'u', password: 'p' } }),
      job('bearer', [address], { metrics_path: '/bearer', authorization: { credentials_file: token } }),
      job('typed', [address], { metrics_path: '/typed', authorization: { type: 'Token', credentials: 'x' } }),
      job('header', [address], { metrics_path: '/header', http_headers: { 'X-Tenant': { values: ['t'] } } }),
      job('missing', [address], { metrics_path: '/missing', authorization: { credentials_file: join(folder, 'absent') } }),
    ],
  })
  await scene.until(() => seen.get('/bearer')?.has('Bearer first') === true && scene.values('up').length >= 10, 'the first token')
  writeFileSync(token, 'second\n')
  await scene.until(() => seen.get('/bearer')?.has('Bearer second') === true, 'the second token')
  expect(seen.get('/basic')).toEqual(new Set([`Basic ${Buffer.from('u:p').toString('base64')}`]))
  expect(seen.get('/typed')).toEqual(new Set(['Token x']))
  expect(seen.get('/header')).toEqual(new Set(['t']))
  expect(seen.has('/missing')).toBe(false)
  expect(scene.kit.meter.sum(FAILED, { job: 'missing', reason: 'credentials' })).toBeGreaterThan(0)
  expect(JSON.stringify(scene.kit.log.lines)).not.toMatch(/first|second/)
})

test('TLS is checked against the authority named, and not at all when told so', async () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const subject = ['-subj', '/CN=gpu-node', '-addext', 'subjectAltName=DNS:gpu-node']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      ...subject,
    ],
    {
      stdio: 'ignore',
    },
  )
  const address = await scene.serve(text('a 1\n'), listener =>
    createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, listener),
  )
  const secured = (name: string, tls: Record<string, unknown>) => job(name, [address], { scheme: 'https', tls_config: tls })
  await scene.start({
    scrape_configs: [
      secured('named', { ca_file: cert, server_name: 'gpu-node' }),
      secured('skipped', { insecure_skip_verify: true }),
      secured('unnamed', { ca_file: cert }),
      job('untrusted', [address], { scheme: 'https' }),
    ],
  })
  const jobs = ['named', 'skipped', 'unnamed', 'untrusted']
  await scene.until(() => jobs.every(name => scene.values('up', name).length > 0), 'a scrape of each')
  expect(jobs.map(name => scene.values('up', name)[0])).toEqual([1, 1, 0, 0])
  expect(scene.points.find(point => point.metric === 'up' && point.job === 'named')?.resource['url.scheme']).toBe('https')
})

test('a scrape that is still under way when the next is due is not doubled, and that is counted', async () => {
  let open = 0
  let most = 0
  const address = await scene.serve((request, response) => {
    most = Math.max(most, ++open)
    setTimeout(() => {
      open--
      text('a 1\n')(request, response)
    }, 150)
  })
  scene.kit.out.answer = async () => {
    // A pipeline that holds each batch longer than the interval.
    await new Promise(resolve => setTimeout(resolve, 300))
    return undefined
  }
  await scene.start({ scrape_configs: [job('slow', [address])] })
  await scene.until(() => scene.kit.out.batches.length >= 2, 'two scrapes')
  expect(most).toBe(1)
  expect(scene.kit.meter.sum('ai_factory_gateway_scrapes_skipped_total', { job: 'slow' })).toBeGreaterThan(0)
})

test('a refused scrape is offered once more within its interval, then dropped and counted by the refusal', async () => {
  const address = await scene.serve(text('a 1\n'))
  scene.kit.out.answer = () => new RetryableError('full', 'queue_full', 20)
  await scene.start({ scrape_configs: [job('refused', [address], { scrape_interval: '500ms' })] })
  const refused = () => scene.kit.meter.sum('ai_factory_gateway_scrape_points_refused_total', { reason: 'queue_full' })
  await scene.until(() => refused() > 0, 'the refusal')
  expect(refused()).toBe(1 + REPORTED)
  expect(scene.kit.out.batches).toHaveLength(2)
  expect(scene.kit.out.batches[0]).toBe(scene.kit.out.batches[1])
})

test('a scrape refused in part is offered once, and only the refused points count as lost', async () => {
  const address = await scene.serve(text('a 1\n'))
  scene.kit.out.answer = () => new PartialError('large', 'too_large', 1)
  await scene.start({ scrape_configs: [job('partly', [address], { scrape_interval: '500ms' })] })
  const refused = () => scene.kit.meter.sum('ai_factory_gateway_scrape_points_refused_total', { reason: 'too_large' })
  await scene.until(() => refused() > 0, 'the refusal')
  expect([refused(), scene.kit.out.batches.length]).toEqual([1, 1])
})

test('a target that is another gateway’s is not asked, what was read when it changed hands is not said, and nothing ends', async () => {
  let asked = 0
  let answer = (): void => {}
  const address = await scene.serve((_, response) => {
    asked++
    const body = `a ${asked}\n`
    response.setHeader('content-type', 'text/plain')
    if (asked === 3) answer = () => response.end(body)
    else response.end(body)
  })
  scene.mine = false
  await scene.start({ scrape_configs: [job('shared', [address], { scrape_interval: '100ms' })] })
  await new Promise(resolve => setTimeout(resolve, 350))
  expect([asked, scene.points.length]).toEqual([0, 0])
  scene.mine = true
  await scene.until(() => asked === 3, 'three scrapes')
  scene.mine = false
  answer()
  await new Promise(resolve => setTimeout(resolve, 350))
  expect([asked, scene.values('a')]).toEqual([3, [1, 2]])
  scene.mine = true
  await scene.until(() => scene.values('a').length === 3, 'the next scrape')
  expect(scene.values('a')).toEqual([1, 2, 4])
  expect(scene.points.every(({ value }) => value !== undefined)).toBe(true)
})

test('stop waits for an answer that has begun, not for one that has not, and for neither beyond its deadline', async () => {
  let begun = 0
  const slow = await scene.serve((_, response) => {
    begun++
    response.writeHead(200, { 'content-type': 'text/plain' }).write('a 1\n')
    setTimeout(() => response.end('b 2\n'), 300)
  })
  const silent = await scene.serve(() => {
    begun++
  })
  const more = {
    scrape_interval: '10s',
    scrape_timeout: '10s',
    relabel_configs: [
      { target_label: '__scrape_interval__', replacement: '300ms' },
      { target_label: '__scrape_timeout__', replacement: '300ms' },
    ],
  }
  await scene.start({
    scrape_configs: [
      job('slow', [slow], { ...more, scrape_timeout: '300ms' }),
      job('silent', [silent], { ...more, scrape_timeout: '300ms' }),
    ],
  })
  await scene.until(() => begun === 2, 'both scrapes to begin')
  await new Promise(resolve => setTimeout(resolve, 30))
  const started = performance.now()
  await scene.stop()
  expect(performance.now() - started).toBeLessThan(1000)
  expect(scene.values('up', 'silent').filter(value => value === 0)).toEqual([])
  expect(scene.values('b', 'slow').every(value => value === 2)).toBe(true)

  await scene.start({ scrape_configs: [job('slow', [slow]), job('silent', [silent])] })
  await scene.stop(AbortSignal.abort())
})

test('relabelling chooses targets, their address, path, parameters and pace', async () => {
  const urls = new Set<string | undefined>()
  const address = await scene.serve((request, response) => {
    urls.add(request.url)
    text('a 1\n')(request, response)
  })
  await scene.start({
    scrape_configs: [
      job('relabelled', ['keep-me', 'drop-me'], {
        static_configs: [{ targets: ['keep-me', 'drop-me'], labels: { __tmp: 'x', tier: 'gpu' } }],
        relabel_configs: [
          { source_labels: ['__address__'], regex: 'drop-.*', action: 'drop' },
          { source_labels: ['__address__'], target_label: 'instance' },
          { source_labels: ['__address__'], target_label: '__param_target' },
          { target_label: '__metrics_path__', replacement: '/probe' },
          { target_label: '__address__', replacement: address },
          { source_labels: ['__scrape_interval__'], regex: '200ms', target_label: '__scrape_interval__', replacement: '100ms' },
          { target_label: '__scrape_timeout__', replacement: '100ms' },
        ],
      }),
    ],
  })
  await scene.until(() => scene.values('up').length >= 4, 'four scrapes')
  expect(Array.from(urls)).toEqual(['/probe?target=keep-me'])
  const ups = scene.points.filter(point => point.metric === 'up')
  expect(ups[0]).toMatchObject({
    instance: 'keep-me',
    attributes: { tier: 'gpu' },
    resource: { 'server.address': '127.0.0.1', 'server.port': address.split(':')[1] },
  })
  expect(Math.min(...gaps(ups.map(({ time }) => time)))).toBeLessThan(180)
})

test('a job with more targets than it may have scrapes none of them', async () => {
  const asked = jest.fn()
  const address = await scene.serve((request, response) => {
    asked()
    text('a 1\n')(request, response)
  })
  await scene.start({ scrape_configs: [job('many', [address, 'b:1', 'c:1'], { target_limit: 2 })] })
  await scene.until(() => scene.values('up').length >= 3, 'three failures')
  expect(asked).not.toHaveBeenCalled()
  expect(scene.kit.meter.sum(FAILED, { reason: 'target_limit' })).toBeGreaterThanOrEqual(3)
})
