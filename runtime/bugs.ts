/** The last line of defence. What arrives here is a bug of ours: nothing sent from outside may ever cause it. */
import type { Log, Meter } from './component.js'

type Source = 'uncaught_exception' | 'unhandled_rejection'

export interface BugGuard {
  readonly log: Log
  readonly meter: Meter
  /** Stops everything in order; must settle by itself. */
  readonly stop: () => Promise<void>
  /** Ends the process. */
  readonly exit: (code: number) => void
}

/**
 * From now on an uncaught exception or unhandled rejection is logged with its stack, counted, and leads to one orderly stop and exit code 1:
 * after it, nobody knows what state the process is in. The result takes the guard off again.
 */
export const guardAgainstBugs = ({ log, meter, stop, exit }: BugGuard): (() => void) => {
  let stopping = false
  const report = (source: Source) => {
    const counter = meter.counter('ai_factory_gateway_bugs', 'Errors that nobody caught; each one is a bug of the gateway.', { source })
    return (error: unknown) => {
      counter.add(1)
      log.error('bug: an error nobody caught; the gateway stops', {
        source,
        error,
        stack: error instanceof Error ? error.stack : undefined,
      })
      if (stopping) return
      stopping = true
      stop().then(
        () => exit(1),
        () => exit(1),
      )
    }
  }
  const onException = report('uncaught_exception')
  const onRejection = report('unhandled_rejection')
  process.on('uncaughtException', onException)
  process.on('unhandledRejection', onRejection)
  return () => {
    process.off('uncaughtException', onException)
    process.off('unhandledRejection', onRejection)
  }
}
