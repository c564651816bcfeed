/**
 * A checkpoint as Kafka keeps it: the offset that is committed is the oldest needed one (rule 19), everything else is the commit's metadata,
 * JSON of some 200 bytes where the broker takes 4096. One commit a partition, so the two are never apart.
 */
import type { Committed } from '../../kafka/index.js'
import type { Checkpoint } from '../driver.js'

const VERSION = 1

export const toCommit = ({ oldest, windowing, ...rest }: Checkpoint): Committed => ({
  offset: oldest,
  metadata: JSON.stringify({ version: VERSION, ...rest, ...windowing }),
})

/** Undefined when the metadata is not ours: somebody else committed, or a newer version. */
export const fromCommit = ({ offset, metadata }: Committed): Checkpoint | undefined => {
  const known = parsed(metadata)
  if (known?.version !== VERSION) return undefined
  const { streamTime, next, oldestStreamTime, needed, evictedBelow, window, grace, maxGap, history } = known
  const numbers = [streamTime, next, oldestStreamTime, needed, evictedBelow, window, grace, maxGap, history]
  if (!numbers.every(Number.isFinite) || !(window! > 0) || next! < offset) return undefined
  const windowing = { window: window!, grace: grace!, maxGap: maxGap!, history: history! }
  return {
    streamTime: streamTime!,
    next: next!,
    oldest: offset,
    oldestStreamTime: oldestStreamTime!,
    windowing,
    needed: needed!,
    evictedBelow: evictedBelow!,
  }
}

const parsed = (metadata: string): Readonly<Record<string, number | undefined>> | undefined => {
  try {
    const value: unknown = JSON.parse(metadata)
    return typeof value === 'object' && value !== null ? (value as Record<string, number>) : undefined
  } catch {
    return undefined
  }
}
