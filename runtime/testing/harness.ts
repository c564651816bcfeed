/** What one component needs to run alone, with everything it says kept for the test to read. */
import type { Clock, Context, Host, Upstream } from '../component.js'
import { HEALTH, Health } from '../health.js'
import { TokenMap } from '../host.js'
import { TestClock } from './clock.js'
import { TestLog } from './log.js'
import { TestMeter } from './meter.js'
import { Recorder } from './recorder.js'

export interface Harness<C extends Clock = TestClock> {
  readonly clock: C
  readonly log: TestLog
  readonly meter: TestMeter
  /** What the component sends on. */
  readonly out: Recorder
  readonly health: Health
  readonly context: Context
  readonly upstream: Upstream
}

export interface HarnessOptions<C extends Clock> {
  /** What the component looks up; the health of the gateway is always there. */
  readonly host?: Host
  readonly pipeline?: string
  /** Time by hand unless another clock is given. */
  readonly clock?: C
}

export const harness = <C extends Clock = TestClock>(
  id: string,
  { host, pipeline = 'test', clock = new TestClock() as Clock as C }: HarnessOptions<C> = {},
): Harness<C> => {
  const log = new TestLog()
  const meter = new TestMeter()
  const out = new Recorder()
  const health = new Health(clock)
  const context = { id, log, meter, clock, host: new TokenMap(host).put(HEALTH, health) }
  return { clock, log, meter, out, health, context, upstream: { ...context, next: out.consume, pipeline } }
}
