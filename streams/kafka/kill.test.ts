/** Gateways of one group that are killed, frozen and joined by others, each a process of its own, on a real broker. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeKafka, sharedBrokers } from '../../test/support/kafka/index.js'
import { until } from '../../test/support/until.js'
import { Lives } from '../testing/lives.js'

const SESSION_MS = 3000

describeKafka('gateways that share a stream', () => {
  let brokers: string[]
  beforeAll(async () => {
    brokers = await sharedBrokers()
  }, 400_000)

  test('killed, frozen beyond their session and joined by others: what was acknowledged comes out, and every copy is equal', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kafka-kill-'))
    const topic = `kill-${process.pid}-${Date.now()}`
    const lives = new Lives(directory, { driver: 'kafka', brokers, topic, session_timeout: `${SESSION_MS}ms` })
    try {
      const first = lives.start()
      await first.began
      const second = lives.start()
      await second.began
      await sleep(1500)
      await first.kill()
      // The second owns everything once the first's session is over; then it is frozen for longer than its own.
      await sleep(SESSION_MS + 1500)
      const third = lives.start()
      await third.began
      await sleep(1000)
      second.process.kill('SIGSTOP')
      await sleep(2 * SESSION_MS)
      second.process.kill('SIGCONT')
      await sleep(1000)
      await third.kill()
      await sleep(500)
      await second.kill()
      const last = lives.start()
      await last.began
      await until('everything acknowledged has come out', () => lives.missing(last).length === 0, 40_000)
      expect([...lives.facts()].filter(([, texts]) => texts.size > 1)).toEqual([])
      expect(lives.acknowledged.size).toBeGreaterThan(200)
    } finally {
      await lives.killAll()
      rmSync(directory, { recursive: true })
    }
  }, 120_000)
})
