/** A stream over any driver: splits entries over partitions, refuses honestly, runs one task. */
import type { Driver, Outgoing } from '../driver.js'
import { FIRST_PROCESSOR_KIND, MAX_ENTRY_BYTES } from '../driver.js'
import type { Entry } from '../handler.js'
import { partitionOf } from '../partitioner.js'
import type { Ports } from '../ports.js'
import { retentionProblem, windowingProblem } from '../settings.js'
import { type Appended, Refusal, type Running, type Stream, type Task, TooLarge } from '../stream.js'
import { type StreamCounters, streamCounters } from './metrics.js'
import { cutInParts } from './parts.js'
import { Runner, type RunnerOptions } from './runner.js'

/** Keys are written with a two-byte length. */
const MAX_KEY_BYTES = 65_535
/** Keys whose bytes and partition are remembered. */
const KEY_CACHE = 20_000
/** Milliseconds that senders wait for somebody to restart the gateway. */
const RESTART_AFTER_MS = 10_000

export interface KeyedStreamOptions extends RunnerOptions {
  readonly maxRecordBytes: number
  readonly onUnavailable: 'refuse' | 'pass'
}

interface Place {
  readonly key: Uint8Array
  readonly partition: number
}

export class KeyedStream implements Stream {
  readonly name: string
  private readonly counters: StreamCounters
  private readonly places = new Map<string, Place>()
  private driver: Driver | undefined
  private reader: { readonly failed: boolean } | undefined
  private stopped: Promise<void> = Promise.resolve()

  constructor(
    private readonly options: KeyedStreamOptions,
    private readonly makeDriver: () => Promise<Driver>,
    private readonly ports: Ports,
  ) {
    this.name = options.stream
    this.counters = streamCounters(ports.meter, options.stream)
  }

  async append(entries: readonly Entry[]): Promise<Appended> {
    const items = itemsOf(entries)
    const tooLarge: Entry[] = []
    try {
      if (!this.driver) throw new Refusal(`stream ${this.name} is not running`, 'stopped', true, 1000)
      if (this.reader?.failed)
        throw new Refusal(
          `stream ${this.name} is not read any more; the log says why: restart the gateway`,
          'not_read',
          true,
          RESTART_AFTER_MS,
        )
      const records = this.toRecords(this.driver, entries, tooLarge)
      if (records.length > 0) await this.driver.append(records, false)
    } catch (error) {
      const refusal =
        error instanceof Refusal ? error : new Refusal(`stream ${this.name}: ${String(error)}`, 'unwritable', true, 1000, { cause: error })
      if (refusal.retryable && this.options.onUnavailable === 'pass' && refusal.reason !== 'stopped') {
        this.counters.passed.add(items)
        return 'pass'
      }
      this.counters.refused(refusal.reason).add(items)
      throw refusal
    }
    const refused = itemsOf(tooLarge)
    this.counters.appended.add(items - refused)
    if (tooLarge.length === 0) return 'held'
    this.counters.refused('too_large').add(refused)
    throw new TooLarge(
      `stream ${this.name}: ${refused} items are never taken: their value is larger than ${MAX_ENTRY_BYTES} bytes or their key than ${MAX_KEY_BYTES}`,
      tooLarge,
    )
  }

  owns(key: string): boolean {
    const { driver } = this
    return driver?.owns(partitionOf(Buffer.from(key), driver.partitions)) ?? false
  }

  async run<Out>(task: Task<Out>): Promise<Running> {
    if (this.driver) throw new Error(`stream ${this.name} runs a task already: one processor per stream`)
    const problem = windowingProblem(task.windowing)
    if (problem) throw new Error(problem)
    await this.stopped
    const driver = await this.makeDriver()
    const short = driver.retention === undefined ? undefined : retentionProblem(task.windowing, driver.retention)
    if (short) throw new Error(`stream ${this.name}: ${short}`)
    this.driver = driver
    try {
      await driver.open()
    } catch (error) {
      this.driver = undefined
      throw error
    }
    const runner = new Runner(driver, task, this.options, this.ports, this.counters)
    this.reader = runner
    runner.start()
    return { stop: deadline => this.stop(runner, driver, deadline) }
  }

  private stop(runner: Running, driver: Driver, deadline: AbortSignal): Promise<void> {
    if (this.driver !== driver) return this.stopped
    this.driver = undefined
    this.stopped = runner.stop(deadline).finally(() => driver.close())
    return this.stopped
  }

  /** Those that fit; the others are added to `tooLarge`. */
  private toRecords(driver: Driver, entries: readonly Entry[], tooLarge: Entry[]): readonly Outgoing[] {
    const records: Outgoing[] = []
    for (const entry of entries) {
      const { key, partition } = this.place(entry.key, driver.partitions)
      const { kind, firstTime, lastTime, items, fingerprint, value } = entry
      if (kind < FIRST_PROCESSOR_KIND || kind > 255) throw new RangeError(`kind ${kind} is not a processor's: 16 to 255`)
      let bytes = 0
      for (const slice of value) bytes += slice.length
      if (bytes > MAX_ENTRY_BYTES || key.length > MAX_KEY_BYTES) {
        tooLarge.push(entry)
        continue
      }
      const record = { partition, key, kind, firstTime, lastTime, items, fingerprint, value, part: 0, parts: 1 }
      if (bytes <= this.options.maxRecordBytes) records.push(record)
      else records.push(...cutInParts(record, bytes, this.options.maxRecordBytes))
    }
    return records
  }

  private place(text: string, partitions: number): Place {
    const known = this.places.get(text)
    if (known) return known
    const key = Buffer.from(text)
    const place = { key, partition: partitionOf(key, partitions) }
    if (this.places.size >= KEY_CACHE) this.places.clear()
    this.places.set(text, place)
    return place
  }
}

const itemsOf = (entries: readonly Entry[]): number => {
  let items = 0
  for (const entry of entries) items += entry.items
  return items
}
