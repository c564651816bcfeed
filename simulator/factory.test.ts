import { Factory } from './factory.js'
import { defaultPlan } from './plan.js'

const run = (seed: number, speed: number, factorySeconds: number) => {
  const finished: { id: string; seconds: number }[] = []
  const factory = new Factory(defaultPlan(seed, speed), 1e12, (_, request) =>
    finished.push({ id: request.id, seconds: ((request.finishedAt - request.arrivedAt) / 1000) * speed }),
  )
  factory.advance(1e12 + (factorySeconds * 1000) / speed)
  factory.open = false
  for (let wait = 1; !factory.quiet && wait < 1000; wait++) factory.advance(1e12 + ((factorySeconds + wait) * 1000) / speed)
  return { factory, finished }
}

test('a seed repeats the factory, and a speed factor tells the same story in less time', () => {
  const [slow, again, fast, other] = [run(1, 1, 120), run(1, 1, 120), run(1, 20, 120), run(2, 1, 120)]
  expect(again.finished).toEqual(slow.finished)
  expect(fast.finished.map(({ id }) => id)).toEqual(slow.finished.map(({ id }) => id))
  for (const [index, { seconds }] of fast.finished.entries()) expect(seconds).toBeCloseTo(slow.finished[index]!.seconds, 2)
  expect(other.finished.map(({ id }) => id)).not.toEqual(slow.finished.map(({ id }) => id))
})

test('a speed factor keeps watts and divides joules', () => {
  const joules = ({ factory }: ReturnType<typeof run>) => factory.books().get('inference/chat-llama-70b')!.joules
  expect(joules(run(1, 1, 120)) / joules(run(1, 20, 120))).toBeCloseTo(20, 0)
})

test('queueing, cache and power follow from the arrivals', () => {
  const busy = (requestsPerSecond: number) => {
    const plan = defaultPlan(3)
    const [first] = plan.deployments
    const factory = new Factory({ ...plan, deployments: [{ ...first!, requestsPerSecond, swing: 0 }] }, 1e12, () => {})
    factory.advance(1e12 + 120_000)
    const [replica] = factory.replicas
    return {
      waiting: replica!.engine.waiting.length,
      kv: replica!.engine.kvUsed / replica!.engine.spec.kvTokens,
      watts: replica!.gpus[0]!.watts,
    }
  }
  const [calm, full] = [busy(0.5), busy(60)]
  expect(calm.waiting).toBe(0)
  expect(full.waiting).toBeGreaterThan(50)
  expect(full.kv).toBeGreaterThan(calm.kv * 3)
  expect(full.watts).toBeGreaterThan(calm.watts + 50)
})

test('the books are the engines own counts: every finished request has both its spans and its tokens', () => {
  const { factory, finished } = run(1, 1, 60)
  const books = [...factory.books().values()]
  const total = (of: (entry: (typeof books)[number]) => number) => books.reduce((sum, entry) => sum + of(entry), 0)
  expect(total(({ requests }) => requests.stop + requests.length + requests.abort)).toBe(finished.length)
  expect(total(({ spans }) => spans)).toBe(finished.length * 2)
  for (const { engine } of factory.replicas) {
    expect(engine.timeToFirstToken.count).toBe(engine.finished.stop + engine.finished.length + engine.finished.abort)
    expect(engine.interToken.count + engine.timeToFirstToken.count).toBe(engine.generatedTokens)
  }
})
