/** One record → one batch, handed on until it is over with: acknowledged, put aside or skipped. */
import type { IncomingRecord, TopicPartition } from '../../kafka/index.js'
import { Batch, type Metadata } from '../../proto/batch.js'
import { inspect } from '../../proto/inspect.js'
import { fromJson, JsonError } from '../../proto/json/index.js'
import type { OtlpSignal } from '../../proto/services.js'
import { WireError } from '../../proto/wire.js'
import type { Upstream } from '../../runtime/component.js'
import { PartialError, PermanentError, RetryableError } from '../../runtime/errors.js'
import type { DeadLetters } from './dead_letters.js'
import type { Lane } from './lane.js'
import type { BackoffOptions } from './options.js'
import type { Telemetry } from './telemetry.js'

export interface Content {
  readonly signal: OtlpSignal
  readonly encoding: 'otlp_proto' | 'otlp_json'
}

const METADATA: Metadata = { transport: 'kafka' }
/** Whoever asks for a longer pause than this is asked again all the same. */
const LONGEST_HINT_MS = 300_000

/** Throws PermanentError `malformed`. Undefined when there is nothing in it. */
const read = ({ value }: IncomingRecord, { signal, encoding }: Content): Batch | undefined => {
  if (value === null || value.length === 0) return undefined
  try {
    const request = encoding === 'otlp_json' ? fromJson(signal, value) : value
    const items = inspect(signal, request)
    return items > 0 ? Batch.of(signal, [request], items, METADATA) : undefined
  } catch (error) {
    if (error instanceof WireError || error instanceof JsonError) throw new PermanentError(error.message, 'malformed', { cause: error })
    throw error
  }
}

export class Delivering {
  constructor(
    private readonly contents: ReadonlyMap<string, Content>,
    private readonly context: Pick<Upstream, 'next' | 'clock' | 'log'>,
    private readonly backoff: BackoffOptions,
    private readonly telemetry: Telemetry,
    private readonly deadLetters: DeadLetters | undefined,
    private readonly random: () => number = Math.random,
  ) {}

  /** As `Handle` in lane.ts. Never rejects. */
  readonly handle = async (record: IncomingRecord, lane: Lane): Promise<boolean> => {
    const content = this.contents.get(lane.partition.topic)!
    try {
      const batch = read(record, content)
      return batch === undefined || (await this.insist(lane, 'hand on a record', () => this.context.next(batch)))
    } catch (error) {
      if (error instanceof PartialError) {
        const { items, reason, message } = error
        this.context.log.warn('refused part of a record', { ...lane.partition, offset: record.offset, items, reason, message })
        return true
      }
      const { reason, message } = error as PermanentError
      if (reason === 'malformed') this.telemetry.unreadable(lane.partition, content.signal)
      return this.putAside(lane, record, reason, message)
    }
  }

  private async putAside(lane: Lane, record: IncomingRecord, reason: string, message: string): Promise<boolean> {
    const { deadLetters } = this
    if (!deadLetters) return this.skip(lane, record, reason, `${message}; name a dead_letter topic to keep such records`)
    const { partition } = lane
    try {
      const put = () => deadLetters.put(partition, record, reason, message)
      if (!(await this.insist(lane, 'write to the dead-letter topic', put))) return false
    } catch (error) {
      return this.skip(lane, record, reason, `${message}; nor does the dead-letter topic take it: ${(error as PermanentError).message}`)
    }
    this.telemetry.undeliverable(partition, reason, 'dead_letter')
    const fields = { ...partition, offset: record.offset, reason, message }
    this.context.log.error('put a record that can never be delivered into the dead-letter topic', fields)
    return true
  }

  private skip({ partition }: Lane, { offset }: IncomingRecord, reason: string, message: string): true {
    this.telemetry.undeliverable(partition, reason, 'skipped')
    this.context.log.error('skipped a record that can never be delivered', { ...partition, offset, reason, message })
    return true
  }

  /** Does it again and again until it succeeds (true), the lane ends (false) or it is refused for good (rejects with PermanentError). */
  private async insist(lane: Lane, what: string, task: () => Promise<void>): Promise<boolean> {
    let interval = this.backoff.initial_interval
    while (!lane.ended) {
      try {
        await task()
        return true
      } catch (error) {
        if (error instanceof PermanentError) throw error
        const hint = error instanceof RetryableError ? error.after : undefined
        const wait = this.spread(interval, hint)
        interval = Math.min(interval * this.backoff.multiplier, this.backoff.max_interval)
        this.context.log.warn(`cannot ${what} now; the partition waits and it is tried again`, {
          ...(lane.partition satisfies TopicPartition),
          error: error instanceof Error ? error.message : String(error),
          wait_ms: Math.round(wait),
        })
        await lane.waiting(() => this.sleep(wait, lane.signal))
      }
    }
    return false
  }

  private spread(interval: number, hint: number | undefined): number {
    const { randomization_factor: spread } = this.backoff
    if (hint !== undefined && hint > 0) return Math.min(hint, LONGEST_HINT_MS) + interval * spread * this.random()
    return interval * (1 - spread + 2 * spread * this.random())
  }

  private sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      const done = (): void => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.context.clock.after(ms, done)
      signal.addEventListener('abort', done)
    })
  }
}
