/** The promise about the event loop. */
import { SystemClock } from '../../runtime/clock.js'
import { harness } from '../../runtime/testing/harness.js'
import { HttpScraper } from './http.js'
import { bodyReader } from './loop.js'
import { completeJob, options } from './options.js'
import { TargetSeries } from './series/target_series.js'
import { targetOf } from './target.js'
import { manySeries } from './testing/expositions.js'
import { FarTarget } from './testing/far_target.js'
import { Turns } from './turns.js'

const SERIES = 100_000
const LONGEST_PAUSE = 50
const ROUNDS = 5

/**
 * Watches every turn of the event loop. A turn counts as the time it took or the processor time this process used in it, whichever is less:
 * on a busy machine others hold the processor too, and that is not ours to bound.
 */
class TurnWatch {
  longest = 0
  private stopped = false

  constructor() {
    this.watch(performance.now(), process.cpuUsage())
  }

  stop(): void {
    this.stopped = true
  }

  private watch(began: number, used: NodeJS.CpuUsage): void {
    setImmediate(() => {
      const { user, system } = process.cpuUsage(used)
      this.longest = Math.max(this.longest, Math.min(performance.now() - began, (user + system) / 1000))
      if (!this.stopped) this.watch(performance.now(), process.cpuUsage())
    })
  }
}

/** Longest pause, in milliseconds, while one target is scraped for the first time and twice again. */
const longestPause = async (bodies: readonly string[]): Promise<number> => {
  const far = await FarTarget.serve(bodies)
  const clock = new SystemClock()
  const { config } = options.parse({ config: { scrape_configs: [{ job_name: 'big', static_configs: [{ targets: [far.address] }] }] } })
  const job = completeJob(config.scrape_configs[0]!, config.global)
  const target = targetOf(new Map([['__address__', far.address]]), job)!
  const http = new HttpScraper(job, harness('prometheus', { clock }).context)
  const turns = new Turns(clock)
  const series = new TargetSeries({ ...job, labels: target.labels, server: target.server, external_labels: new Map() }, turns, 1)
  const turn = new TurnWatch()
  try {
    for (const _ of bodies) {
      series.begin(clock.now())
      await http.scrape(target, bodyReader(series, turns), AbortSignal.timeout(60_000), () => {})
      const sending = await series.finish(0)
      expect((await sending.write()).items).toBe(SERIES + 5)
    }
    return turn.longest
  } finally {
    turn.stop()
    http.close()
    await far.close()
  }
}

test('100,000 series in one exposition hold the event loop for less than 50 ms, new or known', async () => {
  const bodies = [0, 1, 2].map(round => manySeries(SERIES, round))
  const pauses: number[] = []
  // A collection of garbage may fall into any turn; a receiver that does not yield pauses every time.
  while (pauses.length < ROUNDS && !pauses.some(pause => pause < LONGEST_PAUSE)) pauses.push(await longestPause(bodies))
  expect(Math.min(...pauses)).toBeLessThan(LONGEST_PAUSE)
}, 120_000)
