/** Where a member begins to read each partition it was given. */
import type { AssignedPartition, Gap } from './client.js'
import { KafkaError } from './errors.js'
import type { Generation, Group } from './group.js'
import { keyOf, type Link } from './link.js'

export const EARLIEST = -2
export const LATEST = -1

/** The committed offset, else `initialOffset`. One that is not on the log any more is a gap, and reading begins at what there is: never at the end. */
export const placesOf = async (
  link: Link,
  group: Group,
  { partitions }: Generation,
  initialOffset: 'earliest' | 'latest',
  gap: (gap: Gap) => void,
): Promise<AssignedPartition[]> => {
  const committed = await group.committed(link, partitions)
  const starts = await link.offsets(partitions, EARLIEST, 0)
  const ends = await link.offsets(partitions, LATEST, 0)
  const places: AssignedPartition[] = []
  const gaps: Gap[] = []
  for (const partition of partitions) {
    const key = keyOf(partition)
    const logStart = starts.get(key)
    const logEnd = ends.get(key)
    if (logStart === undefined || logEnd === undefined)
      throw new KafkaError(`${partition.topic}, partition ${partition.partition} has no leader`, 'retryable', 'LEADER_NOT_AVAILABLE')
    const known = committed.get(key)
    const wanted = known?.offset ?? (initialOffset === 'latest' ? logEnd : logStart)
    const onLog = wanted >= logStart && wanted <= logEnd
    if (!onLog) gaps.push({ ...partition, reason: wanted < logStart ? 'log_start_moved' : 'log_truncated', wanted, logStart, logEnd })
    places.push({ ...partition, committed: known, logStart, logEnd, position: onLog ? wanted : logStart })
  }
  // Only once all is known: a question that is asked again would tell of the same gap twice.
  for (const each of gaps) gap(each)
  return places
}
