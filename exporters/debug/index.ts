import { z } from 'zod'
import type { Batch } from '../../proto/batch.js'
import { OTLP_SIGNALS, type OtlpSignal } from '../../proto/services.js'
import { WireError } from '../../proto/wire.js'
import { component } from '../../runtime/component.js'
import { deliver, IMMEDIATE, type Send } from '../../runtime/delivery/index.js'
import { PermanentError } from '../../runtime/errors.js'
import { counts } from './basic.js'
import { detailedLogs, normalLogs } from './logs.js'
import { detailedMetrics, normalMetrics } from './metrics.js'
import { sampler } from './sampler.js'
import { printable } from './text.js'
import { detailedTraces, normalTraces } from './traces.js'

const VERBOSITIES = ['basic', 'normal', 'detailed'] as const
type Verbosity = (typeof VERBOSITIES)[number]
type Lines = (batch: Batch) => string[]

const LINES: Readonly<Record<OtlpSignal, Readonly<Record<Exclude<Verbosity, 'basic'>, Lines>>>> = {
  traces: { normal: normalTraces, detailed: detailedTraces },
  metrics: { normal: normalMetrics, detailed: detailedMetrics },
  logs: { normal: normalLogs, detailed: detailedLogs },
}

const options = z.strictObject({
  verbosity: z
    .enum(VERBOSITIES)
    .default('basic')
    .describe('`basic` prints a line with counts for each batch, `normal` about a line for each item, `detailed` everything.'),
  sampling_initial: z.int().min(0).default(2).describe('Batches shown at the beginning of each second.'),
  sampling_thereafter: z.int().min(0).default(1).describe('Of the following ones in that second, every this many-th is shown; 0 = none.'),
})

/** A batch as text, ready to be printed. What cannot be read is said in its place: a debug view never fails a batch. */
export const render = (batch: Batch, signal: OtlpSignal, verbosity: Verbosity, id: string, now: number): string => {
  const lines: string[] = []
  try {
    const [title, found] = counts(batch, signal)
    lines.push(`${new Date(now).toISOString()}\tinfo\t${title}\t${JSON.stringify({ component: id, ...found })}`)
    if (verbosity !== 'basic') lines.push(...LINES[signal][verbosity](batch).map(printable))
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    lines.push(`(the rest of these ${signal} cannot be read: ${error.message})`)
  }
  return `${lines.join('\n')}\n`
}

const print = (text: string): Promise<void> =>
  new Promise((resolve, reject) => process.stdout.write(text, error => (error ? reject(error) : resolve())))

export default component({
  kind: 'exporter',
  type: 'debug',
  summary: 'Prints telemetry on the terminal (stdout).',
  stability: 'stable',
  signals: OTLP_SIGNALS,
  config: options,
  examples: {
    'One line for each batch': '{}\n',
    'Everything, but at most two batches a second': 'verbosity: detailed\nsampling_initial: 2\nsampling_thereafter: 0\n',
  },
  create(config, context) {
    const shown = sampler(config.sampling_initial, config.sampling_thereafter, context.clock)
    /** Whoever read our stdout may have gone; that is told once and harms nothing else. */
    const onGone = (error: Error): void => context.log.warn('stdout cannot be written; nothing is printed', { error })
    let listening = false
    const send: Send = async batch => {
      if (batch.signal === 'events') throw new PermanentError('events are printed as metrics and logs', 'unsupported_signal')
      if (shown()) await print(render(batch, batch.signal, config.verbosity, context.id, context.clock.now())).catch(onGone)
      return undefined
    }
    const delivery = deliver(IMMEDIATE, send, context)
    return {
      consume: delivery.consume,
      async start() {
        if (!listening) process.stdout.on('error', onGone)
        listening = true
        await delivery.start?.()
      },
      async stop(deadline) {
        await delivery.stop?.(deadline)
        process.stdout.off('error', onGone)
        listening = false
      },
    }
  },
})
