/**
 * `npm run prove [-- --seconds 300] [-- --speed 1] [-- --kills 0] [-- --seed 1] [-- --gateways 1] [-- --set KEY=VALUE]`: runs the factory from quiet to quiet through the gateway and
 * compares the sums over the correlated events with the factory's books. Exit code 0 = they agree.
 */
import { parseArgs } from 'node:util'
import { compare, type JoulesBetween, type Line, type Matching, matching } from './compare.js'
import { defaultPlan } from './plan.js'
import { Random } from './random.js'
import { openStage, type Stage } from './stage.js'

export interface ProofOptions {
  seconds: number
  speed: number
  /** kill -9 of the gateway at random moments, each followed by a start. */
  kills: number
  seed: number
  window: string
  grace: string
  /** `--set` of the gateways' command line. */
  settings: readonly string[]
  gateways: number
}

export interface Proof {
  lines: Line[]
  matching: Matching
  copies: Stage['backend']['copies']
  events: number
  /** Exit code of the gateway at the end. */
  code: number | null
  agrees: boolean
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const MATCHED = 0.99
const COVERAGE = 0.95

/** Joules of each workload ten times a second, to be asked between any two moments. */
const meter = (stage: Stage): { joules: JoulesBetween; stop: () => void } => {
  const readings: { at: number; books: ReturnType<Stage['simulation']['factory']['books']> }[] = []
  const read = () => {
    stage.simulation.factory.advance(Date.now())
    readings.push({ at: Date.now(), books: stage.simulation.factory.books() })
  }
  const timer = setInterval(read, 100)
  read()
  const at = (workload: string, moment: number): number => {
    const after = readings.findIndex(reading => reading.at >= moment)
    const next = readings[after < 0 ? readings.length - 1 : after]!
    const before = readings[Math.max(0, (after < 0 ? readings.length : after) - 1)]!
    const [from, to] = [before.books.get(workload)!.joules, next.books.get(workload)!.joules]
    return next.at === before.at ? to : from + ((to - from) * (moment - before.at)) / (next.at - before.at)
  }
  return { joules: (workload, from, to) => at(workload, to) - at(workload, from), stop: () => clearInterval(timer) }
}

const seconds = (text: string): number => Number(/^(\d+)s$/.exec(text)?.[1] ?? Number.NaN)

const killing = async (stage: Stage, { kills, seconds: length, seed }: ProofOptions): Promise<void> => {
  const random = new Random(seed)
  for (let kill = 0; kill < kills; kill++) {
    await sleep(((length * 1000) / kills) * (0.3 + random.next() * 0.6))
    const gateway = stage.gateways[kill % stage.gateways.length]!
    await gateway.stop('SIGKILL')
    await gateway.start()
  }
}

export const prove = async (options: ProofOptions): Promise<Proof> => {
  const { speed, seed, window, grace, settings, gateways } = options
  const stage = await openStage({ plan: defaultPlan(seed, speed), window, grace, open: false, settings, gateways })
  const energy = meter(stage)
  try {
    // Quiet: every counter and every GPU is seen once before the first request.
    await sleep(4000)
    stage.simulation.factory.open = true
    const from = Date.now()
    await killing(stage, options)
    await sleep(Math.max(0, options.seconds * 1000 - (Date.now() - from)))
    await stage.simulation.quiet()
    // Quiet again: the last scrapes, then until every window that held load has closed and gone out.
    await sleep(4000 + 2 * (seconds(window) + seconds(grace)) * 1000)
    energy.stop()
    const { backend, simulation } = stage
    const lines = compare(simulation.factory.books(), backend, 'demo/', energy.joules)
    const matched = matching(backend)
    const sound = matched.matchedShare >= MATCHED && matched.meanCoverage >= COVERAGE && backend.copies.differing === 0
    const code = await stage.close()
    return {
      lines,
      matching: matched,
      copies: backend.copies,
      events: backend.events.size,
      code,
      agrees: sound && lines.every(({ agrees }) => agrees),
    }
  } finally {
    energy.stop()
    await stage.close()
  }
}

export const printProof = (proof: Proof): void => {
  for (const { workload, figure, happened, said, agrees } of proof.lines)
    console.log(
      `${agrees ? 'agrees ' : 'DIFFERS'} ${workload.padEnd(28)} ${figure.padEnd(26)} happened ${happened.toFixed(3).padStart(16)} said ${said.toFixed(3).padStart(16)}`,
    )
  const { spans, matchedShare, meanCoverage, outcomes } = proof.matching
  console.log(
    `${spans} spans, ${(matchedShare * 100).toFixed(2)} % matched, mean coverage ${meanCoverage.toFixed(4)}, outcomes ${JSON.stringify(outcomes)}`,
  )
  console.log(
    `${proof.events} events; copies: ${proof.copies.spans} spans, ${proof.copies.events} events, ${proof.copies.differing} of them differing; gateway exit code ${proof.code}`,
  )
}

if (process.argv[1]?.endsWith('prove.js')) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '300' },
      speed: { type: 'string', default: '1' },
      kills: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      window: { type: 'string', default: '10s' },
      grace: { type: 'string', default: '15s' },
      set: { type: 'string', multiple: true, default: [] },
      gateways: { type: 'string', default: '1' },
    },
  })
  const proof = await prove({
    ...values,
    seconds: Number(values.seconds),
    speed: Number(values.speed),
    kills: Number(values.kills),
    seed: Number(values.seed),
    settings: values.set,
    gateways: Number(values.gateways),
  })
  printProof(proof)
  process.exitCode = proof.agrees ? 0 : 1
}
