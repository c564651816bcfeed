/** The records a partition's owner writes itself: ticks (rule 4) and settings (rule 21). */
import { type Driver, type Outgoing, SETTINGS, TICK } from '../driver.js'
import type { Windowing } from '../handler.js'
import type { Clock, Log } from '../ports.js'
import type { StreamCounters } from './metrics.js'
import { type Partition, sameWindowing, writeWindowing } from './partition.js'

const NO_KEY = new Uint8Array(0)

const ownRecord = (partition: number, kind: number, value: readonly Uint8Array[]): Outgoing => ({
  partition,
  key: NO_KEY,
  kind,
  firstTime: 0,
  lastTime: 0,
  items: 0,
  fingerprint: undefined,
  value,
  part: 0,
  parts: 1,
})

/** What is needed of an owned partition. */
export interface Ticked {
  readonly partition: Pick<Partition<unknown>, 'id' | 'restoring' | 'windowing'>
  lastRecord: number
  settingsAsked: boolean
}

export interface OwnRecordsOptions {
  readonly clock: Clock
  readonly log: Log
  readonly tick: number
  readonly windowing: Windowing
}

export class OwnRecords {
  private ticking = false

  constructor(
    private readonly driver: Driver,
    private readonly options: OwnRecordsOptions,
    private readonly counters: StreamCounters,
  ) {}

  /** Appends a tick to each partition that has been quiet and is read to its end. Called only when not paused. */
  tick(owned: Iterable<Ticked>): void {
    if (this.ticking) return
    const now = this.options.clock.monotonic()
    const quiet = [...owned].filter(
      ({ lastRecord, partition }) => now - lastRecord >= this.options.tick && this.driver.caughtUp(partition.id),
    )
    if (quiet.length === 0) return
    this.ticking = true
    this.append(
      quiet.map(({ partition }) => ownRecord(partition.id, TICK, [])),
      () => this.counters.ticks.add(quiet.length),
      () => {},
      () => (this.ticking = false),
    )
  }

  /** Where the log runs under other settings than the configured ones, writes the new ones, once the partition is restored. */
  askForSettings(owned: Iterable<Ticked>): void {
    const { windowing } = this.options
    for (const each of owned) {
      const { partition } = each
      if (partition.restoring || each.settingsAsked || sameWindowing(partition.windowing, windowing)) continue
      each.settingsAsked = true
      this.append(
        [ownRecord(partition.id, SETTINGS, [writeWindowing(windowing)])],
        () =>
          this.options.log.info('settings changed: open windows are closed early and marked as cut', {
            partition: partition.id,
            ...windowing,
          }),
        () => (each.settingsAsked = false),
        () => {},
      )
    }
  }

  private append(records: readonly Outgoing[], done: () => void, failed: () => void, always: () => void): void {
    this.driver
      .append(records, true)
      .then(done, error => {
        failed()
        this.options.log.warn('cannot append a tick or settings; it is tried again', { error: String(error) })
      })
      .finally(always)
  }
}
