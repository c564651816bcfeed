/** Looks now and then whether a partition has records and none come: clients of Kafka have stood still on record, with no error to see. */
import type { Connection } from './connection.js'
import { keyOf } from './link.js'
import { LATEST } from './places.js'
import type { Ports } from './ports.js'
import type { Reader } from './reader.js'
import { sleep } from './wait.js'

/** Sessions without a record, while there are some to read, after which the connection is made anew. */
const STALL_SESSIONS = 3

export const watch = async (
  reader: Pick<Reader, 'silent' | 'touch'>,
  connection: Connection,
  { group, sessionTimeout, isolation }: { readonly group: string; readonly sessionTimeout: number; readonly isolation: number },
  { clock, log }: Ports,
  over: () => boolean,
): Promise<void> => {
  for (;;) {
    await sleep(clock, sessionTimeout)
    if (over()) return
    const silent = reader.silent(STALL_SESSIONS * sessionTimeout)
    if (silent.length === 0) continue
    const asked = silent.map(({ position }) => position)
    try {
      const ends = await connection.ask('look for a stall', link => link.offsets(silent, LATEST, isolation))
      const stalled = silent.filter((cursor, index) => cursor.position === asked[index] && (ends.get(keyOf(cursor)) ?? 0) > cursor.position)
      if (stalled.length > 0 && !over()) {
        const partitions = stalled.map(({ topic, partition }) => `${topic}, partition ${partition}`)
        log.warn('there are records to read and none come: the connection is made anew', { group, partitions })
        connection.close()
      }
    } catch {
      // Whoever reads meets the same and tells of it.
    }
    reader.touch(silent)
  }
}
