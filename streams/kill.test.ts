import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Lives } from './testing/lives.js'

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 5)

test('kill -9 under load, again and again: what was acknowledged comes out, and every copy is equal', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kill-'))
  const lives = new Lives(directory, { directory: join(directory, 'streams'), max_size: '40MiB' })
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const life = lives.start()
      await life.began
      await sleep(150 + Math.random() * 700)
      await life.kill()
    }
    // One more, long enough to let everything out.
    const last = lives.start()
    await last.began
    await sleep(1500)
    await last.kill()
    expect(lives.acknowledged.size).toBeGreaterThan(50 * ROUNDS)
    expect(lives.missing(last)).toEqual([])
    expect([...lives.facts()].filter(([, texts]) => texts.size > 1)).toEqual([])
  } finally {
    await lives.killAll()
    rmSync(directory, { recursive: true })
  }
}, 120_000)
