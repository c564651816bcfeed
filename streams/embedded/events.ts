/** What happens to a log on disk, as metrics and log lines. */
import type { LogEvents } from '../../storage/index.js'
import type { Counter, Ports } from '../ports.js'

const PREFIX = 'ai_factory_gateway_stream_'

export interface DiskEvents extends LogEvents {
  clockStepped(ms: number): void
  historyFreed(bytes: number): void
}

/** `full` is told as well, so that the driver can make room. */
export const diskEvents = (stream: string, directory: string, { meter, log }: Ports, full: (full: boolean) => void): DiskEvents => {
  const counter = (name: string, help: string): Counter => meter.counter(`${PREFIX}${name}`, help, { stream })
  const torn = counter(
    'torn_bytes_total',
    'Bytes cut off the end of the log at a start: a crash in the middle of a write, never acknowledged.',
  )
  const damaged = counter('damaged_bytes_total', 'Bytes of the log in which no record could be read.')
  const lost = counter('lost_items_total', 'Items that lay on the log and cannot be read any more.')
  const failures = counter('write_failures_total', 'Writes or syncs of the log that failed; their senders were told to retry.')
  const steps = counter('clock_steps_total', 'Steps of the wall clock of a second or more.')
  const freed = counter('history_freed_bytes_total', 'Log freed above max_size that a restart would have rebuilt state from.')
  let isFull = false
  meter.gauge(`${PREFIX}disk_full`, '1 while records are refused because the disk has no space.', { stream }, () => (isFull ? 1 : 0))
  return {
    tornTail: bytes => {
      torn.add(bytes)
      log.warn('the last write before the stop was not complete; it was never acknowledged and is cut off', { stream, directory, bytes })
    },
    damaged: (path, position, bytes) => {
      damaged.add(bytes)
      log.error('damaged bytes in the log are stepped over', { stream, path, position, bytes })
    },
    lost: items => {
      lost.add(items)
      log.error('items of the log are lost', { stream, directory, items })
    },
    failed: error => {
      failures.add(1)
      log.error('the log could not be written; senders are told to retry', { stream, directory, error: String(error) })
    },
    full: now => {
      isFull = now
      if (now) log.error('the disk is full: records are refused until there is space again', { stream, directory })
      else log.info('there is disk space again', { stream, directory })
      full(now)
    },
    clockStepped: ms => {
      steps.add(1)
      log.warn('the wall clock stepped', { stream, milliseconds: Math.round(ms) })
    },
    historyFreed: bytes => {
      freed.add(bytes)
      log.warn('the log is larger than max_size: history was freed, a restart now would have less coverage', { stream, directory, bytes })
    },
  }
}
