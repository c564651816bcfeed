/** What one component needs to run alone, with everything it says kept for the test to read. */
import type { Context, Host, Upstream } from '../component.js'
import { HEALTH, Health } from '../health.js'
import { TokenMap } from '../host.js'
import { TestClock } from './clock.js'
import { TestLog } from './log.js'
import { TestMeter } from './meter.js'
import { Recorder } from './recorder.js'

export interface Harness {
  readonly clock: TestClock
  readonly log: TestLog
  readonly meter: TestMeter
  /** What the component sends on. */
  readonly out: Recorder
  readonly health: Health
  readonly context: Context
  readonly upstream: Upstream
}

/** `host` adds what the component looks up; the health of the gateway is always there. */
export const harness = (
  id: string,
  { host, pipeline = 'test', clock = new TestClock() }: { host?: Host; pipeline?: string; clock?: TestClock } = {},
): Harness => {
  const log = new TestLog()
  const meter = new TestMeter()
  const out = new Recorder()
  const health = new Health(clock)
  const context = { id, log, meter, clock, host: new TokenMap(host).put(HEALTH, health) }
  return { clock, log, meter, out, health, context, upstream: { ...context, next: out.consume, pipeline } }
}
