/**
 * The real gateway, ended again and again under load: kill -9 at random moments, kill -9 while it starts and restores, SIGTERM in the middle.
 * The load generator's books are compared with the backend's, by item and by sum. KILL_SEED repeats a run's moments, KILL_ROUNDS makes it longer.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Gateway } from '../simulator/gateway.js'
import { Random } from '../simulator/random.js'
import { RecordingBackend } from './support/backend.js'
import { type Deliveries, deliveriesOf, sumOf } from './support/deliveries.js'
import { FactoryLoad } from './support/factory-load.js'
import { freePort } from './support/gateway.js'

const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 1)
const COMMIT_INTERVAL = 500
const WINDOW = 1000
const GRACE = 2000
/**
 * Whatever came to the backend this long before a kill never comes again: a moment is taken every commit_interval and committed as soon as what
 * was emitted before it is acknowledged. So no uncommitted moment is older than two intervals and the longest delivery, which a busy backend
 * (see below) and a machine that does other things stretch.
 */
const COPIED = 2 * COMMIT_INTERVAL + 2500

const config = (otlp: number, health: number, metrics: number, backend: string, directory: string): string => `
receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:${otlp}}}}
processors:
  memory_limiter: {limit_mib: 1000}
  workload_id:
  workload_join: {window: ${WINDOW}ms, grace: ${GRACE}ms, max_gap: 10s, history: 30s}
exporters:
  otlp_http: {endpoint: "${backend}", retry_on_failure: {initial_interval: 50ms, max_interval: 100ms}}
extensions:
  health_check: {endpoint: 127.0.0.1:${health}}
streams:
  workloads: {directory: ${directory}, partitions: 4, tick: 200ms, commit_interval: ${COMMIT_INTERVAL}ms}
service:
  extensions: [health_check]
  pipelines:
    factory: {receivers: [otlp], processors: [memory_limiter, workload_id, workload_join], exporters: [otlp_http]}
  telemetry: {metrics: {address: 127.0.0.1:${metrics}}}
`

/** Half of what service.shutdown_timeout allows: the backend takes everything, so nothing has to be given up. */
const STOPS_WITHIN = 15_000

type Way = 'killed' | 'killed while starting' | 'terminated'
/** One life of the gateway. Times in milliseconds since the epoch. */
interface Life {
  readonly from: number
  readonly to: number
  readonly end: Way
}

let backend: RecordingBackend
let folder: string
let gateway: Gateway
let load: FactoryLoad
const lives: Life[] = []

const endWith = async (way: Way, random: Random): Promise<void> => {
  const from = Date.now()
  const ready = gateway.start()
  if (way === 'killed while starting') {
    const failed = ready.catch(() => 'not ready')
    await sleep(150 + random.next() * 900)
    await gateway.stop('SIGKILL')
    await failed
  } else {
    await ready
    await sleep(800 + random.next() * 2500)
    if (way === 'killed') await gateway.stop('SIGKILL')
    else {
      const asked = Date.now()
      expect(await gateway.stop()).toBe(0)
      expect(Date.now() - asked).toBeLessThan(STOPS_WITHIN)
    }
  }
  lives.push({ from, to: Date.now(), end: way })
  // What the gateway wrote last is still on its way through the socket.
  await sleep(100)
}

/** Copies that nothing explains: one of something that came in a life which ended well, or too long before its kill. */
const needless = ({ items }: Deliveries): string[] =>
  [...items].flatMap(([name, { times }]) =>
    times.slice(0, -1).flatMap(at => {
      const life = lives.find(({ from }, index) => at >= from && at < (lives[index + 1]?.from ?? Number.POSITIVE_INFINITY))
      if (!life || life.end === 'terminated') return [`${name}: again after an orderly end`]
      return at < life.to - COPIED ? [`${name}: again although it came ${life.to - at} ms before the kill`] : []
    }),
  )

/** Every window up to `quiet` has closed, and every acknowledged item has come. */
const settled = (quiet: number): boolean => {
  const { items, closed } = deliveriesOf(backend.taken)
  const there = [...load.items].every(([item, acknowledged]) => !acknowledged || items.has(item))
  return there && load.workloads.every(({ id }) => (closed.get(id) ?? 0) >= quiet)
}

beforeAll(
  async () => {
    const random = new Random(SEED)
    folder = mkdtempSync(join(tmpdir(), 'kill-loop-'))
    backend = await RecordingBackend.open()
    // Slow and often busy: there is always something that was emitted and not acknowledged.
    const mood = new Random(SEED + 2)
    backend.judge = async () => {
      await sleep(mood.next() * 50)
      return mood.next() < 0.15 ? 'busy' : undefined
    }
    const [otlp, health, metrics] = await Promise.all([freePort(), freePort(), freePort()])
    const file = join(folder, 'pipeline.yaml')
    writeFileSync(file, config(otlp, health, metrics, backend.httpUrl, join(folder, 'streams')))
    gateway = new Gateway(file, {}, health)
    load = new FactoryLoad(`http://127.0.0.1:${otlp}`, new Random(SEED + 1), 4)
    const started = load.start()
    await endWith('killed', random)
    for (let round = 0; round < ROUNDS; round++)
      for (const way of ['killed', 'killed while starting', 'terminated', 'killed'] as const) await endWith(way, random)
    const from = Date.now()
    await gateway.start()
    await started
    await load.quiet(2 * WINDOW)
    const quiet = Date.now()
    // Whatever is missing then is missing; the tests say what.
    for (let waited = 0; waited < 20_000 && !settled(quiet); waited += 500) await sleep(500)
    const code = await gateway.stop()
    lives.push({ from, to: Date.now(), end: 'terminated' })
    // One more life with nothing to do: whatever it sent would be a copy.
    await gateway.start()
    await sleep(1500)
    expect([code, await gateway.stop()]).toEqual([0, 0])
  },
  60_000 * (1 + ROUNDS),
)

afterAll(async () => {
  await gateway.stop('SIGKILL')
  await backend.close()
  rmSync(folder, { recursive: true, force: true })
})

describe(`after kill -9, kill -9 while restoring and SIGTERM under load (KILL_SEED=${SEED})`, () => {
  let delivered: Deliveries
  beforeAll(() => {
    delivered = deliveriesOf(backend.taken)
  })

  test('there was load, there were lost answers, and there were copies to judge', () => {
    expect(load.requests.acknowledged).toBeGreaterThan(100)
    expect(load.requests.answersLost).toBeGreaterThan(10)
    expect(load.requests.repeated).toBeGreaterThan(load.requests.answersLost)
    expect([...delivered.items.values()].filter(({ times }) => times.length > 1).length).toBeGreaterThan(0)
  })

  test('every acknowledged span and sample is at the backend', () => {
    const lost = [...load.items].filter(([item, acknowledged]) => acknowledged && !delivered.items.has(item))
    expect(lost.slice(0, 20)).toEqual([])
  })

  test('nothing is there that was never sent', () => {
    const strange = [...delivered.items].filter(([name, { kind }]) => (kind === 'span' || kind === 'sample') && !load.items.has(name))
    expect(strange.map(([name]) => name).slice(0, 20)).toEqual([])
  })

  test('copies of a span, a sample, an event or a figure are equal', () => {
    const unequal = [...delivered.items].filter(([, { contents }]) => contents.size > 1)
    expect(unequal.slice(0, 20)).toEqual([])
  })

  test('copies are limited to what was emitted after the last checkpoint before a kill; an orderly end leaves none', () => {
    expect(needless(delivered).slice(0, 20)).toEqual([])
  })

  test('tokens, requests and energy over all events are those of the generator', () => {
    for (const { id, totals } of load.workloads) {
      const happened = new Map<string, number>()
      for (const [key, { first, last }] of totals) {
        const figure = key.split(' ')[0]!
        happened.set(figure, (happened.get(figure) ?? 0) + last - first)
      }
      for (const [figure, amount] of happened) {
        const said = sumOf(delivered.amounts, id, figure)
        expect({ id, figure, said, apart: Math.abs(said - amount) <= 1e-9 * amount }).toEqual({ id, figure, said, apart: true })
        expect(amount).toBeGreaterThan(0)
      }
    }
  })

  test('spans and the tokens they name are counted once each, however often their requests were repeated', () => {
    const there = [...delivered.items].filter(([, { kind }]) => kind === 'span').map(([id]) => load.spanTokens.get(id)!)
    const figures = (prefix: string) =>
      delivered.amounts.filter(({ figure }) => figure.startsWith(prefix)).reduce((sum, { value }) => sum + value, 0)
    expect(figures('ai_factory.spans{')).toBe(there.length)
    expect(figures('ai_factory.tokens.by_source{gen_ai.token.type=input}')).toBe(there.reduce((sum, { input }) => sum + input, 0))
    expect(figures('ai_factory.tokens.by_source{gen_ai.token.type=output}')).toBe(there.reduce((sum, { output }) => sum + output, 0))
  })
})
