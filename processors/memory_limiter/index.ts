import { z } from 'zod'
import { duration } from '../../config/options.js'
import { SIGNALS } from '../../proto/batch.js'
import { Admission, memoryOfMachine } from '../../runtime/admission.js'
import { component } from '../../runtime/component.js'

const MIB = 2 ** 20
/** Of the limit, when no spike limit is given; the Collector's figure. */
const DEFAULT_SPIKE = 0.2

const mebibytes = () => z.number().positive()
const percentage = () => z.number().positive().max(100)

const options = z
  .strictObject({
    check_interval: duration('1s').describe('How often resident memory is read.'),
    limit_mib: mebibytes().optional().describe('Resident memory the gateway should not exceed, in MiB. Goes before `limit_percentage`.'),
    spike_limit_mib: mebibytes()
      .optional()
      .describe('Senders are refused from this far below the limit, in MiB; absent = a fifth of the limit.'),
    limit_percentage: percentage().optional().describe('The limit as a share of the memory that the container or machine has.'),
    spike_limit_percentage: percentage().optional().describe('The spike limit as a share of the memory that the container or machine has.'),
    min_gc_interval_when_soft_limited: duration('10s').describe('Least time between garbage collections asked for above the soft limit.'),
    min_gc_interval_when_hard_limited: duration('0s').describe('Least time between garbage collections asked for above the limit.'),
  })
  .superRefine((written, context) => {
    const { limit, spike } = limitsOf(written)
    if (written.check_interval <= 0)
      context.addIssue({ code: 'custom', path: ['check_interval'], message: 'must be above 0; 1s is a good value' })
    if (limit === undefined) context.addIssue({ code: 'custom', message: 'set limit_mib or limit_percentage' })
    else if (spike >= limit) context.addIssue({ code: 'custom', message: 'the spike limit must be smaller than the limit' })
  })

interface Written {
  readonly limit_mib?: number | undefined
  readonly spike_limit_mib?: number | undefined
  readonly limit_percentage?: number | undefined
  readonly spike_limit_percentage?: number | undefined
}

/** Bytes, whichever way they were written. */
const limitsOf = (written: Written): { limit: number | undefined; spike: number } => {
  const limit = bytesOf(written.limit_mib, written.limit_percentage)
  return { limit, spike: bytesOf(written.spike_limit_mib, written.spike_limit_percentage) ?? (limit ?? 0) * DEFAULT_SPIKE }
}

const bytesOf = (mib: number | undefined, percent: number | undefined): number | undefined => {
  if (mib !== undefined) return mib * MIB
  return percent === undefined ? undefined : (memoryOfMachine() * percent) / 100
}

export default component({
  kind: 'processor',
  type: 'memory_limiter',
  summary: 'Refuses new data, to be sent again later, while memory is short.',
  stability: 'beta',
  signals: SIGNALS,
  config: options,
  examples: {
    'A fixed limit': 'check_interval: 1s\nlimit_mib: 1500\nspike_limit_mib: 300\n',
    'A share of the container’s memory': 'limit_percentage: 75\nspike_limit_percentage: 15\n',
  },
  create(config, context) {
    const admission = context.host.get(Admission)
    const { limit = Number.POSITIVE_INFINITY, spike } = limitsOf(config)
    let lift: (() => void) | undefined
    const { id, meter, log } = context
    meter.gauge('ai_factory_gateway_memory_admitted_bytes', 'Bytes taken in and not yet settled.', {}, () => admission.admitted)
    meter.gauge('ai_factory_gateway_memory_limit_bytes', 'Resident memory the gateway should not exceed.', { processor: id }, () => limit)
    return {
      async start() {
        lift ??= admission.limit({
          limit,
          spike,
          checkInterval: config.check_interval,
          gcInterval: { soft: config.min_gc_interval_when_soft_limited, hard: config.min_gc_interval_when_hard_limited },
          crossed: (short, rss) =>
            short
              ? log.warn('memory is short: senders are told to come back later', { rss, limit, spike })
              : log.info('memory is no longer short: senders are served again', { rss, limit, spike }),
        })
      },
      async stop() {
        lift?.()
        lift = undefined
      },
      async consume(batch) {
        admission.check()
        await context.next(batch)
      },
    }
  },
})
