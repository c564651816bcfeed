/** Builds what the plan says, runs it until a signal, and stops it in order. */
import { problemText } from '../config/problem.js'
import { Admission, MemoryAdmission } from '../runtime/admission.js'
import { guardAgainstBugs } from '../runtime/bugs.js'
import { SystemClock } from '../runtime/clock.js'
import type { Clock } from '../runtime/component.js'
import { buildGraph, type Graph } from '../runtime/graph.js'
import { keepHeadroom } from '../runtime/heap.js'
import { TokenMap } from '../runtime/host.js'
import { FAREWELL_MS } from '../runtime/lifecycle.js'
import type { RootLog } from '../runtime/log.js'
import { OwnTelemetry } from '../runtime/telemetry/own.js'
import { TRANSACTIONS, Transactions } from '../runtime/transactions.js'
import { openStreams, STREAMS } from '../streams/index.js'
import type { Plan } from './plan.js'
import { listenForSignals } from './signals.js'
import { startProblem } from './start-problem.js'
import { summary } from './summary.js'

const NEVER = 2 ** 31 - 1

/** A signal that fires after `ms`. */
const deadlineAfter = (clock: Clock, ms: number): { signal: AbortSignal; cancel: () => void } => {
  const controller = new AbortController()
  return { signal: controller.signal, cancel: clock.after(ms, () => controller.abort()) }
}

/** One running gateway. */
class Gateway {
  private readonly clock = new SystemClock()
  private readonly telemetry: OwnTelemetry
  private graph: Graph | undefined
  private readonly endHeadroom = keepHeadroom(this.clock)

  constructor(
    private readonly plan: Plan,
    version: string,
  ) {
    this.telemetry = new OwnTelemetry({ telemetry: plan.service.telemetry, clock: this.clock, version })
  }

  get log(): RootLog {
    return this.telemetry.log
  }

  get meter() {
    return this.telemetry.meter
  }

  /** Resolves when every receiver listens. */
  async start(): Promise<void> {
    const { plan, clock, telemetry } = this
    await telemetry.start()
    const { log, meter, tracer } = telemetry
    const host = new TokenMap()
      .put(Admission, new MemoryAdmission(clock))
      .put(TRANSACTIONS, new Transactions())
      .put(STREAMS, openStreams(plan.streams, { clock, log: log.with({ component: 'streams' }), meter }))
    this.graph = buildGraph(plan.graph, { log, meter, clock, host, tracer })
    await this.graph.start()
  }

  /** Whether everything was settled within `service.shutdown_timeout`. */
  async stop(): Promise<boolean> {
    const { signal, cancel } = deadlineAfter(this.clock, Math.max(0, this.plan.service.shutdown_timeout - FAREWELL_MS))
    await this.graph?.stop(signal)
    await this.telemetry.stop(signal)
    this.endHeadroom()
    cancel()
    return !signal.aborted
  }
}

/** Resolves with the exit code: 0 after an orderly stop, 1 when the gateway could not start or could not deliver everything in time. */
export const run = async (plan: Plan, version: string): Promise<number> => {
  const gateway = new Gateway(plan, version)
  const { log } = gateway
  const exitNow = (code: number): void => {
    log.flush()
    process.exit(code)
  }
  const unguard = guardAgainstBugs({ log, meter: gateway.meter, stop: async () => void (await gateway.stop()), exit: exitNow })
  const signals = listenForSignals(code => {
    log.warn('second signal: exits at once; what was not yet delivered is lost unless it lies on disk')
    exitNow(code)
  })
  // Timers of the machine keep no process alive; a running gateway stays even when nothing listens.
  const alive = setInterval(() => {}, NEVER)
  try {
    for (const warning of plan.warnings) log.warn(problemText(warning))
    const interrupted = await Promise.race([gateway.start().then(() => undefined), signals.first])
    if (!interrupted) log.info('ready', summary(plan))
    const signal = interrupted ?? (await signals.first)
    log.info('stopping', { signal })
    const settled = await gateway.stop()
    if (settled) log.info('stopped')
    else log.error('stopped at service.shutdown_timeout before everything was delivered')
    return settled ? 0 : 1
  } catch (error) {
    log.error(problemText(startProblem(error, plan.root)))
    await gateway.stop()
    return 1
  } finally {
    clearInterval(alive)
    signals.ignore()
    unguard()
    log.flush()
  }
}
