import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { makeAuthority } from '../../../runtime/testing/certificates.js'
import { type Answer, Scene, text } from '../testing/scene.js'

const json =
  (body: unknown, type = 'application/json'): Answer =>
  (_, response) => {
    response.setHeader('content-type', type)
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
const FAILURES = 'ai_factory_gateway_discovery_failures_total'

let scene: Scene
/** What the endpoint answers from now on. */
let answer: Answer
let asked: IncomingHttpHeaders[]
let endpoint: string
beforeEach(async () => {
  scene = new Scene()
  asked = []
  endpoint = await scene.serve((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.headers)
    answer(request, response)
  })
})
afterEach(() => scene.close())

const start = (options: Record<string, unknown>, job: Record<string, unknown> = {}) =>
  scene.start({
    scrape_configs: [
      {
        job_name: 'listed',
        scrape_interval: '100ms',
        http_sd_configs: [{ url: `http://${endpoint}/targets`, refresh_interval: '100ms', ...options }],
        ...job,
      },
    ],
  })

test('targets that a URL lists are scraped with their labels, and followed as the list changes', async () => {
  const [one, two] = [await scene.serve(text('a 1\n')), await scene.serve(text('a 2\n'))]
  answer = json([{ targets: [one], labels: { rack: 'r7' } }, { targets: [] }])
  await start(
    { basic_auth: { username: 'gateway', password: 'geheim' } },
    { relabel_configs: [{ source_labels: ['__meta_url'], target_label: 'from' }] },
  )
  await scene.until(() => scene.values('a').includes(1), 'the first target')
  expect(scene.points.find(point => point.metric === 'a')?.attributes).toEqual({ rack: 'r7', from: `http://${endpoint}/targets` })
  expect(asked[0]).toMatchObject({
    accept: 'application/json',
    authorization: `Basic ${Buffer.from('gateway:geheim').toString('base64')}`,
    'x-prometheus-refresh-interval-seconds': '0.1',
  })
  answer = json([{ targets: [two] }], 'application/json; charset=utf-8')
  await scene.until(() => scene.values('a').includes(2) && scene.values('a').includes(undefined), 'the second target, the first gone')
  answer = json([])
  await scene.until(() => scene.kit.meter.sum('ai_factory_gateway_scrape_targets') === 0, 'the end of all')
  expect(scene.kit.meter.sum(FAILURES)).toBe(0)
})

test.each<[string, Answer, string]>([
  ['500', (_, response) => void response.writeHead(500).end(), 'answered 500 Internal Server Error'],
  ['the wrong Content-Type', json([], 'text/html'), 'expected the Content-Type application/json, got "text/html"'],
  ['broken JSON', json('[{'), 'the answer is no JSON'],
  ['another shape', json([{ target: ['a:1'] }]), 'expected a list of {"targets"'],
  ['null', json('null'), 'expected a list of {"targets"'],
  [
    'half an answer',
    (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 }).write('[', () => response.destroy()),
    'the connection ended before',
  ],
  ['no answer in time', () => {}, 'no whole answer within refresh_interval'],
])('%s keeps the last good list, is counted, and told once', async (_, bad, words) => {
  const one = await scene.serve(text('a 1\n'))
  const good = json([{ targets: [one] }])
  answer = good
  await start({})
  await scene.until(() => scene.values('a').length > 0, 'the target')
  answer = bad
  await scene.until(() => scene.kit.meter.sum(FAILURES, { mechanism: 'http', job: 'listed' }) >= 2, 'two failures')
  const before = scene.values('a').length
  await scene.until(() => scene.values('a').length > before, 'another scrape')
  expect(scene.values('a')).not.toContain(undefined)
  const told = scene.kit.log.lines.filter(line => line.message.startsWith('a list of targets cannot be fetched'))
  expect(told).toHaveLength(1)
  expect(JSON.stringify(told)).toContain(JSON.stringify(words).slice(1, -1))
  answer = good
  await scene.until(() => scene.kit.log.at('info').includes('the list of targets is fetched again'), 'the recovery to be told')
})

test('over TLS with an authority of its own, a token from a file that is read anew, and no secret of the URL in the log', async () => {
  const authority = makeAuthority()
  const { cert, key } = authority.issue()
  const one = await scene.serve(text('a 1\n'))
  let token: string | undefined
  const secure = await scene.serve(
    (request, response) => {
      token = request.headers.authorization
      if (request.url?.endsWith('good')) json([{ targets: [one] }])(request, response)
      else response.writeHead(403).end()
    },
    listener => createSecureServer({ cert, key }, listener),
  )
  const place = (query: string) => ({
    url: `https://${secure}/targets?key=${query}`,
    refresh_interval: '100ms',
    authorization: { credentials: 'geheim' },
    tls_config: { ca: authority.cert },
  })
  await scene.start({ scrape_configs: [{ job_name: 'a', scrape_interval: '100ms', http_sd_configs: [place('good'), place('bad')] }] })
  await scene.until(() => scene.values('a').length > 0 && scene.kit.meter.sum(FAILURES) > 0, 'the target and the refusal')
  expect(token).toBe('Bearer geheim')
  expect(JSON.stringify(scene.kit.log.lines)).not.toMatch(/geheim|key=/)
})

test('a stop while the endpoint keeps silent is quick', async () => {
  answer = () => {}
  await start({ refresh_interval: '1m' })
  await scene.until(() => asked.length === 1, 'the question')
  const began = performance.now()
  await scene.stop()
  expect(performance.now() - began).toBeLessThan(1000)
})
