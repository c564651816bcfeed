import { z } from 'zod'
import { byteSize, duration } from '../../config/options.js'
import { type Batch, type Metadata, SIGNALS, type Signal } from '../../proto/batch.js'
import { OTLP_SIGNALS } from '../../proto/services.js'
import { TENANT_KEYS } from '../../proto/vocabulary/usage.js'
import { Buffers } from '../../runtime/buffers.js'
import { component, type Upstream } from '../../runtime/component.js'
import { PartialError, PermanentError, RetryableError, refusingUnreadable } from '../../runtime/errors.js'
import { HEALTH } from '../../runtime/health.js'
import { droppedItems } from '../../runtime/telemetry/ledger.js'
import { TRANSACTIONS } from '../../runtime/transactions.js'
import { type Entry, Refusal, type Running, STREAMS, type Stream, TooLarge, type Windowing, windowingProblem } from '../../streams/index.js'
import { deliverInOrder } from './deliver.js'
import { JoinHandler } from './handler.js'
import { KIND } from './kinds.js'
import { joinMeters } from './meters.js'
import { type Output, Outputs } from './outputs.js'
import { Splitter } from './split.js'

/** About what an event takes in memory. */
const EVENT_BYTES = 8192

const options = z
  .strictObject({
    stream: z
      .string()
      .default('workloads')
      .describe('Name in the `streams:` section of the stream on which telemetry of a workload meets.'),
    window: duration('10s').describe('Length of a window: one correlated event for each workload and window.'),
    grace: duration('15s').describe(
      'How late telemetry may reach the gateway and still count in its own window. Spans wait this long before they are passed on.',
    ),
    max_gap: duration('90s').describe(
      'A sample says nothing about more than this time before it, and its value is carried on no longer. At least twice the scrape interval.',
    ),
    history: duration('5m').describe(
      'How long samples are remembered: bounds the spans that can be fully covered, and what is read again after a restart.',
    ),
    hold_spans: z
      .boolean()
      .default(true)
      .describe(
        '`true`: a span waits until the samples of its whole duration are there. `false`: it is passed on at once with what is known.',
      ),
    enrich: z
      .enum(['full', 'compact'])
      .default('full')
      .describe(
        'Attributes written on spans: `compact` leaves out GPU ids, identity source, memory bytes, temperature, throttling and carried time.',
      ),
    tenant_attributes: z
      .array(z.string().min(1))
      .default([...TENANT_KEYS])
      .describe(
        'Attributes of a span, else of its resource, that name the tenant; the first that is there counts. Each tenant’s requests and tokens stand in the event, at most 1000 a workload and window.',
      ),
    max_held: byteSize('256MiB').describe('Memory for spans that wait; above it the oldest are passed on as they came.'),
    max_state_bytes: byteSize('512MiB').describe(
      'Memory for samples and series; above it new devices, engines and series are not remembered, and counted.',
    ),
    max_workloads: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Workloads a partition keeps apart; spans of further ones are counted together as `ai_factory.overflow`.'),
  })
  .superRefine(({ window, grace, max_gap, history }, context) => {
    const problem = windowingProblem({ window, grace, maxGap: max_gap, history })
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, path: ['history'], input: history })
  })
type Options = z.infer<typeof options>

export default component({
  kind: 'processor',
  type: 'workload_join',
  summary:
    'Joins spans, metrics and logs of one workload: spans carry the state of their GPUs and engine, every window gives one correlated event.',
  stability: 'beta',
  signals: ['traces', 'metrics', 'logs'],
  config: options,
  examples: {
    'With its defaults': '{}\n',
    'Shorter windows, samples at most every 5 s': 'window: 5s\ngrace: 5s\nmax_gap: 15s\nhistory: 1m\n',
    'Pass spans on at once': 'hold_spans: false\nenrich: compact\n',
  },
  placement: places => {
    const typed = places.find(({ signals }) => signals.length === 1)
    if (typed)
      return {
        place: typed,
        message: `"${typed.id}" joins traces with metrics, so it stands in one pipeline that carries all signals: give it a name of its own, such as "factory:", instead of "${typed.pipeline}:"`,
      }
    const seen = new Map<string, string>()
    for (const place of places) {
      const { stream } = place.config
      const before = seen.get(stream)
      if (before !== undefined)
        return {
          place,
          message: `stream "${stream}" is joined in pipeline "${before}" already: one workload_join per stream; let that pipeline take these receivers too, or name another stream with \`stream:\``,
        }
      seen.set(stream, place.pipeline)
    }
    return undefined
  },
  create: (config, context) => new WorkloadJoin(config, context),
})

/** Upstream ends with the append, which is the acknowledgement; downstream begins at the log. */
class WorkloadJoin {
  private readonly splitter = new Splitter()
  private readonly stream: Stream
  private readonly meters: ReturnType<typeof joinMeters>
  private running: Running | undefined
  private stopping = new AbortController()
  /** Tells the health of the gateway that this works again. */
  private mend = (): void => {}

  constructor(
    private readonly config: Options,
    private readonly context: Upstream,
  ) {
    this.stream = context.host.get(STREAMS).get(config.stream)
    this.meters = joinMeters(context.meter, context.log, context.id)
  }

  async start(): Promise<void> {
    const { config, context, meters } = this
    this.stopping = new AbortController()
    const { signal } = this.stopping
    const windowing: Windowing = { window: config.window, grace: config.grace, maxGap: config.max_gap, history: config.history }
    const handlers = new Map<number, JoinHandler>()
    const outputs = new Outputs(new Buffers())
    const stateBytes = () => [...handlers.values()].reduce((sum, handler) => sum + handler.stateBytes(), 0)
    const handlerOptions = {
      stream: config.stream,
      enrich: config.enrich,
      holdSpans: config.hold_spans,
      room: () => stateBytes() < config.max_state_bytes,
      maxWorkloads: config.max_workloads,
      wanted: this.wanted(),
      tenants: config.tenant_attributes,
      outputs,
    }
    this.running = await this.stream.run<Output>({
      windowing,
      maxHeld: config.max_held,
      handler: (partition, first) => {
        const handler = new JoinHandler(handlerOptions, first, meters)
        handlers.set(partition, handler)
        return handler
      },
      // Events are not asked for their bytes: nobody may ever need them.
      size: ({ batch }) => (batch.signal === 'events' ? batch.items * EVENT_BYTES : batch.bytes),
      deliver: async (outs, epoch, exactlyOnce) => {
        const batches = outs.map(({ batch }) => batch)
        const send = (within: Metadata = {}) => deliverInOrder(batches, { epoch, ...within }, context, meters, signal)
        await (exactlyOnce ? context.host.get(TRANSACTIONS).within(exactlyOnce, send) : send())
        for (const out of outs) outputs.done(out)
      },
      duplicate: (kind, items) => meters.outcome(KIND.signal(kind), 'duplicate', items),
      broken: () => {
        this.mend = context.host
          .get(HEALTH)
          .failed(`${context.id} does not read stream ${config.stream} any more; the log says why: restart the gateway`)
      },
    })
  }

  /** Resolves when the batch is durably on the stream. */
  readonly consume = async (batch: Batch): Promise<void> => {
    if (batch.signal === 'events') return this.context.next(batch)
    const entries = this.split(batch)
    if (entries.length === 0) return
    let appended: 'held' | 'pass'
    try {
      appended = await this.stream.append(entries)
    } catch (error) {
      if (error instanceof TooLarge) return this.refusePart(batch, error)
      if (!(error instanceof Refusal)) throw error
      const { message, reason, retryable, after } = error
      throw retryable ? new RetryableError(message, reason, after, { cause: error }) : new PermanentError(message, reason, { cause: error })
    }
    if (appended === 'held') return
    this.meters.outcome(batch.signal, 'unjoined', batch.items)
    await this.context.next(batch)
  }

  /** The rest is on the stream (rule 2). Copies for other owners are nobody's items: their sender is told of the sample itself. */
  private refusePart(batch: Batch, { entries }: TooLarge): void {
    const items = entries.reduce((sum, entry) => sum + (KIND.copy(entry.kind) ? 0 : entry.items), 0)
    if (items === 0) return
    const { meter, id } = this.context
    droppedItems(meter, 'processor', id, batch.signal, 'too_large').add(items)
    throw new PartialError(
      `refused ${items === 1 ? 'an item that is' : `${items} items that are`} larger than 16 MiB with the resource: put less into one. The others were taken`,
      'too_large',
      items,
    )
  }

  /** What nobody behind takes is folded into the events, and its bytes go no further. */
  private wanted(): ReadonlySet<Signal> {
    const { log, signals = SIGNALS } = this.context
    const wanted = new Set(signals)
    const unwanted = OTLP_SIGNALS.filter(signal => !wanted.has(signal))
    if (unwanted.length > 0)
      log.info(`no exporter behind takes ${unwanted.join(' or ')}: they are joined, counted as no_exporter and go no further`)
    return wanted
  }

  private split(batch: Batch): Entry[] {
    return refusingUnreadable('bad_data', () => this.splitter.split(batch, this.config.window))
  }

  async stop(deadline: AbortSignal): Promise<void> {
    const { running } = this
    this.running = undefined
    if (!running) return
    const give = () => this.stopping.abort()
    deadline.addEventListener('abort', give, { once: true })
    try {
      await running.stop(deadline)
    } finally {
      deadline.removeEventListener('abort', give)
      this.mend()
      this.stopping.abort()
    }
  }
}
