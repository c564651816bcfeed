import fc from 'fast-check'
import type { Batch } from '../../proto/batch.js'
import type { CorrelatedEvent } from '../../proto/events/event.js'
import { eventsOf, Table, WINDOWING } from './testing/table.js'
import { batch, counter, gauge, type Values } from './testing/telemetry.js'

const T0 = 1_700_000_000_000
const s = (seconds: number) => T0 + seconds * 1000
const HOST = 'node-1'
const UNALLOCATED = `unallocated/${HOST}`

/** Whose a device is: workload → share, absent = whole; slices as MIG has them; owners named by one record, as tables have them. */
interface Holding {
  readonly owners: readonly { id: string; pod: string; share?: number; slice?: string; others?: readonly string[] }[]
}
const IDLE: Holding = { owners: [] }
const whole = (id: string, pod = `${id}-0`): Holding => ({ owners: [{ id, pod }] })

const sample = (at: number, uuid: string, joules: number, { owners }: Holding) => {
  const told = owners.length > 0 ? owners : [{ id: UNALLOCATED, pod: '', share: undefined, slice: undefined, others: undefined }]
  return told.map(({ id, pod, share, slice, others }) => {
    const resource: Values = {
      'ai_factory.workload.id': id,
      ...(share === undefined ? {} : { 'ai_factory.gpu.share': share }),
      ...(others ? { 'ai_factory.gpu.owners': others } : {}),
    }
    const labels: Values = { UUID: uuid, Hostname: HOST, ...(pod ? { pod } : {}), ...(slice ? { GPU_I_ID: slice } : {}) }
    return {
      resource,
      items: [
        counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', s(at), joules * 1000, labels),
        gauge('DCGM_FI_DEV_GPU_UTIL', s(at), 50, labels),
      ],
    }
  })
}

const run = (steps: readonly (readonly [number, Batch])[], until: number, table = new Table()): CorrelatedEvent[] => {
  let last = 0
  for (const [at, out] of steps) {
    for (let second = last; second < Math.floor(at); second++) table.tick(s(second))
    table.append(s(at), out)
    last = Math.floor(at)
  }
  table.closeUntil(s(last + 1), s(until))
  expect(table.timetable.errors).toEqual([])
  return eventsOf(table.take())
}
const joulesOf = (events: readonly CorrelatedEvent[], workload?: string) =>
  events
    .filter(({ workloadId }) => workload === undefined || workloadId === workload)
    .reduce((sum, { gpu }) => sum + (gpu?.energyJoules ?? 0) + (gpu?.lateEnergyJoules ?? 0), 0)

/** 100 W; sampled every 5 s. */
const story = (holdings: readonly Holding[]) =>
  run(
    holdings.map((holding, i) => [5 * i, batch('metrics', ...sample(5 * i, 'GPU-a', 500 * i, holding))] as const),
    5 * holdings.length + 100,
  )

describe('energy of devices that change hands', () => {
  const [a, b] = [whole('a'), whole('b')]
  test.each([
    ['idle to owned: the interval is nobody’s', [IDLE, IDLE, a, a], { [UNALLOCATED]: 1000, a: 500 }],
    ['owned to idle: the interval is nobody’s', [a, a, IDLE, IDLE], { a: 500, [UNALLOCATED]: 1000 }],
    ['from one to another: the interval is nobody’s', [a, a, b, b], { a: 500, [UNALLOCATED]: 500, b: 500 }],
    ['never owned', [IDLE, IDLE, IDLE], { [UNALLOCATED]: 1000 }],
    ['owned all the time: nothing is left over', [a, a, a, a], { a: 1500 }],
    [
      'to another pod of the workload: the interval is nobody’s',
      [a, a, whole('a', 'a-1'), whole('a', 'a-1')],
      { a: 1000, [UNALLOCATED]: 500 },
    ],
    [
      'MIG slices that do not cover the device: the rest is nobody’s',
      [0, 1, 2].map(() => ({
        owners: [
          { id: 'a', pod: 'a-0', share: 0.25, slice: '1' },
          { id: 'b', pod: 'b-0', share: 0.5, slice: '2' },
        ],
      })),
      { a: 250, b: 500, [UNALLOCATED]: 250 },
    ],
    [
      'two owners named by one record',
      [0, 1, 2].map(() => ({ owners: [{ id: 'a', pod: '', share: 0.5, others: ['b'] }] })),
      { a: 500, b: 500 },
    ],
    [
      'alone, then shared, then alone again: each interval by the share at its end',
      [
        a,
        a,
        ...[0, 1].map(() => ({
          owners: [
            { id: 'a', pod: 'a-0', share: 0.5 },
            { id: 'b', pod: 'b-0', share: 0.5 },
          ],
        })),
        a,
        a,
      ],
      { a: 500 + 250 + 250 + 1000, b: 250, [UNALLOCATED]: 250 },
    ],
  ])('%s', (_title, holdings, expected) => {
    const events = story(holdings)
    const workloads = [
      ...new Set(events.filter(({ gpu }) => gpu?.energyJoules || gpu?.lateEnergyJoules).map(({ workloadId }) => workloadId)),
    ]
    expect(workloads.sort()).toEqual(Object.keys(expected).sort())
    for (const [workload, joules] of Object.entries(expected)) expect(joulesOf(events, workload)).toBeCloseTo(joules, 6)
  })

  test('a host whose devices are all owned has no event, and owned devices are not counted on it', () => {
    const sampled = story([a, a, a, a, a, a]).filter(({ windowStartMs }) => windowStartMs < s(100))
    expect(sampled.map(({ workloadId }) => workloadId)).not.toContain(UNALLOCATED)
    const changed = story([IDLE, IDLE, a, a, a, a, a, a]).filter(({ workloadId }) => workloadId === UNALLOCATED)
    expect(changed[0]?.gpu).toMatchObject({ count: 1 })
  })

  test('the samples themselves go on once', () => {
    const table = new Table()
    table.append(s(0), batch('metrics', ...sample(0, 'GPU-a', 0, a)))
    expect(table.take().map(({ signal }) => signal)).toEqual(['metrics'])
    expect(table.outcomes).toEqual({ passed: 2 })
  })
})

const holding = fc.oneof(
  fc.constant(IDLE),
  fc.constantFrom('a', 'b', 'c').map(id => whole(id)),
  fc.double({ min: 0.1, max: 0.9, noNaN: true }).map(share => ({
    owners: [
      { id: 'a', pod: 'a-0', share },
      { id: 'b', pod: 'b-0', share: 1 - share },
    ],
  })),
  fc.constant({ owners: [{ id: 'a', pod: '', share: 1 / 3, others: ['b', 'c'] }] }),
  fc.constant({
    owners: [
      { id: 'a', pod: 'a-0', share: 2 / 7, slice: '1' },
      { id: 'c', pod: 'c-0', share: 3 / 7, slice: '2' },
    ],
  }),
)
/** Devices one after another in somebody's hands for some scrapes; `rises` are joules between scrapes. */
const plan = fc.record({
  every: fc.integer({ min: 1, max: 9 }),
  devices: fc.array(fc.array(fc.tuple(holding, fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 8 }), {
    minLength: 1,
    maxLength: 3,
  }),
  rises: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 20 }),
  skipped: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 8 }),
  delays: fc.array(fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 0, max: 3 }) }, fc.integer({ min: 0, max: 40 })), {
    minLength: 1,
    maxLength: 20,
  }),
  doubled: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 5 }),
})

/** `returns`: a pod may come back to a device it has left. */
const told = (
  { every, devices, rises, skipped, delays, doubled }: typeof plan extends fc.Arbitrary<infer P> ? P : never,
  late: boolean,
  returns: boolean,
) => {
  const turns = devices.map(spells =>
    spells.flatMap(([{ owners }, scrapes], spell) =>
      Array.from(
        { length: scrapes },
        (): Holding => ({ owners: returns ? owners : owners.map(owner => ({ ...owner, pod: `${owner.pod}${spell}` })) }),
      ),
    ),
  )
  const scrapes = Math.max(...turns.map(({ length }) => length))
  const steps: [number, Batch][] = []
  const first: number[] = []
  const last: number[] = []
  const joules = devices.map((_, d) => 1000 * d)
  for (let scrape = 0; scrape < scrapes; scrape++) {
    for (let d = 0; d < joules.length; d++) joules[d]! += rises[(scrape * 3 + d) % rises.length]!
    if (skipped.includes(scrape)) continue
    const at = scrape * every
    const groups = turns.flatMap((turn, d) => {
      const held = turn[scrape]
      if (!held) return []
      first[d] ??= joules[d]!
      last[d] = joules[d]!
      return sample(at, `GPU-${d}`, joules[d]!, held)
    })
    // What comes too late for a base cannot be counted: the first samples come in time.
    const delay = late && at >= 20 ? delays[scrape % delays.length]! : 0
    const out = batch('metrics', ...groups)
    steps.push([at + delay, out])
    if (doubled.includes(scrape)) steps.push([at + delay + 7, out])
  }
  return { steps: steps.sort(([x], [y]) => x - y), used: first.reduce((sum, from, d) => sum + last[d]! - from, 0) }
}
const near = (got: number, expected: number) => expect(Math.abs(got - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, expected))

describe('all joules over all workloads', () => {
  test('are what the devices used, over random owners, shares, slices, scrape gaps and copies', () => {
    fc.assert(
      fc.property(plan, random => {
        const { steps, used } = told(random, false, false)
        near(joulesOf(run(steps, 700)), used)
      }),
      { numRuns: 50 },
    )
  })

  test('are never less, and what an owner claims after the time had been booked as nobody’s is taken from the next of nobody’s joules', () => {
    fc.assert(
      fc.property(plan, fc.boolean(), fc.boolean(), (random, late, returns) => {
        const { steps, used } = told(random, late, returns)
        expect(joulesOf(run(steps, 700))).toBeGreaterThanOrEqual(used * (1 - 1e-9))
        const spare = (second: number) => [second, batch('metrics', ...sample(second, 'GPU-spare', second * 10_000, IDLE))] as const
        const table = new Table({}, { ...WINDOWING, maxGap: 900_000, history: 2_000_000 })
        near(joulesOf(run([...steps, spare(600), spare(620)], 700, table)), used + 200_000)
      }),
      { numRuns: 40 },
    )
  })

  test('rule 20: restored at any moment, the join books the same after it as if nothing had happened', () => {
    fc.assert(
      fc.property(plan, fc.boolean(), fc.array(fc.nat({ max: 260 }), { minLength: 1, maxLength: 4 }), (random, late, restarts) => {
        const { steps } = told(random, late, false)
        const outputs = (stops: readonly number[]) => {
          const table = new Table({}, { ...WINDOWING, maxGap: 20_000, history: 70_000 })
          const bytes: string[] = []
          const drain = () => {
            for (const out of table.take()) bytes.push(`${out.signal} ${Buffer.concat([...out.slices]).toString('hex')}`)
          }
          let next = 0
          for (let second = 0; second < 300; second++) {
            for (; next < steps.length && steps[next]![0] <= second; next++) table.append(s(second), steps[next]![1])
            table.tick(s(second) + 500)
            drain()
            if (stops.includes(second)) {
              table.timetable.restart(table.timetable.checkpoint())
              drain()
            }
          }
          return bytes
        }
        expect(outputs(restarts)).toEqual(outputs([]))
      }),
      { numRuns: 40 },
    )
  })
})
