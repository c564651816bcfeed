/** What a restore looks at (rule 20, decision 33). */
import fc from 'fast-check'
import type { Batch } from '../../proto/batch.js'
import { KIND } from './kinds.js'
import { Table, WINDOWING } from './testing/table.js'
import { batch, counter, gauge, logRecord, span } from './testing/telemetry.js'

const T0 = 1_700_000_000_000
const SECOND = 1000

/** What a sender may send `now`. */
const TELEMETRY = {
  span: (now: number, resource: Record<string, string>) =>
    batch('traces', {
      resource,
      items: [span({ start: now - 900, end: now - 100, kind: 'server', attributes: { 'gen_ai.usage.input_tokens': 3 } })],
    }),
  'late span': (now: number, resource: Record<string, string>) =>
    batch('traces', { resource, items: [span({ start: now - 41_000, end: now - 40_000 })] }),
  'too late span': (now: number, resource: Record<string, string>) =>
    batch('traces', { resource, items: [span({ start: now - 400_000, end: now - 320_000, kind: 'client' })] }),
  samples: (now: number, resource: Record<string, string>) =>
    batch('metrics', {
      resource,
      items: [
        gauge('DCGM_FI_DEV_GPU_UTIL', now - 50, now % 100, { UUID: 'GPU-a' }),
        counter('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', now - 50, now - T0, { UUID: 'GPU-a' }),
      ],
    }),
  'too late samples': (now: number, resource: Record<string, string>) =>
    batch('metrics', { resource, items: [gauge('DCGM_FI_DEV_GPU_UTIL', now - 320_000, 99, { UUID: 'GPU-b' })] }),
  log: (now: number, resource: Record<string, string>) => batch('logs', { resource, items: [logRecord(now - 10, { text: 'x' })] }),
} as const

const step = fc.record({
  what: fc.constantFrom(...(Object.keys(TELEMETRY) as (keyof typeof TELEMETRY)[])),
  workload: fc.constantFrom('a', 'b', ''),
  pause: fc.constantFrom(0, 1, 4, 20, 90).map(seconds => seconds * SECOND),
})

const told = (outs: readonly Batch[]) => outs.map(({ signal, slices }) => `${signal} ${Buffer.concat([...slices]).toString('hex')}`)

test('rule 20: a restore reads nothing but the header of what can neither fold nor wait, and comes to the same state', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), fc.nat(), (steps, at) => {
      let now = T0
      const script = steps.map(({ what, workload, pause }) => {
        now += pause
        return { now, batch: TELEMETRY[what](now, workload ? { 'ai_factory.workload.id': workload } : {}) }
      })
      const cut = at % script.length
      const play = (restart: 'none' | 'intact' | 'headers') => {
        const table = new Table()
        for (const { now, batch } of script.slice(0, cut)) table.append(now, batch)
        if (restart === 'headers') {
          const { log } = table.timetable
          for (const [i, raw] of log.entries()) {
            const tooLate = raw.lastTime <= raw.appendTime - WINDOWING.grace - WINDOWING.history
            const idle = raw.kind === KIND.logs || !KIND.joined(raw.kind) || tooLate
            // No request: whoever reads it throws, and is counted.
            if (idle && raw.kind >= KIND.traces) log[i] = { ...raw, value: Buffer.alloc(8, 0xff) }
          }
        }
        if (restart !== 'none') table.timetable.restart(table.timetable.checkpoint())
        table.take()
        const after = script.slice(cut)
        for (const { now, batch } of after) table.append(now, batch)
        // Copies of what came before the restart are still recognised.
        for (const { batch } of script.slice(-3)) table.append(now, batch)
        table.closeUntil(now, now + 40 * SECOND)
        return { outs: told(table.take()), state: table.timetable.stateBytes, held: table.timetable.heldChunks, ignored: table.ignored }
      }
      const headers = play('headers')
      expect(headers).toEqual(play('intact'))
      expect(headers.outs).toEqual(play('none').outs)
    }),
    { numRuns: 60 },
  )
})
