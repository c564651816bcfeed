/**
 * What the join on Kafka promises when gateways die, freeze and stop. CHAOS_BLOWS and CHAOS_FREEZE_SECONDS make it longer:
 * `CHAOS_BLOWS=20 CHAOS_FREEZE_SECONDS=60 npx jest test/kafka-chaos` takes half an hour.
 */
import { type Blow, Chaos } from './support/kafka/chaos.js'
import { describeKafka, sharedBrokers } from './support/kafka/index.js'

const BLOWS: readonly Blow[] = ['SIGKILL', 'SIGSTOP', 'SIGKILL', 'SIGTERM']
const blows = Array.from({ length: Number(process.env.CHAOS_BLOWS ?? BLOWS.length) }, (_, turn) => BLOWS[turn % BLOWS.length]!)
const freeze = Number(process.env.CHAOS_FREEZE_SECONDS ?? 9) * 1000
const TIMEOUT = 240_000 + blows.length * (freeze + 20_000)

describeKafka('three gateways that share a stream, killed, frozen and stopped', () => {
  let chaos: Chaos | undefined
  const unleash = async (exactlyOnce: boolean): Promise<Chaos> => {
    chaos = await Chaos.prepare({ brokers: await sharedBrokers(), gateways: 3, blows, freeze, exactlyOnce })
    await chaos.run()
    expect(chaos.acknowledged.length).toBeGreaterThan(500)
    return chaos
  }
  const doubled = (found: Map<string, readonly unknown[]>): string[] => [...found].flatMap(([id, each]) => (each.length > 1 ? [id] : []))
  afterEach(() => chaos?.end())

  it(
    'lose nothing that was acknowledged; copies are equal, and only of what left around a blow',
    async () => {
      const { acknowledged, strange, ...rest } = await unleash(false).then(it => ({
        acknowledged: it.acknowledged,
        strange: it.strange,
        spans: it.seen('everything', 'spans'),
        events: it.seen('everything', 'events'),
        unexplained: [...it.unexplained(it.seen('everything', 'spans')), ...it.unexplained(it.seen('everything', 'events'))],
      }))
      const { spans, events, unexplained } = rest
      expect([...spans.keys()].sort()).toEqual([...acknowledged].sort())
      const contents = (sightings: readonly { content: string }[]): number => new Set(sightings.map(({ content }) => content)).size
      expect([...spans, ...events].filter(([, sightings]) => contents(sightings) > 1)).toEqual([])
      expect(unexplained).toEqual([])
      expect(strange).toEqual([])
      process.stderr.write(
        `at least once: ${acknowledged.length} spans, ${events.size} events; twice: ${doubled(spans).length} and ${doubled(events).length}\n`,
      )
    },
    TIMEOUT,
  )

  it(
    'let readers of what is committed see every span and every event once with exactly_once',
    async () => {
      const it = await unleash(true)
      const spans = it.seen('committed', 'spans')
      const events = it.seen('committed', 'events')
      expect([...spans.keys()].sort()).toEqual([...it.acknowledged].sort())
      expect([...doubled(spans), ...doubled(events)]).toEqual([])
      expect(events.size).toBeGreaterThan(20)
      expect(it.strange).toEqual([])
      // Something was given up on the way, or nothing was proved.
      const count = (found: Map<string, readonly unknown[]>): number => [...found.values()].reduce((sum, { length }) => sum + length, 0)
      const everything = count(it.seen('everything', 'spans')) + count(it.seen('everything', 'events'))
      expect(everything).toBeGreaterThan(spans.size + events.size)
      process.stderr.write(
        `exactly once: ${spans.size} spans, ${events.size} events; given up on the way: ${everything - spans.size - events.size}\n`,
      )
    },
    TIMEOUT,
  )
})
