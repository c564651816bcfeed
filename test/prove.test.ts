/** The proof and the demo as a user runs them, in short: `npm run prove` and `npm run demo`, not on a terminal. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { until } from './support/until.js'

interface Run {
  readonly child: ChildProcess
  said: string
  readonly code: Promise<number | null>
}

const run = (program: string, ...args: string[]): Run => {
  const child = spawn(process.execPath, [`dist/simulator/${program}.js`, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const started: Run = { child, said: '', code: once(child, 'close').then(([code]) => code as number | null) }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (started.said += text))
  return started
}

const DEPLOYMENTS = ['inference/chat-llama-70b', 'inference/code-qwen-32b', 'search/rerank-llama-8b']

const proofs = new Map<number, Run>()
// Both at once: most of their time is waiting.
beforeAll(() => {
  for (const speed of [1, 20])
    proofs.set(speed, run('prove', '--seconds', '8', '--speed', String(speed), '--window', '2s', '--grace', '3s'))
})
afterAll(() => {
  for (const { child } of proofs.values()) child.kill('SIGTERM')
})

describe.each([1, 20])('the proof at %i times the speed of life', speed => {
  test('sums over correlated events are the factory’s books, and spans meet the state of their GPUs', async () => {
    const proof = proofs.get(speed)!
    const code = await proof.code
    const figures = proof.said.split('\n').filter(line => /^(agrees|DIFFERS)/.test(line))
    expect({ code, differing: figures.filter(line => line.startsWith('DIFFERS')), said: proof.said }).toMatchObject({
      code: 0,
      differing: [],
    })
    // Tokens of three kinds, requests of three ends, joules, spans, good and judged requests, tenants; over all GPU seconds and the bill.
    for (const deployment of DEPLOYMENTS) expect(figures.filter(line => line.includes(deployment))).toHaveLength(11)
    expect(figures.filter(line => line.includes('(all)'))).toHaveLength(2)
    const [, spans, matched, coverage] = /^(\d+) spans, ([\d.]+) % matched, mean coverage ([\d.]+)/m.exec(proof.said)!.map(Number)
    expect(spans).toBeGreaterThan(10 * speed)
    expect(matched).toBeGreaterThanOrEqual(99)
    expect(coverage).toBeGreaterThanOrEqual(0.95)
    expect(proof.said).toContain('copies: 0 spans, 0 events, 0 of them differing; gateway exit code 0')
  }, 120_000)
})

/** Processes that it has started and not yet seen the end of. */
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/** Cells of the newest line of this deployment. */
const cells = (said: string, deployment: string): string[] =>
  said
    .split('\n')
    .filter(line => line.startsWith(`demo/${deployment} `))
    .at(-1)
    ?.trim()
    .split(/\s+/)
    .slice(1) ?? []

describe('the demo without a terminal', () => {
  test('every deployment gets its figures in plain lines; Ctrl-C ends it with 0 and leaves no process and no file', async () => {
    const demo = run('demo/index', '--seconds', '90', '--speed', '5')
    try {
      const whole = () =>
        DEPLOYMENTS.every(deployment => cells(demo.said, deployment).length === 10 && !cells(demo.said, deployment).includes('-'))
      await until('a table with every figure of every deployment', () => whole() || demo.child.exitCode !== null, 80_000)
      for (const deployment of DEPLOYMENTS) {
        const figures = cells(demo.said, deployment).map(Number)
        expect(figures).not.toContain(Number.NaN)
        const [requests, tokens, timeToFirstToken, utilization, watts, gpus] = figures
        expect([requests, tokens, timeToFirstToken, utilization, watts, gpus].every(figure => figure! > 0)).toBe(true)
      }
      expect(demo.said).not.toContain('\x1b')
      const children = childrenOf(demo.child.pid!)
      expect(children).toHaveLength(1)
      const folder = /data: (\S+)/.exec(demo.said)![1]!
      demo.child.kill('SIGINT')
      expect(await demo.code).toBe(0)
      expect(demo.said).toContain('The gateway drained and ended.')
      expect(children.filter(pid => existsSync(`/proc/${pid}`))).toEqual([])
      expect(existsSync(folder)).toBe(false)
    } finally {
      demo.child.kill('SIGTERM')
    }
  }, 120_000)

  test('it ends by itself after the seconds it was given', async () => {
    const demo = run('demo/index', '--seconds', '2', '--speed', '20')
    expect({ code: await demo.code, said: demo.said }).toMatchObject({
      code: 0,
      said: expect.stringContaining('The gateway drained and ended.'),
    })
  }, 60_000)
})
