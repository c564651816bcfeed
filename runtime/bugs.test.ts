import type { EventEmitter } from 'node:events'
import { guardAgainstBugs } from './bugs.js'
import { TestLog } from './testing/log.js'
import { TestMeter } from './testing/meter.js'

/** Jest keeps its own handlers on the real process; the guard's are called as Node would call them. */
const raise = (event: string, error: Error) => (process as EventEmitter).listeners(event).at(-1)!(error)

describe('bug guard', () => {
  it('logs the stack, counts, stops once in order and exits 1, also when the stop fails and another bug follows', async () => {
    const [log, meter] = [new TestLog(), new TestMeter()]
    const codes: number[] = []
    let stops = 0
    const release = guardAgainstBugs({
      log,
      meter,
      stop: async () => {
        stops += 1
        throw new Error('stop failed')
      },
      exit: code => codes.push(code),
    })
    try {
      raise('uncaughtException', new Error('first'))
      raise('unhandledRejection', new Error('second'))
    } finally {
      release()
    }
    await new Promise(setImmediate)
    expect([stops, codes]).toEqual([1, [1]])
    expect(meter.sum('ai_factory_gateway_bugs', { source: 'uncaught_exception' })).toBe(1)
    expect(meter.sum('ai_factory_gateway_bugs', { source: 'unhandled_rejection' })).toBe(1)
    expect(log.lines.map(line => line.fields.stack)).toEqual([expect.stringContaining('first'), expect.stringContaining('second')])
  })

  it('takes its handlers off again', () => {
    const before = process.listenerCount('uncaughtException')
    guardAgainstBugs({ log: new TestLog(), meter: new TestMeter(), stop: async () => {}, exit() {} })()
    expect(process.listenerCount('uncaughtException')).toBe(before)
  })
})
