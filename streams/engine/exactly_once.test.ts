import type { Checkpoint } from '../driver.js'
import { ManualClock } from '../testing/clock.js'
import { ExactlyOnce } from './exactly_once.js'

const checkpoint = (next: number): Checkpoint => ({
  streamTime: 1,
  next,
  oldest: next,
  oldestStreamTime: 1,
  windowing: { window: 1, grace: 1, maxGap: 1, history: 10 },
  needed: next,
  evictedBelow: 0,
})
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** What happened, in order. `hold` keeps deliveries and commits until `go`. */
const scene = () => {
  const clock = new ManualClock()
  const said: string[] = []
  const held: (() => void)[] = []
  let holding = false
  let failing: string | undefined
  const at = async (what: string): Promise<void> => {
    said.push(what)
    if (holding) await new Promise<void>(resolve => held.push(resolve))
    if (failing === what) throw new Error(what)
  }
  const egress = new ExactlyOnce<string>(
    {
      clock,
      size: out => out.length,
      transactions: {
        begin: partition => {
          said.push(`begin ${partition}`)
          return { send: async () => {}, commit: ({ next }) => at(`commit ${partition}@${next}`) }
        },
        restart: partition => void said.push(`restart ${partition}`),
      },
      deliver: outs => at(`deliver ${outs.join('+')}`),
      commit: checkpoints => at(`plain ${[...checkpoints].map(([partition, { next }]) => `${partition}@${next}`).join(' ')}`),
      committed: () => void said.push('committed'),
      commitFailed: error => void said.push(`not committed: ${(error as Error).message}`),
      rejected: error => void said.push(`rejected: ${(error as Error).message}`),
    },
    500,
  )
  return {
    egress,
    clock,
    said,
    moment: (...moments: (readonly [partition: number, next: number])[]) =>
      egress.take(new Map(moments.map(([partition, next]) => [partition, checkpoint(next)]))),
    fail: (what: string | undefined) => {
      failing = what
    },
    hold: () => {
      holding = true
    },
    go: async () => {
      holding = false
      for (const resolve of held.splice(0)) resolve()
      await turn()
    },
  }
}

describe('exactly once', () => {
  test('outputs of a partition and the moment behind them are one transaction; what comes after belongs to the next', async () => {
    const { egress, said, moment, hold, go } = scene()
    egress.add(0, 'a')
    egress.add(0, 'b')
    hold()
    moment([0, 5])
    egress.add(0, 'c')
    egress.flush()
    await turn()
    expect(said).toEqual(['begin 0', 'deliver a+b'])
    expect(egress.due).toBe(false)
    await go()
    expect(said).toEqual(['begin 0', 'deliver a+b', 'commit 0@5', 'committed', 'begin 0', 'deliver c'])
    expect(egress.bytes).toBe(0)
  })

  test('partitions that emitted nothing are committed together, without a transaction, and what they emit next waits for it', async () => {
    const { egress, said, moment, hold, go } = scene()
    egress.add(2, 'x')
    hold()
    moment([0, 5], [1, 6], [2, 7])
    egress.add(1, 'y')
    egress.flush()
    moment([1, 8])
    await turn()
    expect(said).toEqual(['begin 2', 'deliver x', 'plain 0@5 1@6'])
    await go()
    expect(said.slice(3)).toEqual(['committed', 'commit 2@7', 'committed', 'begin 1', 'deliver y', 'commit 1@8', 'committed'])
  })

  test('a lane that fails is given up with all that is on it, the others go on; it begins again when it is assigned anew', async () => {
    const { egress, said, moment, fail, hold, go } = scene()
    egress.add(0, 'a')
    egress.add(1, 'z')
    egress.flush()
    await turn()
    hold()
    fail('commit 0@5')
    moment([0, 5], [1, 5])
    egress.add(0, 'after')
    await turn()
    await go()
    expect(said).toContain('rejected: commit 0@5')
    expect(said).toContain('restart 0')
    expect(said).toContain('commit 1@5')
    egress.add(0, 'lost with it')
    egress.flush()
    moment([0, 9])
    expect(egress.bytes).toBe(0)
    expect(said.filter(line => line.includes('after') || line.includes('lost') || line.includes('0@9'))).toEqual([])
    fail(undefined)
    egress.drop(0)
    egress.add(0, 'a')
    moment([0, 5])
    await turn()
    expect(said.slice(-4)).toEqual(['begin 0', 'deliver a', 'commit 0@5', 'committed'])
  })

  test('a stop waits for the last moment; what is in flight when it may wait no longer is not committed', async () => {
    const { egress, said, hold, go } = scene()
    egress.add(0, 'a')
    await egress.finish(() => new Map([[0, checkpoint(5)]]), new AbortController().signal)
    expect(said).toEqual(['begin 0', 'deliver a', 'commit 0@5', 'committed'])
    egress.add(0, 'b')
    hold()
    const deadline = new AbortController()
    const finishing = egress.finish(() => new Map([[0, checkpoint(6)]]), deadline.signal)
    deadline.abort()
    egress.wake()
    await finishing
    egress.close()
    await go()
    expect(said.slice(4)).toEqual(['begin 0', 'deliver b'])
  })
})
